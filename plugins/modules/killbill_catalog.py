# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: killbill_catalog
short_description: Kill Bill's catalog, made from the plans
version_added: "0.1.0"
description:
  - Makes the catalog from the plans' data, compares it with the newest version Kill Bill has, and uploads a new version
    only when they say something else.
  - A new version is in force for subscriptions made from now on. Those that exist keep their price, and a plan that is gone
    stays for them.
options:
  plans:
    description:
      - The plans, each with C(name), C(product) (its own), C(price) per month, C(trial_days) and C(entitlements).
      - M(saasodoo.platform.plan) keeps the entitlements of the same data in the registry.
    type: list
    elements: dict
    required: true
  currency:
    description: Currency of the prices, by ISO 4217.
    type: str
    required: true
  first_effective_date:
    description: From when the first version is in force. Later versions are in force from the moment they are uploaded.
    type: str
    default: "2020-01-01T00:00:00Z"
attributes:
  check_mode:
    description: Says what would change, and changes nothing.
    support: full
  diff_mode:
    description: Shows plans, prices, phases and rules before and after.
    support: full
extends_documentation_fragment:
  - saasodoo.platform.killbill
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: Sell one plan
  saasodoo.platform.killbill_catalog:
    plans:
      - name: basic-monthly
        product: Basic
        price: 10.00
        trial_days: 14
        entitlements:
          - {effective_date: "2020-01-01T00:00:00Z", cpu_limit: 2, memory_limit: 4GB, storage_limit: 10GB, db_type: shared}
    currency: USD
    killbill_file: /var/lib/saasodoo/secrets/killbill.json
"""

RETURN = r"""
versions:
  description: From when each version is in force, oldest first.
  type: list
  elements: str
  returned: success
  sample: ["2020-01-01T00:00:00+00:00"]
"""
