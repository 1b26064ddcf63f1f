# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant's life: the statuses there are, the verbs that move between them, and nothing else (mission: tenant lifecycle).

Adding a verb is adding a row to COURSES; transitions() follows from it, and the registry enforces transitions(), so a
new row needs a migration that extends tenant.allowed_transitions (a test holds the two equal).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict


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
    SUSPEND = "suspend"
    RESUME = "resume"
    TERMINATE = "terminate"


@dataclass(frozen=True)
class Course:
    """How a verb moves a tenant: from one of ``origins``, through ``path`` (steps may be left out), to ``goal``."""

    origins: frozenset[Status]
    path: tuple[Status, ...]
    goal: Status

    @property
    def steps(self) -> tuple[Status, ...]:
        """The path and the goal, in order."""
        return (*self.path, self.goal)

    def leads(self, current: Status, to: Status) -> bool:
        """Say whether the verb, once begun, may take a tenant from ``current`` to ``to``.

        A run that goes on after an interruption begins its path anew, so steps may be taken back; the goal may not.
        """
        return to in self.steps and (current is to or current in self.origins or current in self.path)


def _course(origins: set[Status], *steps: Status) -> Course:
    return Course(frozenset(origins), steps[:-1], steps[-1])


_S = Status

#: The whole table. `error` is an origin of every verb: after a failure, any of them may be tried by hand.
COURSES: dict[Verb, Course] = {
    Verb.PROVISION: _course({_S.CREATING, _S.ERROR}, _S.WAITING_FOR_DATABASE, _S.STARTING, _S.RUNNING),
    Verb.START: _course({_S.STOPPED, _S.ERROR}, _S.STARTING, _S.RUNNING),
    Verb.STOP: _course({_S.RUNNING, _S.ERROR}, _S.STOPPING, _S.STOPPED),
    Verb.RESTART: _course({_S.RUNNING, _S.ERROR}, _S.STOPPING, _S.STARTING, _S.RUNNING),
    Verb.SUSPEND: _course({_S.RUNNING, _S.STOPPED, _S.ERROR}, _S.STOPPING, _S.PAUSED),
    Verb.RESUME: _course({_S.PAUSED, _S.ERROR}, _S.STARTING, _S.RUNNING),
    Verb.TERMINATE: _course(set(_S) - {_S.TERMINATED, _S.MIGRATING}, _S.STOPPING, _S.TERMINATED),
}

_NEEDS_PROVISIONED = frozenset({Verb.START, Verb.STOP, Verb.RESTART, Verb.SUSPEND, Verb.RESUME})

#: A dead run counts as failed, and any verb may follow, except where only its own verb knows what is left of the data:
#: while migrating (two places hold it), and once a termination has begun.
_TAKEN_UP_ONLY_BY_ITSELF = (frozenset({_S.MIGRATING}), frozenset({Verb.TERMINATE}))


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
    if under_way is None and status is course.goal and verb is not Verb.RESTART:
        return Admission.CONVERGE
    superseded = under_way not in (None, verb)
    if superseded and not _may_supersede(status, under_way):
        raise Conflict(f"cannot {verb} a tenant with an unfinished {under_way}", found=status, action=f"run {under_way} again")
    if under_way is not verb and (Status.ERROR if superseded else status) not in course.origins:
        raise Conflict(
            f"cannot {verb} a tenant that is {status}",
            found=f"an unfinished {under_way}" if superseded else None,
            expected=f"one of {', '.join(sorted(course.origins | {course.goal}))}",
        )
    if verb in _NEEDS_PROVISIONED and provisioning is not Provisioning.READY:
        raise Conflict(
            f"cannot {verb} a tenant that is not provisioned",
            found=f"provisioning {provisioning}",
            expected="provisioning ready",
            action="run playbooks/tenant_provision.yml first",
        )
    return Admission.SUPERSEDE if superseded else Admission.BEGIN


def _may_supersede(status: Status, under_way: Verb | None) -> bool:
    statuses, verbs = _TAKEN_UP_ONLY_BY_ITSELF
    return status not in statuses and under_way not in verbs


def check_step(verb: Verb, current: Status, to: Status) -> None:
    """Raise Conflict unless ``verb``, being under way, may move a tenant from ``current`` to ``to``.

    Every verb may end in error, except that what is terminated stays terminated.
    """
    course = COURSES[verb]
    if course.leads(current, to) or (to is Status.ERROR and current is not Status.TERMINATED):
        return
    raise Conflict(f"{verb} does not lead from {current} to {to}", expected=" -> ".join(course.steps))


def transitions() -> frozenset[tuple[Status, Status]]:
    """Return every (from, to) that is possible at all: what tenant.allowed_transitions holds."""
    pairs: set[tuple[Status, Status]] = {(status, Status.ERROR) for status in Status if status is not Status.TERMINATED}
    for course in COURSES.values():
        pairs |= {(current, to) for current in Status for to in Status if course.leads(current, to)}
    return frozenset((a, b) for a, b in pairs if a is not b)
