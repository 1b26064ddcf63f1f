# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a tenant's database takes of its plan's storage, and what follows: nothing, a warning, and past a grace reading only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ...errors import InvalidInput


class Level(StrEnum):
    """How much of its plan's storage a database takes; READ_ONLY is OVER for longer than the grace."""

    WITHIN = "within"
    NEAR = "near"
    OVER = "over"
    READ_ONLY = "read_only"


@dataclass(frozen=True)
class StorageSettings:
    """From how much of the plan's storage on it is near, in percent, and for how long it may be over. Raises InvalidInput."""

    near_percent: int = 80
    grace_hours: float = 168

    def __post_init__(self) -> None:
        if not 1 <= self.near_percent <= 100 or self.grace_hours < 0:
            found = f"near_percent {self.near_percent}, grace_hours {self.grace_hours}"
            raise InvalidInput("these can't be limits of storage", found=found, expected="1 to 100 percent, 0 hours or more")


@dataclass(frozen=True)
class Storage:
    """What a tenant's database was found to take: ``used`` and ``limit`` in bytes, ``over_since`` while it is over."""

    used: int
    limit: int
    level: Level = Level.WITHIN
    over_since: datetime | None = None

    def __str__(self) -> str:
        return f"its database takes {self.used / 2**30:.1f} GB of the {self.limit / 2**30:.1f} GB of its plan"


def measured(used: int, limit: int, before: Storage, settings: StorageSettings, now: datetime) -> Storage:
    """Return what follows from a database of ``used`` bytes where the plan gives ``limit``; ``before`` was found last."""
    if used <= limit:
        return Storage(used, limit, Level.NEAR if used * 100 >= limit * settings.near_percent else Level.WITHIN)
    since = before.over_since or now
    is_long = now - since >= timedelta(hours=settings.grace_hours)
    return Storage(used, limit, Level.READ_ONLY if is_long else Level.OVER, since)
