# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Postgres servers, as the registry keeps them: begun, in use, draining, retired. Places on them: registry/allocations.py.

Leases measure how long processes may take, so they follow the database's clock, not the platform's, which tests move by weeks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg import errors

from ..domain.billing.plan import DatabaseType, parse_size
from ..domain.change import Change
from ..domain.server.allocation_settings import AllocationSettings, address
from ..domain.server.database_server import Health, Place, Purpose, Server, ServerStatus
from ..errors import Conflict, InvalidInput, NotFound
from ..postgres.connection import Address, Connection
from .connection import check_conninfo, clock
from .tenant_name import NAME

_FIELDS = tuple(field.name for field in fields(Server) if field.name != "places")
_WORDS: dict[str, type[StrEnum]] = {"server_type": DatabaseType, "status": ServerStatus, "health_status": Health}
_COLUMNS = ", ".join(f"s.{name}" for name in _FIELDS)

_ALL = f"SELECT {_COLUMNS} FROM database.servers s ORDER BY s.name"
# Holds the servers as they are, so that none is drained or found unhealthy meanwhile.
_HOLD_ALL = f"{_ALL} FOR NO KEY UPDATE"
_PLACES = "SELECT server_name, tenant_id, slot, expires_at, purpose FROM database.allocations"
#: Of each server that is not retired, how many places there are and are somebody's (``Server.given``), and databases are kept.
PLACE_COUNTS = """
SELECT s.name AS server, s.server_type AS type, s.health_status AS health, p.state, p.value FROM database.servers s
CROSS JOIN LATERAL (
    SELECT 'taken' AS state, count(a.slot) AS value FROM database.allocations a WHERE a.server_name = s.name
    UNION ALL SELECT 'kept', count(*) FROM database.allocations a WHERE a.server_name = s.name AND a.purpose = 'kept'
    UNION ALL SELECT 'all', s.max_instances
) p WHERE s.status <> 'retired'
"""
_OF_TENANT = f"""
SELECT {_COLUMNS} FROM database.allocations a JOIN database.servers s ON s.name = a.server_name
WHERE a.tenant_id = %s AND a.purpose IN ('home', 'kept') ORDER BY a.purpose LIMIT 1
"""
_ADD = f"INSERT INTO database.servers ({', '.join(_FIELDS)}) VALUES ({', '.join(f'%({name})s' for name in _FIELDS)})"
# Holds the server as it is, so that no tenant gets a place on it meanwhile (allocations take the same lock).
_HOLD = "SELECT name FROM database.servers WHERE name = %s FOR NO KEY UPDATE"
# Two that pick ports at once would pick the same.
_EXCLUDE_OTHER_MAKERS = "LOCK TABLE database.servers IN SHARE ROW EXCLUSIVE MODE"
_RECORD_HEALTH = """
UPDATE database.servers SET health_status = %(health)s, health_message = %(message)s, health_checked_at = clock_timestamp()
WHERE name = %(name)s
"""
_TENANTS = f"""
SELECT {NAME} || CASE a.purpose
    WHEN 'target' THEN ' (is being moved there)'
    WHEN 'former' THEN ' (former database' || coalesce(', kept until ' || to_char(m.keep_until, 'YYYY-MM-DD HH24:MI'), '') || ')'
    WHEN 'kept' THEN ' (terminated, its data is kept)'
    ELSE '' END AS tenant
FROM database.allocations a JOIN tenant.tenants t ON t.id = a.tenant_id
LEFT JOIN ops.migrations m ON m.tenant_id = a.tenant_id AND m.finished_at IS NULL
WHERE a.server_name = %s AND (a.expires_at IS NULL OR a.expires_at > clock_timestamp()) ORDER BY t.subdomain, t.id
"""
_ROUTED = f"""
SELECT {NAME} AS tenant, t.database_name FROM tenant.tenants t WHERE t.database_name = ANY(%s) ORDER BY tenant
"""
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
_MAKER = "playbook"


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

    def server(self, known: tuple[Server, ...], state: str) -> Server:
        """Return a new server in ``state`` (provisioning, present). Raises Conflict when there are no free ports."""
        port, pooler_port = self.port, self.pooler_port
        if not (port and pooler_port):
            free = AllocationSettings(port_first=self.port_first, port_last=self.port_last, max_servers=len(known) + 1)
            if obstacle := free.no_room(known):
                raise Conflict(f"no ports for server {self.name}: {obstacle}")
            next_server = free.next_server(known, self.server_type)
            port, pooler_port = next_server.port, next_server.pooler_port
        return Server(
            name=self.name,
            server_type=self.server_type,
            status=_STEPS[state][ServerStatus.PROVISIONING],
            health_status=Health.UNKNOWN,
            host=address(self.host, self.name),
            port=port,
            pooler_host=address(self.pooler_host, self.name),
            pooler_port=pooler_port,
            **self.sizes(),
        )

    def sizes(self) -> dict[str, Any]:
        """Return what may change during a server's life."""
        return {"max_instances": self.max_instances, "cpu_limit": self.cpu_limit, "memory_limit": self.memory_limit}


