# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The SCRAM verifier of a tenant's role."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tenant_verifier
short_description: The SCRAM verifier of a tenant's role
version_added: "0.1.0"
description:
  - Returns what a server (M(saasodoo.platform.tenant_database)) and its PgBouncer (M(saasodoo.platform.pgbouncer_database)) keep
    instead of the password of a tenant's role, derived from the platform key.
  - Use it only for options that are not logged.
author:
  - SaaSOdoo developers (@saasodoo)
extends_documentation_fragment:
  - saasodoo.platform.secret_lookup
options:
  _terms:
    description: The tenant's id.
    type: list
    elements: str
    required: true
  generation:
    description: C(tenant.secret_generation).
    type: int
    default: 1
"""

EXAMPLES = r"""
- name: Configure PgBouncer for a tenant's database
  saasodoo.platform.pgbouncer_database:
    server: pool-1
    database: odoo_c1_0f8fad5bd9cb
    verifier: "{{ lookup('saasodoo.platform.tenant_verifier', '0f8fad5b-d9cb-469f-a165-70867728950e', generation=1) }}"
    port: 21200
    home: /var/lib/saasodoo
"""

RETURN = r"""
_raw:
  description: The verifier.
  type: list
  elements: str
"""

from ..module_utils.secrets.tenant import role_verifier
from ..plugin_utils.secret_lookup import SecretLookup


class LookupModule(SecretLookup):
    """Derives verifiers."""

    PLACEHOLDER = ""

    def derive(self, key: bytes, terms: list[str]) -> list[str]:
        """Return one verifier for each tenant."""
        return [role_verifier(key, term, self.get_option("generation")) for term in terms]
