#!/usr/bin/python
# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: What plans entitle a tenant to
version_added: "0.1.0"
description:
  - Keeps the entitlements of one or many plans in the registry, in one transaction.
  - Entitlements are effective-dated. The one in force is the newest whose date is not after the moment asked about.
  - One that is in force already is never changed. To change a plan, add an entitlement with a new date.
  - Plans and entitlements that are not given stay as they are; none is ever removed.
options:
  plans:
    description:
      - The plans, in the form of the inventory variable C(saasodoo_plans). Of each, C(name) and C(entitlements) are read.
      - An entitlement has C(effective_date) (ISO 8601, UTC unless it says otherwise), C(cpu_limit) (cores, less than 100),
        C(memory_limit) and C(storage_limit) (sizes such as C(4GB)), C(db_type) (C(shared), the default, or C(dedicated))
        and C(description).
    type: list
    elements: dict
    required: true
attributes:
  check_mode:
    description: Gives the same answer and writes nothing.
    support: full
  diff_mode:
    description: Shows the entitlements given, before and after.
    support: full
extends_documentation_fragment:
  - saasodoo.platform.new_registry
  - saasodoo.platform.registry
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: Give the standard plan more memory from next year on
  saasodoo.platform.plan:
    plans:
      - name: standard-monthly
        entitlements:
          - {effective_date: "2020-01-01", cpu_limit: 4, memory_limit: 8GB, storage_limit: 25GB}
          - {effective_date: "2030-01-01", cpu_limit: 4, memory_limit: 12GB, storage_limit: 25GB}
    registry: "{{ saasodoo_registry }}"
"""

RETURN = r"""
diff:
  description: The entitlements given, before and after.
  returned: success
  type: dict
  sample: {"before": {}, "after": {"basic-monthly from 2020-01-01T00:00:00+00:00": "2.00 CPU, 4GB, 10GB, shared"}}
"""
