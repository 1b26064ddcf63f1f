# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carries a move out by its journal: each step is written down before it is begun and after it is done.

The caller holds the tenant's lock, so whoever began what the journal tells of is dead or is the caller.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import zip_longest
from typing import Any

from ..domain.migration.record import Migration, MigrationCourse, MigrationStatus, StepState
from ..domain.migration.steps import WHILE_FROZEN, Phase, Standing, Step, standing, to_do, to_undo
from ..errors import Conflict, PlatformError
from . import journal, replication
from .move import Move
from .schema_fingerprint import changes, schema_fingerprint
from .steps import ACTIONS, Mismatch, close_way_back, drop_former, drop_forward_slot, leave_pooler, ready, take_back
from .strays import broken_way_back

#: What the record says of a move that was not compared yet.
UNPROVED = "moved; that nothing was lost is still to be proved, which the maintenance scan does by itself"


def course_of(move: Move) -> MigrationCourse:
    """Return the course that leads from source to target."""
    return MigrationCourse(move.migration.strategy)


def is_returning(move: Move) -> bool:
    """Whether the way back was begun."""
    return bool(standing_of(move, MigrationCourse.RETURN).begun)


def standing_of(move: Move, course: MigrationCourse) -> Standing:
    """Read how far the course has come."""
    return standing(course, journal.entries(move.registry, move.migration.id))


def advance(move: Move, course: MigrationCourse, phase: Phase) -> tuple[Step, ...]:
    """Take the steps that are left up to the end of ``phase``; return them.

    Raises what a step raises, after writing that down; Mismatch when the databases turned out to differ.
    """
    steps = to_do(standing_of(move, course), phase)
    with _made_ready(move, course, steps):
        begun: Step | None = None
        for step, following in zip_longest(steps, steps[1:]):
            if step is not begun:
                move.report({"phase": step.value})
                journal.record(move.registry, move.migration.id, course, step, StepState.BEGUN)
            begun = following if following in WHILE_FROZEN and step is not Step.SWITCH else None
            _take(move, course, step, begun)
    return steps


def _take(move: Move, course: MigrationCourse, step: Step, following: Step | None) -> None:
    begin = time.monotonic()
    try:
        detail = ACTIONS[course][step].do(move)
    except PlatformError as error:
        report = {"report": error.report.as_dict()} if isinstance(error, Mismatch) else {}
        journal.record(move.registry, move.migration.id, course, step, StepState.FAILED, detail={"message": str(error)} | report)
        raise
    if step is not Step.SWITCH:  # which the registry writes down with what it does
        took = {"seconds": round(time.monotonic() - begin, 3)}
        journal.record(move.registry, move.migration.id, course, step, StepState.DONE, detail=took | detail, begins=following)


def _made_ready(move: Move, course: MigrationCourse, steps: Collection[Step]) -> AbstractContextManager[None]:
    """Return what does beforehand all that can be, where clients are going to wait for those steps."""
    if Step.FREEZE not in steps or Step.DRAIN not in steps:
        return nullcontext()
    left, home = (move.target, move.source) if course is MigrationCourse.RETURN else move.sides
    return ready(move, left, home)


def undo(move: Move, course: MigrationCourse) -> tuple[Step, ...]:
    """Undo all that was begun, what keeps the tenant from working first; return the steps.

    What can't be undone now, since a server is away, is raised at the end: all else is undone by then.
    """
    # What is half undone must not be gone on with: a slot that was applied from would be applied again.
    journal.record(move.registry, move.migration.id, MigrationCourse.UNDO, course, StepState.BEGUN)
    steps = to_undo(standing_of(move, course))
    trouble: PlatformError | None = None
    for step in steps:
        try:
            ACTIONS[course][step].undo(move)
        except PlatformError as error:
            trouble = trouble or error
        else:
            if not trouble:  # what comes after may rest on it
                journal.record(move.registry, move.migration.id, course, step, StepState.UNDONE)
    if trouble:
        raise trouble
    return steps


def keep(move: Move) -> Migration:
    """Record that the move is over but for what is kept, with the proof."""
    return journal.finish(move.registry, move.migration.id, MigrationStatus.KEPT, "moved", _report(move))


def keep_unproved(move: Move, error: PlatformError) -> Migration:
    """Record that the move is over, but that it could not be compared yet: the maintenance scan does so later."""
    with suppress(PlatformError):  # what holds its server's log back; where it can't be dropped, the scan does so
        drop_forward_slot(move)
    return journal.finish(move.registry, move.migration.id, MigrationStatus.KEPT, f"{UNPROVED}: {error}")


