# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan of a move: its steps, what each is for, and what the journal of a dead run says is to be done now.

Until the step ``switch`` is done the tenant's home is the source, and all can be undone; from then on it is the target, and
a move only goes forward.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from .record import Entry, MigrationCourse, StepState


class Step(StrEnum):
    """ops.migration_steps.step."""

    PUBLISH = "publish"
    BACK_UP = "back_up"
    CREATE = "create"
    LOAD = "load"
    SUBSCRIBE = "subscribe"
    CATCH_UP = "catch_up"
    WAY_BACK = "way_back"
    FREEZE = "freeze"
    DRAIN = "drain"
    SEQUENCES = "sequences"
    REVERSE = "reverse"
    SWITCH = "switch"
    THAW = "thaw"
    VERIFY = "verify"
    DISCARD = "discard"


@dataclass(frozen=True)
class Explained:
    """A step in the user's words: what it checks, what it does, what undoes it."""

    checks: str
    does: str
    undoes: str


#: In the words of the role's README.
EXPLAINED: Mapping[Step, Explained] = {
    Step.PUBLISH: Explained(
        "no table stays locked",
        "gives tables without a key a replica identity and publishes all tables at the source",
        "drops the publication, puts the replica identities back",
    ),
    Step.BACK_UP: Explained(
        "the dump is complete",
        "makes a replication slot and dumps the database at the slot's moment; the dump is kept as the backup",
        "drops the slot; a complete dump stays for its time, a part of one goes",
    ),
    Step.CREATE: Explained(
        "no other database has the name",
        "makes the role at the target, and PgBouncer's entry there, which leads to the source until the switch",
        "drops role, database and entry",
    ),
    Step.LOAD: Explained("the dump is complete", "makes the database at the target, loads the dump, analyzes it", "see create"),
    Step.SUBSCRIBE: Explained("the slot is alive", "lets the target follow the source from then on", "drops the subscription"),
    Step.CATCH_UP: Explained("the slot's log is not lost", "waits until the target is all but up to date", "nothing"),
    Step.WAY_BACK: Explained(
        "no transaction that writes there lasts too long",
        "publishes the target's tables, makes slot and subscription of the way back, asleep",
        "drops them",
    ),
    Step.FREEZE: Explained(
        "running transactions end within the pause's limit; the pause will be short, or no quieter moment came in time",
        "lets new transactions wait at PgBouncer, closes the source to the tenant's role, ends its sessions",
        "opens the source again and lets the waiting go on",
    ),
    Step.DRAIN: Explained(
        "no table, view or type was changed meanwhile",
        "writes a last row at the source and waits until it has arrived at the target",
        "nothing",
    ),
    Step.SEQUENCES: Explained("nothing", "copies all sequences exactly; their commit also puts the target on disk", "nothing"),
    Step.REVERSE: Explained("nothing", "lets the target no longer follow the source, but the source the target", "see way_back"),
    Step.SWITCH: Explained(
        "nothing", "makes the target the tenant's home, in one transaction: the point of no return", "only the way back"
    ),
    Step.THAW: Explained("nothing", "leads PgBouncer to the tenant's home and lets the waiting go on", "nothing"),
    Step.VERIFY: Explained(
        "both databases are at the same moment", "compares every table, sequence and large object", "the way back"
    ),
    Step.DISCARD: Explained("nothing", "removes what the way back needed, and the database that was left", "nothing"),
}

_S = Step
STEPS: Mapping[MigrationCourse, tuple[Step, ...]] = {
    MigrationCourse.ONLINE: (
        _S.PUBLISH, _S.BACK_UP, _S.CREATE, _S.LOAD, _S.SUBSCRIBE, _S.CATCH_UP, _S.WAY_BACK,
        _S.FREEZE, _S.DRAIN, _S.SEQUENCES, _S.REVERSE, _S.SWITCH, _S.THAW, _S.VERIFY,
    ),
    MigrationCourse.OFFLINE: (_S.FREEZE, _S.BACK_UP, _S.CREATE, _S.LOAD, _S.VERIFY, _S.SWITCH, _S.THAW),
    MigrationCourse.RETURN: (_S.FREEZE, _S.DRAIN, _S.SEQUENCES, _S.SWITCH, _S.THAW, _S.DISCARD),
}  # fmt: skip

