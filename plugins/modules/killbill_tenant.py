# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: killbill_tenant
short_description: A Kill Bill tenant
version_added: "0.1.0"
description:
  - Makes the Kill Bill tenant that O(killbill_file) names by its api_key, with its api_secret, unless it is there.
  - Kill Bill can not remove a tenant, and can not change its secret.
options:
  configuration:
    description:
      - Per-tenant configuration that the tenant is to have, such as when a webhook that failed is sent again.
      - Other keys that the tenant has stay as they are.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Says what would change, and changes nothing.
    support: full
  diff_mode:
    description: Shows the tenant and its configuration before and after, without the secret.
    support: full
extends_documentation_fragment:
  - saasodoo.platform.killbill
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: Make the Kill Bill tenant, and have failed webhooks sent again after 1, 5 and 30 minutes
  saasodoo.platform.killbill_tenant:
    configuration:
      org.killbill.billing.server.notifications.retries: 1m,5m,30m
    killbill_file: /var/lib/saasodoo/secrets/killbill.json
"""

RETURN = r"""
tenant_id:
  description: Kill Bill's id of the tenant; null in check mode while there is none.
  type: str
  returned: success
  sample: 409a54ce-0d28-4b9d-95f4-487c52511225
"""
