# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: killbill_push_notification
short_description: Where Kill Bill sends its events
version_added: "0.1.0"
description:
  - Registers the address Kill Bill posts its events to. Kill Bill keeps one for each tenant.
  - The secret at the end of the address is the only thing by which the receiver knows Kill Bill, so it is shown nowhere.
options:
  state:
    description: Whether events are sent.
    type: str
    choices: [present, absent]
    default: present
  url:
    description: The address without the secret. Required with O(state=present).
    type: str
  secret:
    description: The last part of the path, 24 characters or more. Required with O(state=present).
    type: str
attributes:
  check_mode:
    description: Says what would change, and changes nothing.
    support: full
  diff_mode:
    description: Shows the address before and after, with a fingerprint in place of the secret.
    support: full
extends_documentation_fragment:
  - saasodoo.platform.killbill
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: Have events sent to the webhook runner
  saasodoo.platform.killbill_push_notification:
    url: http://127.0.0.1:21090/api/billing/webhook
    secret: "{{ lookup('saasodoo.platform.killbill_secret', 'callback') }}"
    killbill_file: /var/lib/saasodoo/secrets/killbill.json
"""

RETURN = r"""
callbacks:
  description: Where events are sent, with a fingerprint in place of the secret.
  type: list
  elements: str
  returned: success
  sample: ["http://127.0.0.1:21090/api/billing/webhook/sha256:0a1b2c3d"]
"""
