# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant's place on a Postgres server. Documentation: plugins/modules/database_allocation.py."""

from __future__ import annotations

from typing import Any

from ..module_utils.domain.billing.plan import DatabaseType
from ..module_utils.domain.server.database_server import Purpose
from ..module_utils.options import REGISTRY
from ..module_utils.outcome import Outcome
from ..module_utils.registry import allocations
from ..module_utils.registry.allocations import PlaceChange
from ..module_utils.registry.connection import connect
from ..plugin_utils.allocation import SETTINGS, read_settings, report
from ..plugin_utils.noun import NounAction


class ActionModule(NounAction):
    """Reserve, take into use, release."""

    ARGUMENTS = {
        "tenant": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["allocated", "in_use", "kept", "absent"], "default": "allocated"},
        "db_type": {"type": "str", "choices": [str(kind) for kind in DatabaseType]},
        "purpose": {"type": "str", "choices": [str(purpose) for purpose in Purpose], "default": "home"},
        "avoid": {"type": "list", "elements": "str", "default": []},
        "server": {"type": "str"},
        **SETTINGS,
        **REGISTRY,
    }
    RULES = {"required_if": [("state", "allocated", ["settings"])]}

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Bring the tenant's place to its state."""
        db_type, purpose = DatabaseType(options["db_type"]) if options["db_type"] else None, Purpose(options["purpose"])
        with connect(options["registry"]) as connection:
            if options["settings"] and options["state"] in ("allocated", "in_use"):
                settings = read_settings(options["settings"])
                avoid, only = options["avoid"], options["server"]
                request = allocations.request_of(
                    connection, options["tenant"], db_type, purpose=purpose, avoid=avoid, only=only, check=check
                )
                change = allocations.allocate(connection, request, settings, in_use=options["state"] == "in_use", check=check)
                return _outcome(change, report(change.decision, settings))
            tenant_id = allocations.tenant_id_of(connection, options["tenant"], check=check)
            if options["state"] == "kept":
                return _outcome(allocations.keep(connection, tenant_id, check=check), {"state": "kept"})
            settle = allocations.confirm if options["state"] == "in_use" else allocations.release
            return _outcome(settle(connection, tenant_id, purpose, check=check), {"state": options["state"]})


def _outcome(change: PlaceChange, allocation: dict[str, Any]) -> Outcome:
    return Outcome(change.before, change.after, {"allocation": allocation})