def fleet(connection: Connection, *, hold: bool = False) -> tuple[Server, ...]:
    """Return every server with its places, as they are now; with ``hold`` they stay so until the transaction's end."""
    with connection.transaction():
        rows = connection.execute(_HOLD_ALL if hold else _ALL).fetchall()
        places = defaultdict[str, list[Place]](list)  # a server that is added now has its places here, but no row
        for row in connection.execute(_PLACES):
            place = Place(row["tenant_id"], row["slot"], row["expires_at"], Purpose(row["purpose"]))
            places[row["server_name"]].append(place)
    return tuple(_from_row(row, tuple(places[row["name"]])) for row in rows)


def in_use(connection: Connection) -> list[Server]:
    """Return the servers that have tenants or may get some, those that are drained too."""
    return [each for each in fleet(connection) if each.status in (ServerStatus.ACTIVE, ServerStatus.DRAINING)]


def addresses(connection: Connection, key: bytes) -> dict[str, Address]:
    """Return how to reach each server in use, by its name; ``key`` is the platform's."""
    return {each.name: Address(each.host, each.port, each.name, key) for each in in_use(connection)}


def find(connection: Connection, name: str) -> Server:
    """Return a server with its places. Raises NotFound."""
    server = _find(fleet(connection), name)
    if server is None:
        raise NotFound(f"there is no server {name}", action="see saasodoo.platform.postgres_server_info")
    return server


def of_tenant(connection: Connection, tenant_id: UUID) -> Server | None:
    """Return the server that the tenant lives, or lived, on, without its places; None when it has none."""
    row = connection.execute(_OF_TENANT, (tenant_id,)).fetchone()
    return _from_row(row) if row else None


def add(connection: Connection, server: Server) -> None:
    """Record a new server."""
    connection.execute(_ADD, _values(server))


def save(connection: Connection, before: Server, after: Server) -> None:
    """Write what ``after`` has otherwise. The caller holds the server."""
    old, new = _values(before), _values(after)
    if changed := [name for name in _FIELDS if old[name] != new[name]]:
        assignments = ", ".join(f"{name} = %({name})s" for name in changed)
        connection.execute(f"UPDATE database.servers SET {assignments} WHERE name = %(name)s", new)


def make(connection: Connection, wanted: Wanted, state: str, *, check: bool) -> Change[Server | None]:
    """Record a server that is being made (provisioning) or is done (present); return what it was, None if new, and is.

    Done servers get the sizes wanted. Raises Conflict when it is retired, of another type or at other ports, when another server
    has its ports, or when more tenants have places than it is to have. With ``check`` nothing is written.
    """
    with connection.transaction():
        if not check:
            connection.execute(_EXCLUDE_OTHER_MAKERS)
        known = fleet(connection)
        before = _find(known, wanted.name)
        after = _remade(before, wanted, state) if before else wanted.server(known, state)
        _check_ports(known, after)
        if not check:
            _write(connection, before, after)
    return Change(before, after)


def change(connection: Connection, name: str, state: str, *, check: bool, routed: Collection[str] = ()) -> Change[Server]:
    """Bring a known server to active, draining or retired. With ``check`` nothing is written.

    ``routed`` are the databases that its PgBouncer leads to. Raises NotFound; Conflict when the state can't follow, or on a
    server to be retired tenants live, or through its PgBouncer come to where they live now.
    """
    with connection.transaction():
        if not check:
            connection.execute(_HOLD, (name,))
        before = find(connection, name)
        after = _with_status(before, _step(before, state))
        if after.status is ServerStatus.RETIRED:
            _check_empty(connection, name)
            _check_not_routed(connection, name, routed)
        if not check:
            save(connection, before, after)
    return Change(before, after)


