# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One move as the steps see it: both servers, their PgBouncers, the names made on the way, and how patient to be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from ..domain.migration.record import Migration
from ..domain.tenant.tenant import short_id
from ..errors import Conflict, Unavailable
from ..pgbouncer.databases import PgBouncer
from ..postgres.connection import Address, AsServer, AsTenant, Connection
from ..postgres.deputy import Deputy
from .proof import Doors

ProgressReport = Callable[[dict[str, Any]], None]
Session = TypeVar("Session", AsServer, AsTenant)

# Such a one may last, with everybody waiting for it; most are over in less.
_RUNS_FOR_LONG = """
SELECT 1 FROM pg_stat_activity WHERE datname = %s AND usename = datname AND backend_type = 'client backend'
    AND xact_start < clock_timestamp() - interval '50 ms' LIMIT 1
"""
_LOOK = 0.01  # seconds between two looks for such
_CALM = 10  # looks: one job follows another without a break
_FIRST_TRY = 0.1  # seconds; each time twice as long


@dataclass(frozen=True)
class Settings:
    """How a move is made. Times are in seconds.

    A try to pause keeps clients waiting for ``pause_timeout`` at most, the first ones for less, for the transactions that run;
    then they go on, and it is tried again after ``pause_between``. For a moment in which they would wait for less than
    ``quiet_pause`` in all, ``quiet_timeout`` is spent at most. Measured: the pause of the switch itself is 0.05 to 0.2 s.
    """

    jobs: int = 2
    pause_timeout: float = 0.5
    pause_tries: int = 60
    pause_between: float = 2.0
    quiet_pause: float = 1.0
    quiet_timeout: float = 120.0
    drain_timeout: float = 5.0
    catch_up_timeout: float = 1800.0
    catch_up_bytes: int = 1_000_000
    longest_transaction: float = 60.0
    slot_timeout: float = 600.0
    load_timeout: float = 7200.0
    way_back: float = 86_400.0
    keep: float = 604_800.0


@dataclass
class Prepared:
    """What was made ready before clients are kept waiting."""

    connection: AsServer | None = None
    as_tenant: AsTenant | None = None
    fingerprint: dict[str, str] | None = None


