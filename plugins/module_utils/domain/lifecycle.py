# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant's life: the statuses there are, the verbs that move between them, and nothing else (mission: tenant lifecycle).

Adding a verb is adding a row to COURSES; transitions() follows from it, and the registry enforces transitions(), so a
new row needs a migration that extends tenant.allowed_transitions (a test holds the two equal).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict, InvalidInput


class Status(StrEnum):
    """tenant.tenants.status."""

    CREATING = "creating"
    WAITING_FOR_DATABASE = "waiting_for_database"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    PAUSED = "paused"
    MIGRATING = "migrating"
    TERMINATED = "terminated"
    ERROR = "error"


class Provisioning(StrEnum):
    """tenant.tenants.provisioning_status."""

    PENDING = "pending"
    PROVISIONING = "provisioning"
    READY = "ready"
    TERMINATED = "terminated"


class Billing(StrEnum):
    """tenant.tenants.billing_status."""

    TRIAL = "trial"
    PAYMENT_REQUIRED = "payment_required"
    PAID = "paid"
    OVERDUE = "overdue"
    SUSPENDED = "suspended"


class Desired(StrEnum):
    """tenant.tenants.desired_state: what Kill Bill says the tenant should be, or that it has no say (`manual`).

    Only the sync with Kill Bill writes it, never a verb. A verb by hand on a tenant that Kill Bill speaks for is
    therefore carried out, and holds until the next sync of the account: what Kill Bill says wins in the end. To keep a
    paying customer's tenant suspended, suspend the subscription in Kill Bill.
    """

    WAITING = "waiting"
    RUNNING = "running"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"
    MANUAL = "manual"


class Verb(StrEnum):
    """What can be done to a tenant; each has a playbook tenant_<verb>.yml."""

    PROVISION = "provision"
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    RESIZE = "resize"
    MIGRATE = "migrate"
    SUSPEND = "suspend"
    RESUME = "resume"
    TERMINATE = "terminate"


@dataclass(frozen=True)
class Course:
    """How a verb moves a tenant: from one of ``origins``, through ``path`` (steps may be left out), to one of ``goals``.

    A verb with several goals ends where it began; whoever finishes it says where that was.
    """

    origins: frozenset[Status]
    path: tuple[Status, ...]
    goals: frozenset[Status]

    @property
    def converges(self) -> frozenset[Status]:
        """Where there is nothing to do: at a goal the verb could not begin from. restart of what runs is never nothing."""
        return self.goals - self.origins

    def leads(self, current: Status, to: Status) -> bool:
        """Say whether the verb, once begun, may take a tenant from ``current`` to ``to``.

        A run that goes on after an interruption begins its path anew, so steps may be taken back; a goal may not, nor may
        one goal be left for another.
        """
        if current is to:
            return to in self.path or to in self.goals
        if to in self.goals and current in self.goals:
            return False
        return (to in self.path or to in self.goals) and (current in self.origins or current in self.path)

    def ends(self, current: Status, goal: Status | None) -> Status:
        """Return where the verb ends a tenant that is ``current``: the only goal, the one it never left, or else ``goal``.

        Raises InvalidInput when ``goal`` is no goal of the verb, or is needed and not given.
        """
        if goal is not None and goal not in self.goals:
            raise InvalidInput("the verb does not end there", found=goal, expected=_either(self.goals))
        if goal is None and len(self.goals) > 1 and current not in self.goals:
            raise InvalidInput("a verb that ends where it began must be told where that was", expected=_either(self.goals))
        return goal or (current if current in self.goals else next(iter(self.goals)))

    def __str__(self) -> str:
        return " -> ".join((*self.path, _either(self.goals)))


def _either(statuses: frozenset[Status]) -> str:
    return " or ".join(sorted(statuses))


def _course(origins: set[Status], *path: Status, to: set[Status]) -> Course:
    return Course(frozenset(origins), path, frozenset(to))


_S = Status
_AT_REST = {_S.RUNNING, _S.STOPPED}

