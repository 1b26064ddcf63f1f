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
options:
  _terms:
    description: Name of the server.
    type: list
    elements: str
    required: true
  platform_key_file:
    description: File (mode 0600) with the platform key. Where it does not exist yet, check mode gets an empty verifier.
    type: str
    required: true
    vars:
      - name: saasodoo_platform_key_file
    env:
      - name: SAASODOO_PLATFORM_KEY_FILE
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

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ..module_utils.errors import PlatformError
from ..module_utils.secrets.platform_key import read_platform_key
from ..module_utils.secrets.server import superuser_verifier


class LookupModule(LookupBase):  # type: ignore[misc]
    """Derives verifiers."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return one verifier for each server."""
        self.set_options(var_options=variables, direct=kwargs)
        file = Path(str(self._templar.template(self.get_option("platform_key_file"))))  # a variable may be a template itself
        if (variables or {}).get("ansible_check_mode") and not file.exists():
            return [""] * len(terms)
        try:
            key = read_platform_key(file)
        except PlatformError as error:
            raise AnsibleError(str(error)) from None
        return [superuser_verifier(key, str(term)) for term in terms]
