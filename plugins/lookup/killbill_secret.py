# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A secret of the platform's Kill Bill."""

from __future__ import annotations

DOCUMENTATION = r"""
name: killbill_secret
short_description: A secret of the platform's Kill Bill, derived from the platform key
version_added: "0.1.0"
description:
  - Returns the password of Kill Bill's administrator or of a database role (its own, that of its schema, Kaui's two), the
    secret of its Kill Bill tenant, the one in the path of its callback, or the one of Kaui's sessions. They follow from the
    platform key, so the same arguments always give the same secret.
  - Use it only for options that are not logged.
author:
  - SaaSOdoo developers (@saasodoo)
extends_documentation_fragment:
  - saasodoo.platform.secret_lookup
options:
  _terms:
    description:
      - What the secret is for, one of V(admin), V(api-secret), V(callback), V(database), V(schema), V(kaui-database),
        V(kaui-schema), V(kaui-session).
    type: list
    elements: str
    required: true
  generation:
    description: Raised to replace the secret.
    type: int
    default: 1
"""

EXAMPLES = r"""
- name: Tell Kill Bill where to send its events
  saasodoo.platform.killbill_push_notification:
    url: http://127.0.0.1:21090/api/billing/webhook
    secret: "{{ lookup('saasodoo.platform.killbill_secret', 'callback', generation=2) }}"
    killbill_file: /var/lib/saasodoo/secrets/killbill.json
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

    NAME = "killbill_secret"
    SUBJECT = "killbill"
    PURPOSES = ("admin", "api-secret", "callback", "database", "schema", "kaui-database", "kaui-schema", "kaui-session")
