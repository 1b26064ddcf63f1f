# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The password of one of the registry's login roles, or its SCRAM verifier."""

from __future__ import annotations

DOCUMENTATION = r"""
name: registry_secret
short_description: The password of one of the registry's login roles, derived from the platform key
version_added: "0.1.0"
description:
  - Returns the password that a component of the platform logs in to the registry with, or the verifier that the server keeps
    of it.
  - Use it only for options that are not logged.
author:
  - SaaSOdoo developers (@saasodoo)
options:
  _terms:
    description:
      - The component, one of V(owner), V(operator), V(runner), V(inventory); its role is C(saasodoo_NAME). V(admin) is the
        superuser.
    type: list
    elements: str
    required: true
  verifier:
    description: Return the SCRAM verifier instead. It is always the same one.
    type: bool
    default: false
  platform_key_file:
    description: File (mode 0600) with the platform key. Where it does not exist yet, check mode gets a placeholder.
    type: str
    required: true
    vars:
      - name: saasodoo_platform_key_file
    env:
      - name: SAASODOO_PLATFORM_KEY_FILE
"""

EXAMPLES = r"""
- name: Let playbooks log in to the registry
  community.postgresql.postgresql_user:
    login_user: saasodoo_admin
    login_password: "{{ lookup('saasodoo.platform.registry_secret', 'admin') }}"
    login_host: 127.0.0.1
    login_port: 21032
    login_db: postgres
    name: saasodoo_operator
    password: "{{ lookup('saasodoo.platform.registry_secret', 'operator', verifier=true) }}"
"""

RETURN = r"""
_raw:
  description: The password of each component, 32 characters of A-Z, a-z, 0-9, C(-) and C(_), or its verifier.
  type: list
  elements: str
"""

from ..module_utils.secrets import registry
from ..plugin_utils.component_secrets import ComponentSecrets


class LookupModule(ComponentSecrets):
    """Derives passwords and verifiers."""

    NAME = "registry_secret"
    PURPOSES = ("admin", *registry.COMPONENTS)

    def secret(self, key: bytes, purpose: str) -> str:
        """Return the component's password or verifier."""
        return registry.verifier(key, purpose) if self.get_option("verifier") else registry.password(key, purpose)