#: The whole table. `error` is an origin of every verb: after a failure, any of them may be tried by hand.
COURSES: dict[Verb, Course] = {
    Verb.PROVISION: _course({_S.CREATING, _S.ERROR}, _S.WAITING_FOR_DATABASE, _S.STARTING, to={_S.RUNNING}),
    Verb.START: _course({_S.STOPPED, _S.ERROR}, _S.STARTING, to={_S.RUNNING}),
    Verb.STOP: _course({_S.RUNNING, _S.ERROR}, _S.STOPPING, to={_S.STOPPED}),
    Verb.RESTART: _course({_S.RUNNING, _S.ERROR}, _S.STOPPING, _S.STARTING, to={_S.RUNNING}),
    Verb.RESIZE: _course({*_AT_REST, _S.ERROR}, _S.MIGRATING, to=_AT_REST),
    Verb.MIGRATE: _course({*_AT_REST, _S.ERROR}, _S.MIGRATING, to=_AT_REST),
    Verb.SUSPEND: _course({*_AT_REST, _S.ERROR}, _S.STOPPING, to={_S.PAUSED}),
    Verb.RESUME: _course({_S.PAUSED, _S.ERROR}, _S.STARTING, to={_S.RUNNING}),
    Verb.TERMINATE: _course(set(_S) - {_S.TERMINATED, _S.MIGRATING}, _S.STOPPING, to={_S.TERMINATED}),
}

_NEEDS_PROVISIONED = frozenset(Verb) - {Verb.PROVISION, Verb.TERMINATE}
#: The verbs that move a database.
MOVING = frozenset({Verb.RESIZE, Verb.MIGRATE})


def may_follow(status: Status, under_way: Verb | None) -> frozenset[Verb]:
    """Return the verbs that may be begun, as far as the dead run of ``under_way`` lets them.

    A dead run counts as failed, and any verb may follow, except where only some know what is left of the data: once a
    termination has begun, and while the tenant's database lies, or may lie, in two places.
    """
    if under_way is Verb.TERMINATE:
        return frozenset({Verb.TERMINATE})
    return MOVING if is_moving(status, under_way) else frozenset(Verb)


def is_moving(status: Status, under_way: Verb | None) -> bool:
    """Say whether the tenant's database is being moved: by a run that lives, or one that died or could not undo it."""
    return status is _S.MIGRATING or (status is _S.ERROR and under_way in MOVING)


class Admission(StrEnum):
    """How a verb may be begun."""

    CONVERGE = "converge"  # the tenant is at the goal; whatever differs is put right, the status stays
    BEGIN = "begin"  # from rest, or going on where a dead run of the same verb stopped
    SUPERSEDE = "supersede"  # a dead run of another verb is recorded as failed first


def admit(verb: Verb, status: Status, provisioning: Provisioning, under_way: Verb | None) -> Admission:
    """Say how ``verb`` may be begun on a tenant; raise Conflict, naming what was found, when it may not.

    ``under_way`` is the verb an earlier run began and never finished. The caller holds the tenant's lock, so that run
    is dead: the same verb goes on, any other may start as it may after an error.
    """
    course = COURSES[verb]
    if under_way is None and status in course.converges:
        return Admission.CONVERGE
    superseded = under_way not in (None, verb)
    if superseded and verb not in (fit := may_follow(status, under_way)):
        raise Conflict(
            f"cannot {verb} a tenant with an unfinished {under_way}",
            found=status,
            action=f"run {under_way} again" + (f" (or {_others(fit, under_way)})" if len(fit) > 1 else ""),
        )
    if under_way is not verb and (Status.ERROR if superseded else status) not in course.origins:
        raise Conflict(
            f"cannot {verb} a tenant that is {status}",
            found=f"an unfinished {under_way}" if superseded else None,
            expected=f"one of {', '.join(sorted(course.origins | course.goals))}",
        )
    if verb in _NEEDS_PROVISIONED and under_way is not verb and provisioning is not Provisioning.READY:
        raise Conflict(
            f"cannot {verb} a tenant that is not provisioned",
            found=f"provisioning {provisioning}",
            expected="provisioning ready",
            action="run playbooks/tenant_provision.yml first",
        )
    return Admission.SUPERSEDE if superseded else Admission.BEGIN


def _others(verbs: frozenset[Verb], verb: Verb | None) -> str:
    return ", ".join(sorted(verbs - {verb}))


def check_step(verb: Verb, current: Status, to: Status) -> None:
    """Raise Conflict unless ``verb``, being under way, may move a tenant from ``current`` to ``to``.

    Every verb may end in error, except that what is terminated stays terminated.
    """
    course = COURSES[verb]
    if course.leads(current, to) or (to is Status.ERROR and current is not Status.TERMINATED):
        return
    raise Conflict(f"{verb} does not lead from {current} to {to}", expected=str(course))


def transitions() -> frozenset[tuple[Status, Status]]:
    """Return every (from, to) that is possible at all: what tenant.allowed_transitions holds."""
    pairs: set[tuple[Status, Status]] = {(status, Status.ERROR) for status in Status if status is not Status.TERMINATED}
    for course in COURSES.values():
        pairs |= {(current, to) for current in Status for to in Status if course.leads(current, to)}
    return frozenset((a, b) for a, b in pairs if a is not b)
