# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait until HTTP addresses answer. Documentation: plugins/modules/http_ready.py."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from ..module_utils.errors import Conflict, TimedOut
from ..module_utils.host.http_health import Address, look_at_all, tail
from ..module_utils.outcome import Outcome
from ..module_utils.waiting import wait_until
from ..plugin_utils.noun import NounAction


class ActionModule(NounAction):
    """Ask until all answer; changes nothing."""

    ARGUMENTS = {
        "name": {"type": "str", "required": True},
        "addresses": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "url": {"type": "str", "required": True},
                "host": {"type": "str", "default": ""},
                "status": {"type": "int", "default": 200},
                "final": {"type": "list", "elements": "int", "default": []},
            },
        },
        "timeout": {"type": "float", "default": 60},
        "log": {"type": "str", "default": ""},
        "log_lines": {"type": "int", "default": 15},
    }

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Wait; check mode does not, since what is waited for may not have been started."""
        if check:
            return Outcome()
        addresses = [Address(**{**each, "final": tuple(each["final"])}) for each in options["addresses"]]
        try:
            seen = wait_until(options["name"], partial(look_at_all, addresses), timeout=options["timeout"])
        except (TimedOut, Conflict) as error:
            error.action = _advice(options["log"], options["log_lines"])
            raise
        return Outcome(facts={"found": seen.found})


def _advice(log: str, lines: int) -> str:
    ending = tail(Path(log), lines) if log else ""
    if ending:
        return f"its log {log} ends with:\n{ending}"
    return f"look at {log}" if log else ""
