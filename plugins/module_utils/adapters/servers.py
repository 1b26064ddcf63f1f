# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The life of a Postgres server in the registry: begun, in use, draining, retired. Places on it: adapters.allocations."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from psycopg import errors

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.allocations import Allocations
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.registry import Connection, check_conninfo
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.allocation_settings import AllocationSettings, address
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.database_server import Health, Server, ServerStatus
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.plan import DatabaseType, parse_size
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict, InvalidInput, NotFound

# Holds the server as it is, so that no tenant gets a place on it meanwhile (allocations take the same lock).
_HOLD = "SELECT name FROM database.servers WHERE name = %s FOR NO KEY UPDATE"
# Two that pick ports at once would pick the same.
_EXCLUDE_OTHER_MAKERS = "LOCK TABLE database.servers IN SHARE ROW EXCLUSIVE MODE"
_BEGIN = """
INSERT INTO database.servers (name, server_type, host, port, pooler_host, pooler_port, max_instances, cpu_limit, memory_limit,
    builder, builder_lease)
VALUES (%(name)s, %(server_type)s, %(host)s, %(port)s, %(pooler_host)s, %(pooler_port)s, %(max_instances)s, %(cpu_limit)s,
    %(memory_limit)s, 'playbook', clock_timestamp() + make_interval(secs => %(lease)s))
"""
_UPDATE = """
UPDATE database.servers SET status = %(status)s, max_instances = %(max_instances)s, cpu_limit = %(cpu_limit)s,
    memory_limit = %(memory_limit)s, builder = CASE WHEN %(status)s = 'provisioning' THEN builder ELSE '' END,
    builder_lease = CASE WHEN %(status)s = 'provisioning' THEN builder_lease END
WHERE name = %(name)s
"""
_RECORD_HEALTH = """
UPDATE database.servers SET health_status = %(health)s, health_message = %(message)s, health_checked_at = clock_timestamp()
WHERE name = %(name)s
"""
_TENANTS = """
SELECT coalesce(t.subdomain, t.id::text) || CASE a.purpose
    WHEN 'target' THEN ' (is being moved there)'
    WHEN 'former' THEN ' (former database' || coalesce(', kept until ' || to_char(m.keep_until, 'YYYY-MM-DD HH24:MI'), '') || ')'
    WHEN 'kept' THEN ' (terminated, its data is kept)'
    ELSE '' END AS tenant
FROM database.allocations a JOIN tenant.tenants t ON t.id = a.tenant_id
LEFT JOIN ops.migrations m ON m.tenant_id = a.tenant_id AND m.finished_at IS NULL
WHERE a.server_name = %s AND (a.expires_at IS NULL OR a.expires_at > clock_timestamp()) ORDER BY t.subdomain, t.id
"""
_LED = """
SELECT coalesce(subdomain, id::text) AS tenant, database_name FROM tenant.tenants WHERE database_name = ANY(%s) ORDER BY tenant
"""
_LEASE_SECONDS = 120
#: From which status each wanted state may be reached, and what the status then is.
_STEPS: dict[str, dict[ServerStatus, ServerStatus]] = {
    "provisioning": {status: status for status in ServerStatus if status is not ServerStatus.RETIRED},
    "present": {
        ServerStatus.PROVISIONING: ServerStatus.ACTIVE,
        ServerStatus.ERROR: ServerStatus.ACTIVE,
        ServerStatus.ACTIVE: ServerStatus.ACTIVE,
        ServerStatus.DRAINING: ServerStatus.DRAINING,
    },
    "active": {ServerStatus.ACTIVE: ServerStatus.ACTIVE, ServerStatus.DRAINING: ServerStatus.ACTIVE},
    "draining": {
        ServerStatus.ACTIVE: ServerStatus.DRAINING,
        ServerStatus.DRAINING: ServerStatus.DRAINING,
        ServerStatus.ERROR: ServerStatus.DRAINING,
    },
    "retired": dict.fromkeys(ServerStatus, ServerStatus.RETIRED),
}
STATES = tuple(_STEPS)


def known_component(registry: str) -> bool:
    """Whether the component that ``registry`` names has its user and password file, which making the registry gives it."""
    try:
        check_conninfo(registry)
    except InvalidInput:
        return False
    return True


@dataclass(frozen=True)
class Wanted:
    """A server as its maker wants it. Ports of 0 mean those it has, or the first free pair from ``port_first`` on.

    {name} in an address stands for the server's name.
    """

    name: str
    server_type: DatabaseType = DatabaseType.SHARED
    max_instances: int = 50
    cpu_limit: Decimal = Decimal(1)
    memory_limit: str = "1GB"
    host: str = "127.0.0.1"
    port: int = 0
    pooler_host: str = "127.0.0.1"
    pooler_port: int = 0
    port_first: int = 0
    port_last: int = 0

    def __post_init__(self) -> None:
        parse_size(self.memory_limit)
        if self.max_instances < 1 or (self.server_type is DatabaseType.DEDICATED and self.max_instances != 1):
            raise InvalidInput(f"server {self.name}: wrong number of places", found=self.max_instances, expected="1 if dedicated")

    def record(self, fleet: tuple[Server, ...], state: str) -> dict[str, Any]:
        """Return the row of a new server in ``state`` (provisioning, present). Raises Conflict when there are no free ports."""
        port, pooler_port = self.port, self.pooler_port
        if not (port and pooler_port):
            free = AllocationSettings(port_first=self.port_first, port_last=self.port_last, max_servers=len(fleet) + 1)
            if obstacle := free.no_room(fleet):
                raise Conflict(f"no ports for server {self.name}: {obstacle}")
            next_server = free.next_server(fleet, self.server_type)
            port, pooler_port = next_server.port, next_server.pooler_port
        return {
            "name": self.name,
            "server_type": str(self.server_type),
            "status": str(_STEPS[state][ServerStatus.PROVISIONING]),
            "host": address(self.host, self.name),
            "port": port,
            "pooler_host": address(self.pooler_host, self.name),
            "pooler_port": pooler_port,
            **self.sizes(),
        }

    def sizes(self) -> dict[str, Any]:
        """Return what may change during a server's life."""
        return {"max_instances": self.max_instances, "cpu_limit": float(self.cpu_limit), "memory_limit": self.memory_limit}


