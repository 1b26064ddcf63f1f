# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The SCRAM verifier of a Postgres server's superuser."""

from __future__ import annotations

DOCUMENTATION = r"""
name: server_verifier
short_description: The SCRAM verifier of a Postgres server's superuser
version_added: "0.1.0"
description:
  - Returns what a server and its PgBouncer keep instead of the superuser's password, derived from the platform key.
  - Use it only for options that are not logged.
author:
  - SaaSOdoo developers (@saasodoo)
extends_documentation_fragment:
  - saasodoo.platform.secret_lookup
options:
  _terms:
    description: Name of the server.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Make a cluster
  saasodoo.platform.postgres_cluster:
    folder: /var/lib/saasodoo/postgres/pool-1
    user: saasodoo
    verifier: "{{ lookup('saasodoo.platform.server_verifier', 'pool-1') }}"
"""

RETURN = r"""
_raw:
  description: The verifier of each server named.
  type: list
  elements: str
"""

from ..module_utils.secrets.server import superuser_verifier
from ..plugin_utils.secret_lookup import SecretLookup


class LookupModule(SecretLookup):
    """Derives verifiers."""

    PLACEHOLDER = ""

    def derive(self, key: bytes, terms: list[str]) -> list[str]:
        """Return one verifier for each server."""
        return [superuser_verifier(key, term) for term in terms]
