# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What emptying a Postgres server comes to for each tenant that has a database there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ..tenant.lifecycle import is_moving
from ..tenant.status import Status
from ..tenant.verb import Verb
from .database_server import Purpose


@dataclass(frozen=True)
class Resident:
    """A tenant's database on the server: its home, a target of a move, or a former one that is kept ``keep_until`` then."""

    tenant_id: UUID
    name: str
    status: Status
    operation: Verb | None
    purpose: Purpose
    keep_until: datetime | None = None


@dataclass(frozen=True)
class Drain:
    """Whom to move away, whose former database to let go of now, whose stays until when, and who stays for which reason."""

    move: tuple[Resident, ...] = ()
    settle: tuple[Resident, ...] = ()
    kept: tuple[Resident, ...] = ()
    skipped: tuple[tuple[Resident, str], ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nobody is left."""
        return not (self.move or self.settle or self.kept or self.skipped)


def plan(residents: Iterable[Resident], *, let_go: bool) -> Drain:
    """Return what is to be done; with ``let_go`` former databases go before their time."""
    known = tuple(residents)
    reasons = tuple((each, why) for each in known if (why := obstacle(each)))
    movable = tuple(each for each in known if each.purpose is Purpose.HOME and not obstacle(each))
    former = tuple(each for each in known if each.purpose is Purpose.FORMER)
    return Drain(movable, former if let_go else (), () if let_go else former, reasons)


def obstacle(resident: Resident) -> str:
    """Say why the tenant can't be moved away, and what to do; '' where it can, or need not be."""
    if resident.purpose is Purpose.TARGET:
        return "is being moved here: let that end, or run playbooks/tenant_settle.yml"
    if resident.purpose is Purpose.FORMER or is_moving(resident.status, resident.operation):
        return ""
    match resident.status:
        case Status.RUNNING | Status.STOPPED:
            return ""
        case Status.TERMINATED:
            return "is terminated, its data is kept: playbooks/tenant_terminate.yml -e odoo_tenant_keep_data=false drops it"
        case Status.PAUSED:
            return "is paused, and only what runs or is stopped can be moved: resume or terminate it"
    return f"is {resident.status}, and only what runs or is stopped can be moved: bring it to rest first"