class Servers:
    """The servers of one registry. Every method is one transaction; with ``check`` it writes nothing."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def fleet(self) -> tuple[Server, ...]:
        """Return every server."""
        return Allocations(self._connection).servers()

    def make(self, wanted: Wanted, state: str, *, check: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        """Record a server that is being made (provisioning) or is done (present); return its row before and after.

        Done servers get the sizes wanted. Raises Conflict when it is retired, of another type or at other ports, when
        another server has its ports, or when more tenants have places than it is to have.
        """
        with self._connection.transaction():
            if not check:
                self._connection.execute(_EXCLUDE_OTHER_MAKERS)
            fleet = self.fleet()
            known = _find(fleet, wanted.name)
            before = _row(known) if known else {}
            after = _known(known, wanted, state) if known else wanted.record(fleet, state)
            _check_ports(fleet, after)
            if not check:
                self._write(before, after)
            return before, after

    def change(self, name: str, state: str, *, check: bool, led: Collection[str] = ()) -> tuple[dict[str, Any], dict[str, Any]]:
        """Bring a known server to active, draining or retired; return its row before and after.

        ``led`` are the databases that its PgBouncer leads to. Raises NotFound; Conflict when the state can't follow, or on a
        server to be retired tenants live, or through its PgBouncer come to where they live now.
        """
        with self._connection.transaction():
            if not check:
                self._connection.execute(_HOLD, (name,))
            known = _find(self.fleet(), name)
            if known is None:
                raise NotFound(f"there is no server {name}", action="see saasodoo.platform.postgres_server_info")
            status = _step(known, state)
            if status is ServerStatus.RETIRED:
                self._check_empty(name)
                self._check_not_led(name, led)
            before = _row(known)
            after = before | {"status": str(status)}
            if not check:
                self._write(before, after)
            return before, after

    def record_health(self, name: str, health: Health, message: str) -> None:
        """Write what a health check found."""
        with self._connection.transaction():
            self._connection.execute(_RECORD_HEALTH, {"name": name, "health": str(health), "message": message})

    def _write(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        if not before:
            self._connection.execute(_BEGIN, {**after, "lease": _LEASE_SECONDS})
        if after == before:
            return
        try:
            self._connection.execute(_UPDATE, after)
        except errors.CheckViolation:
            raise Conflict(f"server {after['name']} can't have so few places", found=after["max_instances"]) from None

    def _check_empty(self, name: str) -> None:
        if tenants := [str(row["tenant"]) for row in self._connection.execute(_TENANTS, (name,))]:
            raise Conflict(
                f"server {name} is not empty",
                found=f"tenants {', '.join(tenants)}",
                action="move or terminate them first: a draining server takes no more, the rest goes with time",
            )

    def _check_not_led(self, name: str, led: Collection[str]) -> None:
        rows = self._connection.execute(_LED, (list(led),)).fetchall()
        if tenants := [str(row["tenant"]) for row in rows]:
            raise Conflict(
                f"tenants come through the PgBouncer of server {name}, though their databases moved",
                found=", ".join(tenants),
                action="restart each (playbooks/tenant_restart.yml), then remove its entry: ansible platform"
                f" -m saasodoo.platform.pgbouncer_database -a 'server={name} database={rows[0]['database_name']} state=absent"
                " home={{ saasodoo_home }}'",
            )


def _find(fleet: tuple[Server, ...], name: str) -> Server | None:
    return next((server for server in fleet if server.name == name), None)


def _step(server: Server, state: str) -> ServerStatus:
    status = _STEPS[state].get(server.status)
    if status is None:
        expected = ", ".join(_STEPS[state])
        raise Conflict(f"server {server.name} can't become {state}", found=str(server.status), expected=expected)
    return status


def _known(server: Server, wanted: Wanted, state: str) -> dict[str, Any]:
    _check_same(server, wanted)
    sizes = wanted.sizes() if state == "present" else {}
    return _row(server) | {"status": str(_step(server, state))} | sizes


def _check_same(server: Server, wanted: Wanted) -> None:
    pairs = (
        ("type", str(server.server_type), str(wanted.server_type)),
        ("port", server.port, wanted.port or server.port),
        ("pooler_port", server.pooler_port, wanted.pooler_port or server.pooler_port),
    )
    for what, found, expected in pairs:
        if found != expected:
            raise Conflict(f"server {server.name} has another {what}, which can't be changed", found=found, expected=expected)


def _check_ports(fleet: tuple[Server, ...], row: dict[str, Any]) -> None:
    mine = {row["port"], row["pooler_port"]}
    for server in (server for server in fleet if server.name != row["name"]):
        if taken := mine & {server.port, server.pooler_port}:
            raise Conflict(f"server {row['name']} can't have port {taken.pop()}", found=f"server {server.name} has it")


def _row(server: Server) -> dict[str, Any]:
    return {
        "name": server.name,
        "server_type": str(server.server_type),
        "status": str(server.status),
        "host": server.host,
        "port": server.port,
        "pooler_host": server.pooler_host,
        "pooler_port": server.pooler_port,
        "max_instances": server.max_instances,
        "cpu_limit": float(server.cpu_limit),
        "memory_limit": server.memory_limit,
    }