def record_health(connection: Connection, name: str, health: Health, message: str) -> None:
    """Write what a health check found."""
    with connection.transaction():
        connection.execute(_RECORD_HEALTH, {"name": name, "health": str(health), "message": message})


def shown(server: Server) -> dict[str, Any]:
    """Return what there is to say of a server that was made or changed."""
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


def shown_with_health(server: Server) -> dict[str, Any]:
    """Return that, and how it was when it was last looked at."""
    return {
        **shown(server),
        "health_status": str(server.health_status),
        "health_message": server.health_message,
        "health_checked_at": server.health_checked_at,
    }


def _write(connection: Connection, before: Server | None, after: Server) -> None:
    if before is None:
        if after.status is ServerStatus.PROVISIONING:
            lease = clock(connection) + timedelta(seconds=AllocationSettings.lease_seconds)
            after = replace(after, builder=_MAKER, builder_lease=lease)
        add(connection, after)
        return
    try:
        save(connection, before, after)
    except errors.CheckViolation:
        raise Conflict(f"server {after.name} can't have so few places", found=after.max_instances) from None


def _check_empty(connection: Connection, name: str) -> None:
    if tenants := [str(row["tenant"]) for row in connection.execute(_TENANTS, (name,))]:
        raise Conflict(
            f"server {name} is not empty",
            found=f"tenants {', '.join(tenants)}",
            action="move or terminate them first: a draining server takes no more, the rest goes with time",
        )


def _check_not_routed(connection: Connection, name: str, routed: Collection[str]) -> None:
    rows = connection.execute(_ROUTED, (list(routed),)).fetchall()
    if tenants := [str(row["tenant"]) for row in rows]:
        raise Conflict(
            f"tenants come through the PgBouncer of server {name}, though their databases moved",
            found=", ".join(tenants),
            action="restart each (playbooks/tenant_restart.yml), then remove its entry: ansible platform"
            f" -m saasodoo.platform.pgbouncer_database -a 'server={name} database={rows[0]['database_name']} state=absent"
            " home={{ saasodoo_home }}'",
        )


def _find(known: tuple[Server, ...], name: str) -> Server | None:
    return next((server for server in known if server.name == name), None)


def _step(server: Server, state: str) -> ServerStatus:
    status = _STEPS[state].get(server.status)
    if status is None:
        expected = ", ".join(_STEPS[state])
        raise Conflict(f"server {server.name} can't become {state}", found=str(server.status), expected=expected)
    return status


def _with_status(server: Server, status: ServerStatus) -> Server:
    """Return the server so; one that is not being made has no builder."""
    if status is ServerStatus.PROVISIONING:
        return replace(server, status=status)
    return replace(server, status=status, builder="", builder_lease=None)


def _remade(server: Server, wanted: Wanted, state: str) -> Server:
    _check_same(server, wanted)
    return replace(_with_status(server, _step(server, state)), **(wanted.sizes() if state == "present" else {}))


def _check_same(server: Server, wanted: Wanted) -> None:
    pairs = (
        ("type", str(server.server_type), str(wanted.server_type)),
        ("port", server.port, wanted.port or server.port),
        ("pooler_port", server.pooler_port, wanted.pooler_port or server.pooler_port),
    )
    for what, found, expected in pairs:
        if found != expected:
            raise Conflict(f"server {server.name} has another {what}, which can't be changed", found=found, expected=expected)


def _check_ports(known: tuple[Server, ...], mine: Server) -> None:
    for server in (server for server in known if server.name != mine.name):
        if taken := {mine.port, mine.pooler_port} & {server.port, server.pooler_port}:
            raise Conflict(f"server {mine.name} can't have port {taken.pop()}", found=f"server {server.name} has it")


def _from_row(row: dict[str, Any], places: tuple[Place, ...] = ()) -> Server:
    words = {name: _WORDS[name](word) for name, word in row.items() if name in _WORDS}
    return Server(**row | words, places=places)


def _values(server: Server) -> dict[str, Any]:
    return {name: getattr(server, name) for name in _FIELDS}