def changed_since(move: Move) -> list[str]:
    """Return what was changed of definitions where the tenant lives now, which the former database does not know."""
    with move.source.open() as former, move.target.open() as home:
        return changes(schema_fingerprint(former), schema_fingerprint(home))


def keep_changed(move: Move, changed: list[str], error: PlatformError) -> Migration:
    """Record that the move is over, and that its tenant was quicker than the proof: there is none, and no way back."""
    shown = "; ".join(changed[:3])
    what = f"moved; tables were changed right after that, so there is neither a proof nor a way back: {shown}; {error}"
    journal.finish(move.registry, move.migration.id, MigrationStatus.KEPT, what)
    journal.compared(move.registry, move.migration.id, what, None)
    journal.end_way_back(move.registry, move.migration.id, what)  # the scan takes it down
    return journal.get(move.registry, move.migration.id)


def prove(move: Move) -> Migration:
    """Compare what is kept of a move that was not compared yet. What differs is in the report; what hinders, in the message.

    Where the tenant has changed its tables since, there is no report, since nobody could go back for it.
    """
    try:
        advance(move, course_of(move), Phase.VERIFIED)
    except Mismatch as error:
        if changed := changed_since(move):
            return keep_changed(move, changed, error)
        return journal.compared(move.registry, move.migration.id, str(error), error.report.as_dict())
    except PlatformError as error:
        return journal.compared(move.registry, move.migration.id, f"{UNPROVED}: {error}", None)
    return journal.compared(move.registry, move.migration.id, "moved", _report(move))


def has_switched(move: Move) -> bool:
    """Whether the tenant lives on the target."""
    return standing_of(move, course_of(move)).switched


def give_up(move: Move, message: str) -> Migration:
    """Undo the move, or the way back that was begun, and record that. Raises Conflict when the home has changed by it."""
    course = MigrationCourse.RETURN if is_returning(move) else course_of(move)
    if standing_of(move, course).switched:
        raise Conflict(
            f"{move.database} lives on its new server already, so there is nothing to undo",
            found=message or None,
            action="run it again: it goes on where it was",
        )
    undo(move, course)
    end = MigrationStatus.KEPT if course is MigrationCourse.RETURN else MigrationStatus.UNDONE
    return journal.finish(move.registry, move.migration.id, end, message)


def go_back(move: Move, phase: Phase) -> tuple[Step, ...]:
    """Return to the source, with all that was written at the target. Raises Conflict when the way back is over.

    One that is broken, or does not follow closely now, is refused before anybody waits for it, and nothing is changed.
    """
    if move.migration.status is MigrationStatus.KEPT:
        move.migration.check_way_back(move.clock())
        _check_follows(move)
    journal.reopen(move.registry, move.migration.id)
    return advance(move, MigrationCourse.RETURN, phase)


def _check_follows(move: Move) -> None:
    to, what = move.source.name, f"there is no way back to {move.source.name} without losing what was written since"
    if reason := broken_way_back(move.migration, move.source.address, move.target.address, patience=move.settings.drain_timeout):
        journal.end_way_back(move.registry, move.migration.id, f"no way back any more: {reason}")
        raise Conflict(what, found=reason, action=f"migrate to {to} anew")
    with move.target.open() as home, move.source.open() as former:
        replication.wait_for_sentinel(former, replication.write_sentinel(home), move.settings.drain_timeout)


def leave_target(move: Move) -> None:
    """Let nothing come through the target's PgBouncer: for a move whose Odoo has not been started anew since it began."""
    leave_pooler(move, move.target)


def has_returned(move: Move, message: str) -> Migration:
    """Record that the tenant is back and nothing is left at the target."""
    return journal.finish(move.registry, move.migration.id, MigrationStatus.RETURNED, message, _report(move))


def end_way_back(move: Move) -> None:
    """Let the former database follow no longer; it is kept as it is. Raises Conflict while the move is under way."""
    _check_kept(move)
    journal.close_way_back(move.registry, move.migration.id)
    close_way_back(move)
    take_back(move, move.target)


def settle(move: Move, message: str) -> Migration:
    """Remove the former database, and with it all that is left of the move. Raises Conflict while that is under way."""
    end_way_back(move)
    drop_former(move)
    return journal.finish(move.registry, move.migration.id, MigrationStatus.SETTLED, message)


def _check_kept(move: Move) -> None:
    found = journal.get(move.registry, move.migration.id).status
    if found is not MigrationStatus.KEPT:
        raise Conflict(f"nothing is kept of the move of {move.database}", found=found, action="let it end first")


def _report(move: Move) -> dict[str, Any] | None:
    reports = [entry.detail["report"] for entry in journal.entries(move.registry, move.migration.id) if "report" in entry.detail]
    return reports[-1] if reports else None
