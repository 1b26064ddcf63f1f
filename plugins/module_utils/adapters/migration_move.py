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
from typing import Any

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.migration_journal import MigrationJournal
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.pgbouncer import PgBouncer
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.postgres import Address
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.registry import Connection
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration_record import Migration
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant import short_id
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict

Say = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Settings:
    """How a move is made. Times are in seconds.

    A try to pause keeps clients waiting for ``pause_timeout`` at most, for the transactions that run; then they go on, and it
    is tried again after ``pause_between``. Measured: the pause of the switch itself is 0.05 to 0.2 s.
    """

    jobs: int = 2
    pause_timeout: float = 0.5
    pause_tries: int = 60
    pause_between: float = 2.0
    drain_timeout: float = 5.0
    catch_up_timeout: float = 1800.0
    catch_up_bytes: int = 1_000_000
    slot_timeout: float = 120.0
    way_back: float = 86_400.0
    keep: float = 604_800.0


@dataclass(frozen=True)
class Side:
    """One of the two servers."""

    address: Address
    pooler: PgBouncer
    database: str

    @property
    def name(self) -> str:
        """The server's name."""
        return self.address.name

    def server(self) -> AbstractContextManager[Connection]:
        """Connect to the server."""
        return self.address.connect()

    def open(self) -> AbstractContextManager[Connection]:
        """Connect to the tenant's database."""
        return self.address.connect(self.database)

    @property
    def leads(self) -> bool:
        """Whether its PgBouncer knows the database, wherever that lies."""
        return self.database in self.pooler.databases()

    @property
    def clients(self) -> int:
        """How many connections its PgBouncer has from the tenant's Odoo: 0 also where it does not run."""
        return self.pooler.clients(self.database)


@dataclass(frozen=True)
class Move:
    """A migration, and what its steps need. ``files`` is the tenant's filestore, ``backup`` the folder its dump is kept in.

    ``clock`` gives the platform's time; ``say`` hears figures of progress.
    """

    migration: Migration
    source: Side
    target: Side
    journal: MigrationJournal
    backup: Path
    files: Path | None
    settings: Settings
    clock: Callable[[], datetime]
    say: Say = field(default=lambda figures: None)

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

    def pause(self) -> None:
        """Let new transactions wait. Raises Conflict when those that run don't end, with all clients going on."""
        for _ in range(self.settings.pause_tries):
            if all(side.pooler.pause(self.database, self.settings.pause_timeout) for side in self.sides if side.leads):
                return
            self.resume()
            self.say({"waiting_for": "transactions that run"})
            time.sleep(self.settings.pause_between)
        raise Conflict(
            f"the transactions of {self.database} don't end",
            found=f"{self.settings.pause_tries} times one ran for more than {self.settings.pause_timeout:g} s",
            action="move it when no long job runs, or allow a longer pause (pause_timeout)",
        )

    def resume(self) -> None:
        """Let all clients go on."""
        for side in self.sides:
            if side.leads:
                side.pooler.resume(self.database)

    def lead(self, home: Side) -> None:
        """Lead all clients to ``home`` and let them go on."""
        for side in self.sides:
            if side.leads:
                side.pooler.lead(self.database, home.address.host, home.address.port, resume=True)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep clients waiting for the length of the block."""
        self.pause()
        try:
            yield
        finally:
            self.resume()
