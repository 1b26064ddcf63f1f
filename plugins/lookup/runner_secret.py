# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A secret of the webhook runner."""

from __future__ import annotations

DOCUMENTATION = r"""
name: runner_secret
short_description: A secret of the webhook runner, derived from the platform key
version_added: "0.1.0"
description:
  - Returns the token of the webhook runner's administration API. It follows from the platform key, so the same arguments always
    give the same token. The secret of its callback path is Kill Bill's, see P(saasodoo.platform.killbill_secret#lookup).
  - Use it only for options that are not logged.
author:
  - SaaSOdoo developers (@saasodoo)
extends_documentation_fragment:
  - saasodoo.platform.secret_lookup
options:
  _terms:
    description: What the secret is for. V(api) is the only one.
    type: list
    elements: str
    required: true
  generation:
    description: Raised to replace the secret.
    type: int
    default: 1
"""

EXAMPLES = r"""
- name: Ask the runner for its last runs
  ansible.builtin.uri:
    url: http://127.0.0.1:21090/api/admin/runs
    headers:
      Authorization: "Bearer {{ lookup('saasodoo.platform.runner_secret', 'api') }}"
  no_log: true
"""

RETURN = r"""
_raw:
  description: The secret for each purpose, 32 characters of A-Z, a-z, 0-9, C(-) and C(_).
  type: list
  elements: str
"""

from ..plugin_utils.secret_lookup import ComponentLookup


class LookupModule(ComponentLookup):
    """Derives secrets."""

    NAME = "runner_secret"
    SUBJECT = "webhook_runner"
    PURPOSES = ("api",)
