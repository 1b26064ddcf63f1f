# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The states of the noun database_migration: which part of a move each stands for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..domain.migration.record import Migration, MigrationStatus
from ..domain.migration.steps import Decision, Phase, take_up
from ..errors import Conflict, PlatformError
from ..outcome import Outcome
from . import course, journal
from .move import Move
from .planning import Migrations, fact, shown
from .steps import Mismatch

_COMPARED = ("tables", "rows", "sequences", "large_objects")


def bring_to(asked: Migrations, state: str, *, check: bool) -> Outcome:
    """Bring the tenant's unfinished migration to ``state``. Raises Conflict where it has none that could be.

    In check mode only planned says more than that the state will be reached: what comes after rests on it.
    """
    found = journal.open_of(asked.registry, asked.tenant.id)
    if state == "planned":
        return asked.plan(found, check=check)
    if state == "kept":
        kept = found if found and found.status is MigrationStatus.KEPT else None
        return Outcome(facts={"migration": kept and {**(fact(kept) or {}), **asked.about(asked.move(kept), kept)}})
    if found is None and state in ("taken_up", "proved", "undone", "settled"):
        return Outcome(facts={"migration": None})
    if check:
        return Outcome(shown(found), shown(found) | {"state": state}, {"migration": fact(found)})
    before = shown(found)
    move = asked.move(asked.needed(found))
    done = STATES[state](asked, move)
    return Outcome(before, shown(done), {"migration": {**(fact(done) or {}), **asked.about(move, done)}}, forced=done != found)


def _taken_up(asked: Migrations, move: Move) -> Migration:
    """Decide about what a dead run left; of what is merely kept, make an end before another move."""
    migration = move.migration
    if migration.status is MigrationStatus.KEPT:
        return migration
    if course.is_returning(move):
        if asked.options["again"]:
            what = f"tenant {asked.tenant.name} is on its way back to {migration.source}"
            raise Conflict(what, action="end that first (playbooks/tenant_migrate_back.yml)")
        return migration
    decision = take_up(course.standing_of(move, course.course_of(move)), again=asked.options["again"])
    if decision is Decision.UNDO:
        return course.give_up(move, asked.options["message"] or "the run that moved it died")
    return journal.get(move.registry, migration.id)


def _advanced(phase: Phase, asked: Migrations, move: Move) -> Migration:
    course.advance(move, course.course_of(move), phase)
    return journal.get(move.registry, move.migration.id)


def _verified(asked: Migrations, move: Move) -> Migration:
    """Compare, and go back by itself where something differs: what was written since goes with it."""
    try:
        _advanced(Phase.VERIFIED, asked, move)
    except Mismatch as error:
        if not course.has_switched(move):
            raise
        if changed := course.changed_since(move):  # by the tenant; there is no going back either
            return course.keep_changed(move, changed, error)
        course.go_back(move, Phase.RETURNED)
        course.leave_target(move)
        course.has_returned(move, f"moved back: {error}")
        raise
    except PlatformError as error:
        if not course.has_switched(move):
            raise
        asked.report(f"{move.database}: {course.UNPROVED}: {error}")
        return course.keep_unproved(move, error)
    kept = course.keep(move)
    _report_proof(asked, kept)
    return kept


def _report_proof(asked: Migrations, kept: Migration) -> None:
    if kept.report and kept.report["equal"]:
        found = ", ".join(f"{kept.report[name]} {name.replace('_', ' ')}" for name in _COMPARED)
        asked.report(f"{kept.database_name}: {found}: equal on {kept.source} and {kept.target}")


def _proved(asked: Migrations, move: Move) -> Migration:
    """Compare what was not compared at the end of its move; what is under way, or was compared, stays."""
    if move.migration.status is not MigrationStatus.KEPT or move.migration.report or not move.migration.way_back_until:
        return move.migration
    done = course.prove(move)
    _report_proof(asked, done)
    return done


def _undone(asked: Migrations, move: Move) -> Migration:
    """Undo what is under way; what is merely kept stays, as when the way back was refused."""
    if move.migration.status is MigrationStatus.KEPT:
        return move.migration
    return course.give_up(move, asked.options["message"])


def _switched_back(asked: Migrations, move: Move) -> Migration:
    course.go_back(move, Phase.SWITCHED)
    return journal.get(move.registry, move.migration.id)


def _returned(asked: Migrations, move: Move) -> Migration:
    course.go_back(move, Phase.RETURNED)
    return course.has_returned(move, asked.options["message"])


def _way_back_closed(asked: Migrations, move: Move) -> Migration:
    course.end_way_back(move)
    return journal.get(move.registry, move.migration.id)


def _settled(asked: Migrations, move: Move) -> Migration:
    return course.settle(move, asked.options["message"])


STATES: dict[str, Callable[[Migrations, Move], Migration]] = {
    "taken_up": _taken_up,
    "copied": partial(_advanced, Phase.COPIED),
    "following": partial(_advanced, Phase.FOLLOWING),
    "switched": partial(_advanced, Phase.SWITCHED),
    "verified": _verified,
    "proved": _proved,
    "undone": _undone,
    "switched_back": _switched_back,
    "returned": _returned,
    "way_back_closed": _way_back_closed,
    "settled": _settled,
}
