"""What there is of tenants, looked at where it really is: registry, servers, processes, proxy. Acceptance tests judge by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import connect_server
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.platform_key import read_platform_key

_EXPECTED = """
SELECT t.database_name, t.short_id, t.status, t.provisioning_status FROM tenant.tenants t
"""
_SERVERS = "SELECT name, host, port FROM database.servers WHERE status IN ('active', 'draining') ORDER BY name"
_KEPT = "SELECT database_name FROM ops.migrations WHERE finished_at IS NULL"
_PLACES = "SELECT tenant_id, state FROM database.allocations"
_DATABASES = "SELECT datname AS name FROM pg_database WHERE datname LIKE 'odoo\\_%%' AND NOT datistemplate"
_ROLES = "SELECT rolname AS name FROM pg_roles WHERE rolname LIKE 'odoo\\_%%' AND rolname !~ '^odoo_template$|__deputy$'"


class Known(Protocol):
    """What has to be known of a platform to look at it."""

    @property
    def registry(self) -> str:
        """Connection string of its registry."""

    @property
    def platform_key_file(self) -> str:
        """File with its key."""


@dataclass(frozen=True)
class Evidence:
    """Names as found: databases and roles on all servers (with repeats), Odoo processes, routes; and what the registry says."""

    databases: list[str]
    roles: list[str]
    processes: list[str]
    routes: list[str]
    tenants: dict[str, str]  # database name -> status
    places: dict[str, str]  # tenant id -> reserved | in_use
    kept: set[str]  # databases of which a move keeps another one


def gather(platform: Known, home: Path, reach: Callable[[str], str] = str) -> Evidence:
    """Look everywhere; ``reach`` says how to address a server's host from here."""
    key = read_platform_key(platform.platform_key_file)
    databases: list[str] = []
    roles: list[str] = []
    with registry.connect(platform.registry) as connection:
        servers = connection.execute(_SERVERS).fetchall()
        tenants = {row["database_name"]: row["status"] for row in connection.execute(_EXPECTED)}
        kept = {row["database_name"] for row in connection.execute(_KEPT)}
        places = {str(row["tenant_id"]): row["state"] for row in connection.execute(_PLACES)}
    for server in servers:
        with connect_server(reach(server["host"]), server["port"], server["name"], key, wait=30) as admin:
            databases += [row["name"] for row in admin.execute(_DATABASES)]
            roles += [row["name"] for row in admin.execute(_ROLES)]
    return Evidence(sorted(databases), sorted(roles), odoo_processes(home), routes(home), tenants, places, kept)


def odoo_processes(home: Path) -> list[str]:
    """Return the data directories of running Odoos of this home, one per process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        found += [Path(word).parent.name for word in words if word.startswith(str(home)) and word.endswith("odoo.conf")]
    return sorted(found)


def routes(home: Path) -> list[str]:
    """Return the proxy's entries as ``host/entry``."""
    return sorted(f"{entry.parent.name}/{entry.name}" for entry in home.glob("caddy/routes/*/*"))


def stray(evidence: Evidence) -> list[str]:
    """Name what belongs to no tenant, or what a tenant has twice; empty when all is as it should be."""
    problems = []
    for kind, names in (("database", evidence.databases), ("role", evidence.roles)):
        problems += [f"{kind} {name} belongs to no tenant" for name in names if name not in evidence.tenants]
        repeated = [name for name in set(names) if names.count(name) > 1 + (name in evidence.kept)]
        problems += [f"{kind} {name} is there {names.count(name)} times" for name in repeated]
    running = [name for name, status in evidence.tenants.items() if status == "running"]
    for name in running:
        count = sum(1 for process in evidence.processes if name in process)
        problems += [f"{name} has {count} processes"] * (count != 1)
    problems += [
        f"process {each} runs no running tenant" for each in evidence.processes if not any(name in each for name in running)
    ]
    return problems