#: The steps that clients wait for. Each is journaled as begun in the commit that journals the one before as done.
WHILE_FROZEN = frozenset({_S.DRAIN, _S.SEQUENCES, _S.REVERSE, _S.SWITCH, _S.THAW})


class Phase(StrEnum):
    """The parts of a move that a playbook carries out as tasks of their own."""

    COPIED = "copied"
    FOLLOWING = "following"
    SWITCHED = "switched"
    VERIFIED = "verified"
    RETURNED = "returned"


#: The last step of each phase; a phase whose step is not on the course takes none.
_LAST: Mapping[Phase, tuple[Step, ...]] = {
    Phase.COPIED: (Step.LOAD,),
    Phase.FOLLOWING: (Step.WAY_BACK,),
    Phase.SWITCHED: (Step.THAW,),
    Phase.VERIFIED: (Step.VERIFY,),
    Phase.RETURNED: (Step.DISCARD,),
}


@dataclass(frozen=True)
class Standing:
    """How far a course has come by its journal: the steps done, and those begun (done ones too), neither undone since.

    ``undoing`` tells that undoing it was begun.
    """

    course: MigrationCourse
    done: frozenset[Step]
    begun: frozenset[Step]
    undoing: bool = False

    @property
    def switched(self) -> bool:
        """Whether the home has changed."""
        return Step.SWITCH in self.done


def standing(course: MigrationCourse, entries: Iterable[Entry]) -> Standing:
    """Read the journal, oldest entry first."""
    known = tuple(entries)
    last = {Step(entry.step): entry.state for entry in known if entry.course is course}
    begun = {step for step, state in last.items() if state is not StepState.UNDONE}
    undoing = any(entry.course is MigrationCourse.UNDO and entry.step == course for entry in known)
    return Standing(course, frozenset(step for step in begun if last[step] is StepState.DONE), frozenset(begun), undoing)


def to_do(at: Standing, phase: Phase) -> tuple[Step, ...]:
    """Return the steps that are still to be taken up to the end of ``phase``, in order.

    A freeze that a dead run left is made again as long as the home has not changed: PgBouncer may have been started anew.
    """
    steps = STEPS[at.course]
    until = max((steps.index(step) for step in _LAST[phase] if step in steps), default=-1)
    left = [step for step in steps[: until + 1] if step not in at.done]
    frozen = Step.FREEZE in at.done and Step.FREEZE in steps[: until + 1] and not at.switched
    return (Step.FREEZE, *left) if frozen and left else tuple(left)


def to_undo(at: Standing) -> tuple[Step, ...]:
    """Return the steps to be undone, the latest first; what keeps the tenant from working comes before all else."""
    order = [step for step in reversed(STEPS[at.course]) if step in at.begun]
    return tuple(sorted(order, key=lambda step: step is not Step.FREEZE))


class Decision(StrEnum):
    """What to do about a move that a dead run left."""

    RESUME = "resume"  # nothing that was done is done again
    UNDO = "undo"  # the copy's moment is gone with the run
    FORWARD = "forward"  # the home has changed


def take_up(at: Standing, *, again: bool) -> Decision:
    """Decide about a dead run: ``again`` tells that somebody asked for the move again, else it is only being cleared up.

    A complete dump outlives the run that made it, and so does the slot that remembers what came after. Clearing up finishes
    what has changed the home and undoes the rest: nobody's move is repeated unasked.
    """
    if at.switched:
        return Decision.FORWARD
    if again and Step.BACK_UP in at.done and not at.undoing:
        return Decision.RESUME
    return Decision.UNDO
