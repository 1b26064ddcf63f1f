# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kill Bill's overdue states. Documentation: plugins/modules/killbill_overdue.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.killbill_api import Api
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.killbill_setup import (
    Change,
    change_overdue,
    read_overdue,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.overdue import read_days
from ansible_collections.saasodoo.platform.plugins.module_utils.options import KILLBILL
from ansible_collections.saasodoo.platform.plugins.plugin_utils.killbill import KillBillAction


class ActionModule(KillBillAction):
    """Bring the overdue states to the days given."""

    ARGUMENTS = {"days": {"type": "dict", "required": True}, **KILLBILL}
    EMPTY: ClassVar[dict[str, str]] = {}

    def read(self, api: Api, options: dict[str, Any]) -> dict[str, str]:
        """Return the overdue states."""
        return read_overdue(api)

    def change(self, present: dict[str, str], options: dict[str, Any]) -> Change:
        """Upload the configuration where it differs."""
        return change_overdue(present, read_days(options["days"]))

    def facts(self, present: dict[str, str], options: dict[str, Any]) -> Mapping[str, Any]:
        """Return the overdue states."""
        return {"states": present}
