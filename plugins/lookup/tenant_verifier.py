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
  platform_key_file:
    description: File (mode 0600) with the platform key.
    type: str
    required: true
    vars:
      - name: saasodoo_platform_key_file
    env:
      - name: SAASODOO_PLATFORM_KEY_FILE
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

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ..module_utils.errors import PlatformError
from ..module_utils.secrets.platform_key import read_platform_key
from ..module_utils.secrets.tenant import role_verifier


class LookupModule(LookupBase):  # type: ignore[misc]
    """Derives verifiers."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return one verifier for each tenant."""
        self.set_options(var_options=variables, direct=kwargs)
        file = str(self._templar.template(self.get_option("platform_key_file")))  # a variable may be a template itself
        try:
            key = read_platform_key(file)
        except PlatformError as error:
            raise AnsibleError(str(error)) from None
        return [role_verifier(key, str(term), self.get_option("generation")) for term in terms]
