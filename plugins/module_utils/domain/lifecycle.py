# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant's life: the statuses there are, the verbs that move between them, and nothing else (mission: tenant lifecycle)."""

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
    """How a verb moves a tenant: from one of ``origins``, through ``path``, to ``goal``."""

    origins: frozenset[Status]
    path: tuple[Status, ...]
    goal: Status


def _course(origins: set[Status], *path: Status) -> Course:
    return Course(frozenset(origins), path[:-1], path[-1])


_S = Status

#: The whole table. A verb may start from its origins; `error` lets any verb be tried again by hand.
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


def admit(verb: Verb, status: Status, provisioning: Provisioning, under_way: Verb | None) -> bool:
    """Say whether ``verb`` has a way to go (True), or the tenant is there already and only converges (False).

    ``under_way`` is the verb an earlier run began and never finished; the caller holds the tenant's lock, so that run
    is dead and the same verb goes on from where it stopped. Raises Conflict, naming the status, when the verb may not
    start here.
    """
    course = COURSES[verb]
    if verb in _NEEDS_PROVISIONED and provisioning is not Provisioning.READY:
        raise Conflict(f"cannot {verb} a tenant that is not provisioned", found=f"provisioning {provisioning}", expected="ready")
    if status is course.goal and under_way is None:
        return verb is Verb.RESTART
    if status in course.origins or under_way is verb:
        return True
    raise Conflict(
        f"cannot {verb} a tenant that is {status}",
        found=status if under_way is None else f"{status} (an unfinished {under_way})",
        expected=f"one of {', '.join(sorted(course.origins | {course.goal}))}",
    )


def check_step(verb: Verb, current: Status, to: Status) -> None:
    """Raise Conflict unless ``verb`` may move a tenant from ``current`` to ``to``; every verb may end in error."""
    course = COURSES[verb]
    order = [*course.path, course.goal]
    if to is Status.ERROR or (to in order and (current in course.origins or _comes_before(order, current, to))):
        return
    raise Conflict(f"{verb} does not lead from {current} to {to}", expected=" -> ".join(order))


def _comes_before(order: list[Status], current: Status, to: Status) -> bool:
    return current in order and order.index(current) <= order.index(to)


def transitions() -> frozenset[tuple[Status, Status]]:
    """Return every (from, to) that is possible at all: the lifecycle table the registry enforces."""
    pairs: set[tuple[Status, Status]] = {(status, Status.ERROR) for status in Status if status is not Status.TERMINATED}
    for course in COURSES.values():
        order = [*course.path, course.goal]
        pairs |= {(origin, to) for origin in course.origins for to in order}
        pairs |= {(a, b) for i, a in enumerate(order) for b in order[i + 1 :]}
    return frozenset((a, b) for a, b in pairs if a is not b)
