# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tenant_storage
short_description: Watch what tenants' databases take of their plans' storage
version_added: "0.1.0"
description:
  - Measures the database of each tenant that is not terminated, on all Postgres servers in use, and writes that down.
  - From O(near_percent) of its plan's storage on a tenant is near, above all of it over. One that is over for O(grace_hours) can
    only be read, its sessions end; with less in its database, or a larger plan, it is written to again.
  - That only holds whoever does not mean harm, since a session may ask for writing. So who has come so far is also on the list of
    those who need a person.
options:
  near_percent:
    description: From how much of its plan's storage on a database is near it.
    type: int
    default: 80
  grace_hours:
    description: Hours for which a database may be larger than its plan's storage.
    type: float
    default: 168
attributes:
  check_mode:
    description: Measures, and changes and writes down nothing.
    support: full
  diff_mode:
    description: Shows within, near, over or read_only before and after.
    support: full
extends_documentation_fragment:
  - saasodoo.platform.registry
  - saasodoo.platform.platform_key
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: Watch what tenants' databases take
  saasodoo.platform.tenant_storage:
    registry: "{{ saasodoo_registry }}"
    platform_key_file: "{{ saasodoo_platform_key_file }}"
"""

RETURN = r"""
storage:
  description: Tenants that are near, over, or can only be read.
  returned: success
  type: list
  elements: dict
  contains:
    tenant:
      description: Its name.
      type: str
      sample: acme
    level:
      description: C(near), C(over) or C(read_only).
      type: str
      sample: over
    used:
      description: Bytes of its database.
      type: int
      sample: 11811160064
    limit:
      description: Bytes that its plan gives it.
      type: int
      sample: 10737418240
    over_since:
      description: When it was first found over.
      type: str
      sample: "2026-11-25T05:00:00+00:00"
    message:
      description: The same for people.
      type: str
      sample: its database takes 11.0 GB of the 10.0 GB of its plan
unanswered:
  description: Servers that did not answer and were not looked at.
  returned: success
  type: list
  elements: str
  sample: []
"""
