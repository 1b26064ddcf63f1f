#!/usr/bin/python
# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_clock
short_description: The platform's clock in tests
version_added: "0.1.0"
description:
  - Moves the platform's time against the clock of the registry's server, so that trials end and plans change while one waits.
  - For tests, together with Kill Bill's test clock. A platform in use has an offset of 0.
options:
  offset:
    description: How many seconds the platform's time is ahead; negative is behind.
    type: int
    default: 0
attributes:
  check_mode:
    description: Says whether the clock would move, and moves nothing.
    support: full
  diff_mode:
    description: Shows the offset before and after.
    support: full
extends_documentation_fragment:
  - saasodoo.platform.registry
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: Go 14 days ahead
  saasodoo.platform.registry_clock:
    offset: 1209600
    registry: "{{ saasodoo_registry }}"
"""

RETURN = r"""
now:
  description: The platform's time, after moving it; in check mode as it is.
  returned: success
  type: str
  sample: "2026-03-01T12:00:00+00:00"
"""
