# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Postgres servers there are. Documentation: plugins/modules/postgres_server_info.py."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.allocations import Allocations
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.registry import connect
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.database_server import Server
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.plan import DatabaseType
from ansible_collections.saasodoo.platform.plugins.module_utils.options import REGISTRY
from ansible_collections.saasodoo.platform.plugins.module_utils.reporting import Outcome
from ansible_collections.saasodoo.platform.plugins.plugin_utils.noun import NounAction


class ActionModule(NounAction):
    """List servers and count their places; changes nothing."""

    ARGUMENTS = {
        "name": {"type": "str"},
        "server_type": {"type": "str", "choices": [str(kind) for kind in DatabaseType]},
        **REGISTRY,
    }

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Read the servers that match."""
        with connect(options["registry"]) as connection:
            places = Allocations(connection)
            now, fleet = places.now(), places.servers()
        wanted = {field: options[field] for field in ("name", "server_type") if options[field]}
        rows = [row for row in (_row(server, now) for server in fleet) if wanted.items() <= row.items()]
        return Outcome(facts={"servers": rows, "stats": {kind.value: _stats(rows, kind) for kind in DatabaseType}})


def _row(server: Server, now: datetime) -> dict[str, Any]:
    reserved = server.reserved(now)
    return {
        "name": server.name,
        "server_type": str(server.server_type),
        "status": str(server.status),
        "health_status": str(server.health),
        "health_message": server.health_message,
        "health_checked_at": server.health_checked_at.isoformat() if server.health_checked_at else None,
        "host": server.host,
        "port": server.port,
        "pooler_host": server.pooler_host,
        "pooler_port": server.pooler_port,
        "max_instances": server.max_instances,
        "in_use": server.taken(now) - reserved,
        "reserved": reserved,
        "free": server.free(now),
        "kept": server.kept,
        "cpu_limit": float(server.cpu_limit),
        "memory_limit": server.memory_limit,
    }


def _stats(rows: list[dict[str, Any]], kind: DatabaseType) -> dict[str, int]:
    mine = [row for row in rows if row["server_type"] == kind and row["status"] != "retired"]
    return {"servers": len(mine)} | {count: sum(row[count] for row in mine) for count in ("in_use", "reserved", "free")}
