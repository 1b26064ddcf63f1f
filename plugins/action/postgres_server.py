# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Postgres server in the registry. Documentation: plugins/modules/postgres_server.py."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.pgbouncer import PgBouncer
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.registry import connect
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.servers import STATES, Servers, Wanted, known_component
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.plan import DatabaseType
from ansible_collections.saasodoo.platform.plugins.module_utils.options import REGISTRY
from ansible_collections.saasodoo.platform.plugins.module_utils.reporting import Outcome
from ansible_collections.saasodoo.platform.plugins.plugin_utils.noun import NounAction

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
            row = wanted.record((), state)  # the registry itself is only predicted
            return Outcome(after=row, facts={"server": row})
        with connect(options["registry"]) as connection:
            servers = Servers(connection)
            if wanted:
                before, after = servers.make(wanted, state, check=check)
            else:
                before, after = servers.change(options["name"], state, check=check, led=_led(options))
        return Outcome(before=before, after=after, facts={"server": after})


def _led(options: dict[str, Any]) -> list[str]:
    home = options["home"]
    return list(PgBouncer(Path(home) / "pgbouncer" / options["name"]).databases()) if home else []
