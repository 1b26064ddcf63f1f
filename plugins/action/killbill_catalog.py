# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kill Bill's catalog, from the plans. Documentation: plugins/modules/killbill_catalog.py."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..module_utils.domain.billing.catalog import Version, catalog_change, read_moment, read_priced_plans
from ..module_utils.killbill.api import Api
from ..module_utils.killbill.setup import SetupChange, read_catalog, upload_catalog
from ..module_utils.options import KILLBILL
from ..plugin_utils.killbill import KillBillAction

Present = tuple[tuple[Version, ...], datetime]


class ActionModule(KillBillAction):
    """Bring the newest version of the catalog to the plans."""

    ARGUMENTS = {
        "plans": {"type": "list", "elements": "dict", "required": True},
        "currency": {"type": "str", "required": True},
        "first_effective_date": {"type": "str", "default": "2020-01-01T00:00:00Z"},
        **KILLBILL,
    }
    EMPTY = ((), datetime.fromtimestamp(0, UTC))

    def read(self, api: Api, options: dict[str, Any]) -> Present:
        """Return the catalog's versions, and Kill Bill's present."""
        return read_catalog(api)

    def change(self, present: Present, options: dict[str, Any]) -> SetupChange:
        """Add a version where the newest one says something else."""
        versions, now = present
        first = read_moment(options["first_effective_date"])
        plans = read_priced_plans(options["plans"])
        change = catalog_change(versions, plans, options["currency"], first=first, at=now)
        return SetupChange(
            change.before, change.after, (lambda api: upload_catalog(api, change.upload)) if change.upload else None
        )

    def facts(self, present: Present, options: dict[str, Any]) -> Mapping[str, Any]:
        """Return the dates of the catalog's versions."""
        return {"versions": [version.effective.isoformat() for version in present[0]]}
