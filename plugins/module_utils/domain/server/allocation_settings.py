# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an operator may set of allocation, and what follows from it: the next server's name, ports and sizes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

from ...errors import InvalidInput
from ..billing.plan import DatabaseType, parse_size
from .database_server import Health, Server, ServerStatus

_PREFIXES = {DatabaseType.SHARED: "pool", DatabaseType.DEDICATED: "dedicated"}


def address(pattern: str, server: str) -> str:
    """Return the address of a server by its pattern, in which {name} stands for the server's name."""
    return pattern.replace("{name}", server)


@dataclass(frozen=True)
class AllocationSettings:
    """Times are in seconds, sizes as parse_size reads them, CPU in cores; the meaning of each is in the option's documentation.

    Raises InvalidInput when they can't work together.
    """

    port_first: int
    port_last: int
    host: str = "127.0.0.1"
    pooler_host: str = "127.0.0.1"
    max_instances: int = 50
    max_servers: int = 100
    reservation_seconds: int = 3600
    lease_seconds: int = 120
    retry_after: int = 10
    retries: int = 30
    spare_places: int = 5
    spare_dedicated: int = 1
    shared_cpu_limit: Decimal = Decimal(2)
    shared_memory_limit: str = "4GB"
    dedicated_cpu_limit: Decimal = Decimal(4)
    dedicated_memory_limit: str = "8GB"

    def __post_init__(self) -> None:
        positive = ("max_instances", "max_servers", "reservation_seconds", "lease_seconds", "retry_after", "retries")
        if wrong := [name for name in positive if getattr(self, name) < 1]:
            raise InvalidInput("allocation settings must be positive", found=", ".join(wrong))
        if min(self.spare_places, self.spare_dedicated) < 0:
            raise InvalidInput("allocation settings spare_places and spare_dedicated must not be negative")
        if self.lease_seconds >= self.patience:
            raise InvalidInput(
                "a dead builder could not be replaced while tenants wait for it",
                found=f"lease_seconds {self.lease_seconds}, waiting time {self.patience} s",
                expected="lease_seconds below retry_after * retries",
            )
        for size in (self.shared_memory_limit, self.dedicated_memory_limit):
            parse_size(size)

    @property
    def patience(self) -> int:
        """How long a tenant waits for a place, in seconds."""
        return self.retry_after * self.retries

    @property
    def timeout_message(self) -> str:
        """What is said of a tenant that waited that long in vain (mission: database allocation)."""
        minutes, seconds = divmod(self.patience, 60)
        duration = f"{self.patience} seconds" if seconds else f"{minutes} minute{'s' if minutes > 1 else ''}"
        return f"Database allocation timeout after {duration}"

    def no_room(self, servers: Iterable[Server]) -> str:
        """Say what stands in the way of one more server; '' when nothing does. A retired server counts only for its ports."""
        servers = list(servers)
        if sum(server.status is not ServerStatus.RETIRED for server in servers) >= self.max_servers:
            return f"there are {self.max_servers} servers already, as many as max_servers allows"
        if self._ports(servers) is None:
            return f"all ports from {self.port_first} to {self.port_last} are given to servers"
        return ""

    def next_server(self, servers: Iterable[Server], db_type: DatabaseType) -> Server:
        """Return the record of the next server: the first free number, the first free pair of ports. Call no_room first."""
        servers = list(servers)
        names = {server.name for server in servers}
        name = next(name for n in count(1) if (name := f"{_PREFIXES[db_type]}-{n}") not in names)
        ports = self._ports(servers)
        if ports is None:
            raise InvalidInput(self.no_room(servers))
        shared = db_type is DatabaseType.SHARED
        return Server(
            name=name,
            server_type=db_type,
            status=ServerStatus.PROVISIONING,
            health_status=Health.UNKNOWN,
            host=address(self.host, name),
            port=ports[0],
            pooler_host=address(self.pooler_host, name),
            pooler_port=ports[1],
            max_instances=self.max_instances if shared else 1,
            cpu_limit=self.shared_cpu_limit if shared else self.dedicated_cpu_limit,
            memory_limit=self.shared_memory_limit if shared else self.dedicated_memory_limit,
        )

    def _ports(self, servers: Iterable[Server]) -> tuple[int, int] | None:
        """Return the first pair of ports no server has: server n of the range has first + 2n and the one after."""
        used = {port for server in servers for port in (server.port, server.pooler_port)}
        pairs = ((port, port + 1) for port in range(self.port_first, self.port_last, 2))
        return next((pair for pair in pairs if used.isdisjoint(pair)), None)
