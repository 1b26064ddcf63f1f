# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant's place on a Postgres server. Documentation: plugins/modules/database_allocation.py."""

from __future__ import annotations

from typing import Any

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.allocations import Allocations, Change
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.registry import connect
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.database_server import Purpose
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.plan import DatabaseType
from ansible_collections.saasodoo.platform.plugins.module_utils.options import REGISTRY
from ansible_collections.saasodoo.platform.plugins.module_utils.reporting import Outcome
from ansible_collections.saasodoo.platform.plugins.plugin_utils.allocation import SETTINGS, read_settings, report
from ansible_collections.saasodoo.platform.plugins.plugin_utils.noun import NounAction


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
            places = Allocations(connection)
            if options["settings"] and options["state"] in ("allocated", "in_use"):
                settings = read_settings(options["settings"])
                request = places.request_of(
                    options["tenant"], db_type, purpose=purpose, avoid=options["avoid"], only=options["server"], check=check
                )
                change = places.allocate(request, settings, in_use=options["state"] == "in_use", check=check)
                return _outcome(change, report(change.decision, settings))
            tenant_id = places.request_of(options["tenant"], db_type, check=check).tenant_id
            if options["state"] == "kept":
                return _outcome(places.keep(tenant_id, check=check), {"state": "kept"})
            settle = places.confirm if options["state"] == "in_use" else places.release
            return _outcome(settle(tenant_id, purpose, check=check), {"state": options["state"]})


def _outcome(change: Change, allocation: dict[str, Any]) -> Outcome:
    return Outcome(change.before, change.after, {"allocation": allocation})
