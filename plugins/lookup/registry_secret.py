# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The password of one of the registry's login roles."""

from __future__ import annotations

DOCUMENTATION = r"""
name: registry_secret
short_description: The password of one of the registry's login roles, derived from the platform key
version_added: "0.1.0"
description:
  - Returns the password that a component of the platform logs in to the registry with. What the server keeps of it is
    P(saasodoo.platform.registry_verifier#lookup).
  - Use it only for options that are not logged.
author:
  - SaaSOdoo developers (@saasodoo)
extends_documentation_fragment:
  - saasodoo.platform.secret_lookup
options:
  _terms:
    description:
      - The component, one of V(owner), V(operator), V(runner), V(inventory); its role is C(saasodoo_NAME). V(admin) is the
        superuser.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Write down what the runner logs in with
  ansible.builtin.copy:
    content: "127.0.0.1:21032:*:saasodoo_runner:{{ lookup('saasodoo.platform.registry_secret', 'runner') }}"
    dest: /var/lib/saasodoo/secrets/registry/runner.pgpass
    mode: "0600"
  no_log: true
"""

RETURN = r"""
_raw:
  description: The password of each component, 32 characters of A-Z, a-z, 0-9, C(-) and C(_).
  type: list
  elements: str
"""

from ..module_utils.secrets import registry
from ..plugin_utils.secret_lookup import ComponentLookup


class LookupModule(ComponentLookup):
    """Derives passwords."""

    NAME = "registry_secret"
    PURPOSES = ("admin", *registry.COMPONENTS)

    def derive(self, key: bytes, terms: list[str]) -> list[str]:
        """Return the password of each component."""
        return [registry.password(key, term) for term in terms]
