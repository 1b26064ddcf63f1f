# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant's secret, derived from the platform key."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tenant_secret
short_description: A tenant's secret, derived from the platform key
version_added: "0.1.0"
description:
  - Returns a secret of a tenant. Secrets are not stored anywhere; they follow from the platform key, the tenant's id, the purpose
    and a generation, so the same arguments always give the same secret.
  - Use it only where O(ignore:no_log) is set.
author:
  - SaaSOdoo developers (@saasodoo)
extends_documentation_fragment:
  - saasodoo.platform.secret_lookup
options:
  _terms:
    description: The tenant's id, and what the secret is for, one of V(database), V(odoo-admin), V(odoo-secret), V(odoo-master).
    type: list
    elements: str
    required: true
  generation:
    description: Raised to rotate the tenant's secrets; C(tenant.secret_generation) as M(saasodoo.platform.tenant) returns it.
    type: int
    default: 1
"""

EXAMPLES = r"""
- name: Read the tenant
  saasodoo.platform.tenant:
    tenant: acme
    registry: "{{ saasodoo_registry }}"
  register: found

- name: Write Odoo's configuration
  ansible.builtin.copy:
    content: |
      [options]
      db_password = {{ lookup('saasodoo.platform.tenant_secret', found.tenant.id, 'database',
      generation=found.tenant.secret_generation) }}
    dest: /tmp/odoo.conf
    mode: "0600"
  no_log: true
"""

RETURN = r"""
_raw:
  description: The secret, 32 characters of A-Z, a-z, 0-9, C(-) and C(_).
  type: list
  elements: str
"""

from ..module_utils.domain.tenant.tenant import parse_id
from ..module_utils.errors import InvalidInput
from ..module_utils.secrets.platform_key import TENANT_PURPOSES, derive
from ..plugin_utils.secret_lookup import SecretLookup


class LookupModule(SecretLookup):
    """Derives one secret."""

    def check(self, terms: list[str]) -> None:
        """Raise InvalidInput unless they are a tenant's id and a purpose."""
        generation = self.get_option("generation")
        if len(terms) != 2 or parse_id(terms[0]) is None or terms[1] not in TENANT_PURPOSES or generation < 1:
            raise InvalidInput(
                "tenant_secret can't be looked up",
                found=f"{', '.join(terms) or 'nothing'}, generation {generation}",
                expected=f"a tenant's id, one of {', '.join(TENANT_PURPOSES)}, and a generation from 1 on",
            )

    def derive(self, key: bytes, terms: list[str]) -> list[str]:
        """Return the secret as a list of one."""
        tenant_id, purpose = terms
        return [derive(key, str(parse_id(tenant_id)), purpose, self.get_option("generation"))]
