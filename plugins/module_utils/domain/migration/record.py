# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is remembered of a migration, which is a tenant's database on its way from one server to another, and how it may end."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from ...errors import Conflict
from ..tenant.status import Status


class Strategy(StrEnum):
    """ops.migrations.strategy."""

    ONLINE = "online"  # the database follows by replication while people work
    OFFLINE = "offline"  # Odoo stands still meanwhile


class MigrationStatus(StrEnum):
    """ops.migrations.status."""

    UNDER_WAY = "under_way"  # there or back
    KEPT = "kept"  # moved; the former database is still there
    RETURNED = "returned"  # moved and moved back; nothing is left on target
    SETTLED = "settled"  # moved; nothing is left on source
    UNDONE = "undone"  # never moved; nothing is left on target


class MigrationCourse(StrEnum):
    """ops.migration_steps.course: which sequence of steps an entry is about."""

    ONLINE = "online"
    OFFLINE = "offline"
    RETURN = "return"
    UNDO = "undo"


class StepState(StrEnum):
    """ops.migration_steps.state."""

    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"


_S = MigrationStatus
_FOLLOWS = {
    _S.UNDER_WAY: frozenset({_S.KEPT, _S.RETURNED, _S.UNDONE}),
    _S.KEPT: frozenset({_S.UNDER_WAY, _S.RETURNED, _S.SETTLED}),
}
#: What nothing of the migration is left after.
ENDED = frozenset(_S) - {_S.UNDER_WAY, _S.KEPT}


@dataclass(frozen=True)
class Migration:
    """One row of ops.migrations: see its comments for the meaning of each. Times are the platform's (ops.now)."""

    id: UUID
    tenant_id: UUID
    database_name: str
    strategy: Strategy
    reason: str
    source: str
    target: str
    status: MigrationStatus
    tenant_status: Status  # running or stopped: what the tenant was, and is to be again
    progress: dict[str, Any]
    report: dict[str, Any] | None
    message: str
    cause: str
    started_at: datetime
    switched_at: datetime | None
    way_back_until: datetime | None
    keep_until: datetime | None
    finished_at: datetime | None

    @property
    def switched(self) -> bool:
        """Whether the point of no return is behind it: the tenant came to live on target (it may have returned since)."""
        return self.switched_at is not None

    def check_may_become(self, status: MigrationStatus, home: str | None) -> None:
        """Raise Conflict unless the migration may become ``status`` while the tenant lives on ``home`` (None: nowhere any more).

        What an end says must be true of where the tenant lives, since with it the other place is given back.
        """
        fits = {
            _S.KEPT: home == self.target,
            _S.SETTLED: home != self.source,
            _S.RETURNED: home == self.source and self.switched,
            _S.UNDONE: home == self.source and not self.switched,
            _S.UNDER_WAY: home == self.target,
        }
        if status not in _FOLLOWS.get(self.status, frozenset()) or not fits[status]:
            raise Conflict(
                f"the migration of {self.database_name} from {self.source} to {self.target} can't become {status}",
                found=f"{self.status}, {'' if self.switched else 'not '}switched, the tenant lives on {home or 'no server'}",
            )

    def check_way_back(self, now: datetime) -> None:
        """Raise Conflict unless the former database still follows, so that going back loses nothing."""
        if self.way_back_until is None or now >= self.way_back_until:
            raise Conflict(
                f"there is no way back to {self.source} without losing what was written since",
                found=f"over since {self.way_back_until:%Y-%m-%d %H:%M}" if self.way_back_until else f"{self.strategy}, closed",
                action=f"migrate to {self.source} anew",
            )


@dataclass(frozen=True)
class Entry:
    """One row of ops.migration_steps."""

    id: int
    course: MigrationCourse
    step: str
    state: StepState
    at: datetime
    detail: dict[str, Any] = field(default_factory=dict)


class Reason(StrEnum):
    """Why something is due."""

    INTERRUPTED = "interrupted"  # its run is dead: go on or undo
    UNPROVED = "unproved"  # moved, and not compared yet
    WAY_BACK_OVER = "way_back_over"  # end the replication to the former database
    KEEP_OVER = "keep_over"  # drop the former database


@dataclass(frozen=True)
class Due:
    """A migration for which something is to be done, and why."""

    migration: Migration
    reason: Reason
