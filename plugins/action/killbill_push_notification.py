# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where Kill Bill sends its events. Documentation: plugins/modules/killbill_push_notification.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ..module_utils.killbill.api import Api
from ..module_utils.killbill.setup import SetupChange, change_callback, read_callbacks, shown
from ..module_utils.options import KILLBILL
from ..plugin_utils.killbill import KillBillAction


class ActionModule(KillBillAction):
    """Register the callback, replace it, or remove it."""

    ARGUMENTS = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "url": {"type": "str"},
        "secret": {"type": "str", "no_log": True},
        **KILLBILL,
    }
    RULES = {"required_if": [("state", "present", ("url", "secret"))]}
    EMPTY: ClassVar[tuple[str, ...]] = ()

    def read(self, api: Api, options: dict[str, Any]) -> tuple[str, ...]:
        """Return the callbacks registered."""
        return read_callbacks(api)

    def change(self, present: tuple[str, ...], options: dict[str, Any]) -> SetupChange:
        """Have the one callback wanted."""
        wanted = options["state"] == "present"
        return change_callback(present, options["url"] if wanted else "", options["secret"] or "")

    def facts(self, present: tuple[str, ...], options: dict[str, Any]) -> Mapping[str, Any]:
        """Return the callbacks, without their secrets."""
        return {"callbacks": shown(present)}
