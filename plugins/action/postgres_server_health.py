# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check the health of Postgres servers. Documentation: plugins/modules/postgres_server_health.py."""

from __future__ import annotations

from typing import Any

from ..module_utils.domain.server.database_server import Health
from ..module_utils.options import PLATFORM_KEY, REGISTRY
from ..module_utils.outcome import Outcome
from ..module_utils.postgres.health import check_servers
from ..module_utils.registry import servers
from ..module_utils.registry.connection import connect
from ..module_utils.registry.servers import known_component
from ..module_utils.secrets.platform_key import read_platform_key
from ..plugin_utils.noun import NounAction


class ActionModule(NounAction):
    """Check servers and record what was found."""

    ARGUMENTS = {"name": {"type": "str"}, "patience": {"type": "float", "default": 5.0}, **REGISTRY, **PLATFORM_KEY}

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Check the server named, or all in use. No registry connection is held while servers are waited for."""
        if check and not known_component(options["registry"]):  # the registry itself is only predicted
            return _prediction(options["name"])
        with connect(options["registry"]) as connection:
            fleet = {server.name: server for server in servers.in_use(connection)}
        chosen = [server for server in fleet.values() if options["name"] in (None, server.name)]
        if check and options["name"] and not chosen:
            return _prediction(options["name"])
        findings = check_servers(chosen, read_platform_key(options["platform_key_file"]), patience=options["patience"])
        if not check:
            with connect(options["registry"]) as connection:
                for finding in findings:
                    servers.record_health(connection, finding.server, finding.health, finding.message)
        before = {server.name: f"{server.health_status} {server.health_message}".strip() for server in chosen}
        after = {finding.server: f"{finding.health} {finding.message}".strip() for finding in findings}
        unhealthy = [finding.server for finding in findings if finding.health is Health.UNHEALTHY]
        return Outcome(before=before, after=after, facts={"health": after, "unhealthy": unhealthy})


def _prediction(name: str | None) -> Outcome:
    """Say what is found of a server that is about to be made."""
    before, after = ({name: "unknown"}, {name: "healthy"}) if name else ({}, {})
    return Outcome(before=before, after=after, facts={"health": after, "unhealthy": []})
