# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: killbill_overdue
short_description: Kill Bill's overdue states
version_added: "0.1.0"
description:
  - Sets what happens to an account whose invoice stays unpaid.
  - In the state WARNING nothing is withheld. BLOCKED withholds entitlements and stops charging for them until the invoice is
    paid. CANCELLATION cancels the subscriptions of the account.
options:
  days:
    description: After how many days each state begins, as C(warning), C(blocked) and C(cancellation), rising.
    type: dict
    required: true
attributes:
  check_mode:
    description: Says what would change, and changes nothing.
    support: full
  diff_mode:
    description: Shows each state before and after.
    support: full
extends_documentation_fragment:
  - saasodoo.platform.killbill
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: Warn after one week, suspend after two, cancel after three
  saasodoo.platform.killbill_overdue:
    days: {warning: 7, blocked: 14, cancellation: 21}
    killbill_file: /var/lib/saasodoo/secrets/killbill.json
"""

RETURN = r"""
states:
  description: What each state does, by its name.
  type: dict
  returned: success
  sample: {"WARNING": "after 7 days, looked at every 1 days, message: an invoice is unpaid"}
"""
