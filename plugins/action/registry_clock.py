# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The platform's clock. Documentation: plugins/modules/registry_clock.py."""

from __future__ import annotations

from typing import Any

from ..module_utils.options import REGISTRY
from ..module_utils.outcome import Outcome
from ..module_utils.registry.connection import connect, now, read_clock_offset, set_clock_offset
from ..plugin_utils.noun import NounAction


class ActionModule(NounAction):
    """How far the platform's time is ahead of the database's clock."""

    ARGUMENTS = {"offset": {"type": "int", "default": 0}, **REGISTRY}

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Move the clock to the offset."""
        wanted = options["offset"]
        with connect(options["registry"]) as connection:
            present = read_clock_offset(connection)
            if wanted != present and not check:
                set_clock_offset(connection, wanted)
            return Outcome({"offset": present}, {"offset": wanted}, {"now": now(connection).isoformat()})