@dataclass(frozen=True)
class Side:
    """One of the two servers; ``log`` is where its Postgres tells what happens to it, if that is on this machine."""

    address: Address
    pooler: PgBouncer
    database: str
    log: Path | None = None
    prepared: Prepared = field(default_factory=Prepared, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The server's name."""
        return self.address.name

    def server(self) -> AbstractContextManager[AsServer]:
        """Connect to the server."""
        return self.address.connect()

    def open(self) -> AbstractContextManager[AsServer]:
        """Connect to the tenant's database as the server, to ask its catalogs."""
        return self.address.inside(self.database)

    @property
    def deputy(self) -> Deputy:
        """Who acts for the tenant there."""
        return Deputy(self.address, self.database)

    @contextmanager
    def open_as_tenant(self) -> Iterator[AsTenant]:
        """Connect to the tenant's database as its deputy."""
        self.deputy.ensure()
        with self.deputy.connect() as connection:
            yield connection

    @property
    def doors(self) -> Doors:
        """The two ways in, for many at once; the deputy is there since somebody has come in alone."""
        return Doors(self.deputy.connect, self.open)

    def at_hand(self) -> AbstractContextManager[AsServer]:
        """As open, but by the connection that is held, if it is alive."""
        return self._held(self.prepared.connection, self.open)

    def at_hand_as_tenant(self) -> AbstractContextManager[AsTenant]:
        """As open_as_tenant, but by the connection that is held, if it is alive."""
        return self._held(self.prepared.as_tenant, self.open_as_tenant)

    @contextmanager
    def _held(self, held: Session | None, other: Callable[[], AbstractContextManager[Session]]) -> Iterator[Session]:
        if held is None or not _alive(held):
            with other() as connection:
                yield connection
            return
        try:
            yield held
        except psycopg.OperationalError:
            if not held.broken:
                raise
            raise Unavailable(f"server {self.name} went away in the middle") from None

    @contextmanager
    def hold(self) -> Iterator[AsServer]:
        """Connect to the tenant's database both ways, and hold that at hand for the length of the block."""
        prepared = self.prepared
        with self.open() as connection, self.open_as_tenant() as as_tenant:
            prepared.connection, prepared.as_tenant = connection, as_tenant
            try:
                yield connection
            finally:
                prepared.connection = prepared.as_tenant = prepared.fingerprint = None

    def quiet(self) -> bool:
        """Whether all of the tenant's transactions have only just begun."""
        with self.at_hand() as database:
            return database.execute(_RUNS_FOR_LONG, (self.database,)).fetchone() is None

    @property
    def routes(self) -> bool:
        """Whether its PgBouncer routes clients of the database, wherever to."""
        return self.database in self.pooler.databases()

    @property
    def clients(self) -> int:
        """How many connections its PgBouncer has from the tenant's Odoo: 0 also where it does not run."""
        return self.pooler.clients(self.database)

    @property
    def waiting(self) -> int:
        """How many of these wait for a connection to the server."""
        return self.pooler.clients(self.database, "waiting")


@dataclass(frozen=True)
class Move:
    """A migration, and what its steps need. ``files`` is the tenant's filestore, ``backup`` the folder its dump is kept in.

    ``registry`` is a connection to it; ``clock`` gives the platform's time; ``report`` takes figures of progress.
    """

    migration: Migration
    source: Side
    target: Side
    registry: Connection
    backup: Path
    files: Path | None
    settings: Settings
    clock: Callable[[], datetime]
    report: ProgressReport = field(default=lambda figures: None)

    @property
    def database(self) -> str:
        """The name of database and role."""
        return self.migration.database_name

    @property
    def forward(self) -> str:
        """Slot and subscription by which the target follows the source."""
        return f"saasodoo_{short_id(self.migration.tenant_id)}_fwd"

    @property
    def reverse(self) -> str:
        """Slot and subscription by which the source follows the target."""
        return f"saasodoo_{short_id(self.migration.tenant_id)}_rev"

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both servers; either's PgBouncer may have the tenant's clients, since Odoo stays with one until it is started anew."""
        return self.source, self.target

    def pause(self, home: Side) -> None:
        """Let new transactions at ``home`` wait. Raises Conflict when those that run don't end, with all clients going on.

        Clients wait for a transaction that happens to run, so a moment is looked for in which none has for long, and the first
        tries are short. Odoo's scheduled jobs, which all start when a switch has cut their thread's connection off, can't be
        waited for at all: each keeps one transaction open while it begins others, and those wait for the pause to end.
        """
        # Where there are clients comes last: they wait for less then.
        sides = sorted((side for side in self.sides if side.routes), key=lambda side: side.clients)
        for number in range(self.settings.pause_tries):
            self._await_quiet(home)
            timeout = min(self.settings.pause_timeout, _FIRST_TRY * 2**number)
            if all(side.pooler.pause(self.database, timeout) for side in sides):
                return
            self.resume()
            self.report({"waiting_for": "transactions that run"})
            time.sleep(self.settings.pause_between)
        raise Conflict(
            f"the transactions of {self.database} don't end",
            found=f"{self.settings.pause_tries} times one ran for more than {self.settings.pause_timeout:g} s",
            action="move it when no long job runs, or allow a longer pause (pause_timeout)",
        )

    def _await_quiet(self, home: Side) -> None:
        """Wait for such a moment, but no longer than between two tries: where people work a lot there may be none."""
        end, calm = time.monotonic() + self.settings.pause_between, 0
        while calm < _CALM and time.monotonic() < end:
            calm = calm + 1 if home.quiet() else 0
            time.sleep(_LOOK)

    def resume(self) -> None:
        """Let all clients go on."""
        for side in self.sides:
            if side.routes:
                side.pooler.resume(self.database)

    def route(self, home: Side) -> None:
        """Route all clients to ``home`` and let them go on."""
        for side in self.sides:
            if side.routes:
                side.pooler.route(self.database, home.address.host, home.address.port, resume=True)

    @contextmanager
    def paused(self, home: Side) -> Iterator[None]:
        """Keep clients of ``home`` waiting for the length of the block."""
        self.pause(home)
        try:
            yield
        finally:
            self.resume()


def _alive(connection: AsServer | AsTenant) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True
