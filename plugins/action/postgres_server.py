# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Postgres server in the registry. Documentation: plugins/modules/postgres_server.py."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..module_utils.domain.billing.plan import DatabaseType
from ..module_utils.domain.change import Change
from ..module_utils.domain.server.database_server import Server
from ..module_utils.options import REGISTRY
from ..module_utils.outcome import Outcome
from ..module_utils.pgbouncer.databases import PgBouncer
from ..module_utils.registry import servers
from ..module_utils.registry.connection import connect
from ..module_utils.registry.servers import STATES, Wanted, known_component
from ..plugin_utils.noun import NounAction

_MAKING = ("provisioning", "present")


class ActionModule(NounAction):
    """Bring the record of a server to its state."""

    ARGUMENTS = {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": list(STATES), "default": "present"},
        "server_type": {"type": "str", "choices": [str(kind) for kind in DatabaseType], "default": "shared"},
        "max_instances": {"type": "int", "default": 50},
        "cpu_limit": {"type": "float", "default": 1.0},
        "memory_limit": {"type": "str", "default": "1GB"},
        "host": {"type": "str", "default": "127.0.0.1"},
        "port": {"type": "int", "default": 0},
        "pooler_host": {"type": "str", "default": "127.0.0.1"},
        "pooler_port": {"type": "int", "default": 0},
        "port_first": {"type": "int", "default": 0},
        "port_last": {"type": "int", "default": 0},
        "home": {"type": "path"},
        **REGISTRY,
    }

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Begin a new server, or change a known one."""
        state, given = options["state"], {field.name: options[field.name] for field in fields(Wanted)}
        types = {"server_type": DatabaseType(given["server_type"]), "cpu_limit": Decimal(str(given["cpu_limit"]))}
        wanted = Wanted(**given | types) if state in _MAKING else None
        if check and wanted and not known_component(options["registry"]):
            return _outcome(Change(None, wanted.server((), state)))  # the registry itself is only predicted
        with connect(options["registry"]) as connection:
            if wanted:
                return _outcome(servers.make(connection, wanted, state, check=check))
            return _outcome(servers.change(connection, options["name"], state, check=check, routed=_routed(options)))


def _outcome(change: Change[Server | None] | Change[Server]) -> Outcome:
    before, after = (servers.shown(each) if each else {} for each in (change.before, change.after))
    return Outcome(before=before, after=after, facts={"server": after})


def _routed(options: dict[str, Any]) -> list[str]:
    home = options["home"]
    return list(PgBouncer(Path(home) / "pgbouncer" / options["name"]).databases()) if home else []
