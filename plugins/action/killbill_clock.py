# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kill Bill's test clock. Documentation: plugins/modules/killbill_clock.py."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..module_utils.domain.billing.catalog import read_moment
from ..module_utils.killbill.account import clock
from ..module_utils.killbill.api import Api
from ..module_utils.killbill.setup import SetupChange, change_clock
from ..module_utils.options import KILLBILL
from ..plugin_utils.killbill import KillBillAction


class ActionModule(KillBillAction):
    """Read the clock, or move it on."""

    ARGUMENTS = {"at_least": {"type": "str"}, "days": {"type": "int", "default": 0}, **KILLBILL}
    EMPTY = datetime.fromtimestamp(0, UTC)

    def read(self, api: Api, options: dict[str, Any]) -> datetime:
        """Return Kill Bill's present."""
        return clock(api)

    def change(self, present: datetime, options: dict[str, Any]) -> SetupChange:
        """Move the clock on where it is not there yet."""
        return change_clock(present, read_moment(options["at_least"]) if options["at_least"] else None, options["days"])

    def facts(self, present: datetime, options: dict[str, Any]) -> Mapping[str, Any]:
        """Return the clock."""
        return {"moment": present.isoformat()}
