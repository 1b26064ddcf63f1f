# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A spare Postgres server. Documentation: plugins/modules/database_spare.py."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ..module_utils.domain.billing.plan import DatabaseType
from ..module_utils.domain.server.allocation import SPARE_BUILDER, decide_spare
from ..module_utils.options import NEW_REGISTRY, REGISTRY
from ..module_utils.outcome import Outcome
from ..module_utils.registry import allocations
from ..module_utils.registry.connection import connect
from ..plugin_utils.allocation import SETTINGS, read_settings, report
from ..plugin_utils.noun import NounAction


class ActionModule(NounAction):
    """Lease the build of the next server when too few places are free."""

    ARGUMENTS = {
        "server_type": {"type": "str", "choices": [str(kind) for kind in DatabaseType], "required": True},
        "settings": {**SETTINGS["settings"], "required": True},
        **NEW_REGISTRY,
        **REGISTRY,
    }

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Say what to build, if anything."""
        settings, db_type = read_settings(options["settings"]), DatabaseType(options["server_type"])
        if check and options["predict_new"]:
            decision = decide_spare((), db_type, settings, datetime.now(UTC))
            build = report(decision, settings)["build"]
            return Outcome({}, {"build": build["name"], "builder": SPARE_BUILDER} if build else {}, {"build": build})
        with connect(options["registry"]) as connection:
            change = allocations.prepare_spare(connection, db_type, settings, check=check)
        answer = report(change.decision, settings)
        return Outcome(change.before, change.after, {"build": answer["build"], "explanation": answer["explanation"]})
