# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The SCRAM verifier of one of the registry's login roles."""

from __future__ import annotations

DOCUMENTATION = r"""
name: registry_verifier
short_description: The SCRAM verifier of one of the registry's login roles
version_added: "0.1.0"
description:
  - Returns what the registry's server keeps instead of a component's password, derived from the platform key. It is always the
    same one.
  - Use it only for options that are not logged.
author:
  - SaaSOdoo developers (@saasodoo)
extends_documentation_fragment:
  - saasodoo.platform.secret_lookup
options:
  _terms:
    description:
      - The component, one of V(owner), V(operator), V(runner), V(inventory); its role is C(saasodoo_NAME). V(admin) is the
        superuser, V(killbill) the role of Kill Bill, whose database is beside the registry.
    type: list
    elements: str
    required: true
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
    password: "{{ lookup('saasodoo.platform.registry_verifier', 'operator') }}"
"""

RETURN = r"""
_raw:
  description: The verifier of each component's role.
  type: list
  elements: str
"""

from ..module_utils.secrets import registry
from ..plugin_utils.secret_lookup import ComponentLookup


class LookupModule(ComponentLookup):
    """Derives verifiers."""

    NAME = "registry_verifier"
    PURPOSES = ("admin", "killbill", *registry.COMPONENTS)
    PLACEHOLDER = ""

    def derive(self, key: bytes, terms: list[str]) -> list[str]:
        """Return the verifier of each component's role."""
        return [registry.verifier(key, term) for term in terms]
