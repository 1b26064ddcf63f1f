# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: killbill_clock
short_description: Kill Bill's test clock
version_added: "0.1.0"
description:
  - Reads Kill Bill's present, or moves it on and waits until all that this sets off is done.
  - Only a Kill Bill in test mode can be moved; of any other, the present of the controller is returned.
options:
  at_least:
    description: Moves the clock to this moment, unless it is there or past it already.
    type: str
  days:
    description: Moves the clock on by so many days, each time it is asked to.
    type: int
    default: 0
attributes:
  check_mode:
    description: Says what would change, and changes nothing.
    support: full
  diff_mode:
    description: Shows the clock before and after.
    support: full
extends_documentation_fragment:
  - saasodoo.platform.killbill
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: Let two weeks pass
  saasodoo.platform.killbill_clock:
    days: 14
    killbill_file: /var/lib/saasodoo/secrets/killbill.json
"""

RETURN = r"""
moment:
  description: Kill Bill's present.
  type: str
  returned: success
  sample: "2026-12-05T04:22:37+00:00"
"""
