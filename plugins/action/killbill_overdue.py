# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kill Bill's overdue states. Documentation: plugins/modules/killbill_overdue.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ..module_utils.domain.billing.overdue import read_days
from ..module_utils.killbill.api import Api
from ..module_utils.killbill.setup import SetupChange, change_overdue, read_overdue
from ..module_utils.options import KILLBILL
from ..plugin_utils.killbill import KillBillAction


class ActionModule(KillBillAction):
    """Bring the overdue states to the days given."""

    ARGUMENTS = {"days": {"type": "dict", "required": True}, **KILLBILL}
    EMPTY: ClassVar[dict[str, str]] = {}

    def read(self, api: Api, options: dict[str, Any]) -> dict[str, str]:
        """Return the overdue states."""
        return read_overdue(api)

    def change(self, present: dict[str, str], options: dict[str, Any]) -> SetupChange:
        """Upload the configuration where it differs."""
        return change_overdue(present, read_days(options["days"]))

    def facts(self, present: dict[str, str], options: dict[str, Any]) -> Mapping[str, Any]:
        """Return the overdue states."""
        return {"states": present}
