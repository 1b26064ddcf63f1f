# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Postgres servers there are. Documentation: plugins/modules/postgres_server_info.py."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..module_utils.domain.billing.plan import DatabaseType
from ..module_utils.domain.server.database_server import Server
from ..module_utils.options import REGISTRY
from ..module_utils.outcome import Outcome
from ..module_utils.registry import servers
from ..module_utils.registry.connection import clock, connect
from ..plugin_utils.noun import NounAction


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
            now, fleet = clock(connection), servers.fleet(connection)
        wanted = {field: options[field] for field in ("name", "server_type") if options[field]}
        rows = [row for row in (_row(server, now) for server in fleet) if wanted.items() <= row.items()]
        return Outcome(facts={"servers": rows, "stats": {kind.value: _stats(rows, kind) for kind in DatabaseType}})


def _row(server: Server, now: datetime) -> dict[str, Any]:
    reserved = server.reserved(now)
    return {
        **servers.shown_with_health(server),
        "health_checked_at": server.health_checked_at.isoformat() if server.health_checked_at else None,
        "in_use": server.taken(now) - reserved,
        "reserved": reserved,
        "free": server.free(now),
        "kept": server.kept,
    }


def _stats(rows: list[dict[str, Any]], kind: DatabaseType) -> dict[str, int]:
    mine = [row for row in rows if row["server_type"] == kind and row["status"] != "retired"]
    return {"servers": len(mine)} | {count: sum(row[count] for row in mine) for count in ("in_use", "reserved", "free")}
