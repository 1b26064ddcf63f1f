# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the steps of a verb make of a tenant's record. Each returns the versions the record goes through, oldest first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.lifecycle import (
    COURSES,
    MOVING,
    Admission,
    Provisioning,
    Status,
    Verb,
    admit,
    check_step,
    is_moving,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict


class Stage(StrEnum):
    """How far a verb has come: the states of the noun tenant_operation. Those in between are steps of its path."""

    BEGUN = "begun"
    WAITING_FOR_DATABASE = "waiting_for_database"
    STARTING = "starting"
    STOPPING = "stopping"
    MIGRATING = "migrating"
    FINISHED = "finished"
    UNDONE = "undone"
    FAILED = "failed"


@dataclass(frozen=True)
class Told:
    """What is said of a stage: a ``message`` to keep with the status, without secrets; where a verb that ends where it began
    is to end (``goal``); and which ``plan`` was, or could not be, applied (None: the tenant's, as it now is).
    """

    message: str = ""
    goal: Status | None = None
    plan: str | None = None


NOTHING = Told()


def reached(tenant: Tenant, verb: Verb, stage: Stage, at: datetime, told: Told = NOTHING) -> tuple[Tenant, ...]:
    """Return the versions the tenant goes through when ``verb`` reaches ``stage`` at ``at``; none when nothing changes.

    Raises Conflict when it may not, InvalidInput when the goal has to be told and was not.
    """
    match stage:
        case Stage.BEGUN:
            return begun(tenant, verb)
        case Stage.FINISHED:
            return finished(tenant, verb, at, told)
        case Stage.UNDONE:
            return undone(tenant, verb, told)
        case Stage.FAILED:
            return failed(tenant, verb, told)
        case _:
            return advanced(tenant, verb, Status(stage), told.message)


def predicted(tenant: Tenant, verb: Verb, stage: Stage, at: datetime, told: Told = NOTHING) -> tuple[Tenant, ...]:
    """Return what ``reached`` will, if the verb is first begun: in check mode no earlier step has left a trace."""
    before = () if tenant.operation is verb else begun(tenant, verb)
    if stage is Stage.BEGUN:
        return before or begun(tenant, verb)
    return before + reached(before[-1] if before else tenant, verb, stage, at, told)


def begun(tenant: Tenant, verb: Verb) -> tuple[Tenant, ...]:
    """Return the versions the tenant goes through when ``verb`` begins; none when it is at the goal and only converges.

    A tenant whose move was left unfinished is migrating again at once, so that until the verb ends nothing takes its
    error for one that any verb may follow. Raises Conflict when the verb may not begin (lifecycle.admit), or needs an address
    and the tenant has no subdomain.
    """
    if tenant.subdomain is None and verb is not Verb.TERMINATE:
        raise Conflict(
            f"cannot {verb} a tenant that has no subdomain",
            found=tenant.status_message or None,
            action="terminate it; another subscription may then ask for what can be",
        )
    admission = admit(verb, tenant.status, tenant.provisioning_status, tenant.operation)
    if admission is Admission.CONVERGE:
        return ()
    provisioning = tenant.provisioning_status
    if verb is Verb.PROVISION and provisioning is Provisioning.PENDING:
        provisioning = Provisioning.PROVISIONING
    dead = replace(tenant, status=Status.ERROR, status_message=f"{tenant.operation} was interrupted")
    if tenant.operation is Verb.RESIZE:  # which nothing tries again unasked
        dead = replace(dead, failed_plan=tenant.plan_name)
    before = (dead,) if admission is Admission.SUPERSEDE else ()
    found = before[0] if before else tenant
    status = Status.MIGRATING if is_moving(tenant.status, tenant.operation) else found.status
    return (*before, replace(found, status=status, operation=verb, provisioning_status=provisioning, status_message=""))


def advanced(tenant: Tenant, verb: Verb, to: Status, message: str = "") -> tuple[Tenant, ...]:
    """Return the version after ``verb`` took its step to ``to``; none when the tenant only converges.

    Raises Conflict when the verb is not under way or does not lead there; a goal is reached by ``finished`` alone.
    """
    if _converges(tenant, verb):
        return ()
    if to not in COURSES[verb].path:
        raise Conflict(f"{to} is no step of {verb}", expected=" -> ".join(COURSES[verb].path))
    check_step(verb, tenant.status, to)
    return (replace(tenant, status=to, status_message=message),)


def finished(tenant: Tenant, verb: Verb, at: datetime, told: Told = NOTHING) -> tuple[Tenant, ...]:
    """Return the version after ``verb`` reached its goal at ``at``; none when the tenant only converged.

    provision makes it ready, with its plan applied; resize applies a plan; terminate frees the port (the subdomain is free
    by the status). No verb touches billing or desired_state: they are what the sync with Kill Bill wrote, so a suspension
    by hand says nothing about what is owed. Raises Conflict when the verb is not under way.
    """
    if _converges(tenant, verb):
        return ()
    done = _at_rest(tenant, verb, told)
    if verb is Verb.RESIZE or (verb is Verb.PROVISION and tenant.provisioning_status is not Provisioning.READY):
        done = replace(done, applied_plan=told.plan or tenant.plan_name, failed_plan=None)
    if verb is Verb.PROVISION:
        done = replace(done, provisioning_status=Provisioning.READY)
    if verb is Verb.TERMINATE:
        done = replace(done, provisioning_status=Provisioning.TERMINATED, http_port=None, terminated_at=at)
    return (done,)


def undone(tenant: Tenant, verb: Verb, told: Told) -> tuple[Tenant, ...]:
    """Return the version after ``verb`` failed and all it did was undone: the tenant is where it was, with the message.

    Only verbs that end where they began can be undone. Raises Conflict when it is another, or not under way.
    """
    if verb not in MOVING:
        raise Conflict(f"{verb} can't be undone", expected=f"one of {', '.join(sorted(MOVING))}")
    _converges(tenant, verb)
    return (_with_failed_plan(_at_rest(tenant, verb, told), tenant, verb, told),)


def failed(tenant: Tenant, verb: Verb, told: Told) -> tuple[Tenant, ...]:
    """Return the version after ``verb`` failed: in error, with nothing under way.

    While its database was being moved, the verb stays under way: what it did is not undone, so only verbs that know how to
    go on may follow. A tenant that was only converging ends in error too: it is not as it should be. What is terminated
    stays terminated. Raises Conflict when the verb is not under way, so that a verb that was refused harms nothing.
    """
    _converges(tenant, verb)
    status = tenant.status if tenant.status is Status.TERMINATED else Status.ERROR
    left = verb if tenant.status is Status.MIGRATING else None
    return (_with_failed_plan(replace(tenant, status=status, operation=left, status_message=told.message), tenant, verb, told),)


def interrupted(tenant: Tenant, message: str) -> tuple[Tenant, ...]:
    """Return the version after a run was interrupted that goes on by itself: where it was, the verb under way, and why."""
    return () if tenant.status is Status.TERMINATED else (replace(tenant, status_message=message),)


def lost(tenant: Tenant, message: str, verb: Verb | None = None) -> tuple[Tenant, ...]:
    """Return the version after a run (of ``verb``) ended without saying how.

    In error, unless it had come to rest in error or the end; but a resize or a migration that was not moving the database, or
    had undone that, leaves the tenant as it runs. One that was keeps the tenant migrating: its journal says how it goes on.
    """
    if tenant.status is Status.MIGRATING:
        return (replace(tenant, status_message=message),)
    if tenant.status in COURSES[Verb.MIGRATE].goals and (tenant.operation or verb) in MOVING:
        return _stayed(tenant, message, verb)
    moving = is_moving(tenant.status, tenant.operation)
    told = tenant.operation is None or (moving and tenant.status_message)
    if told and tenant.status in {Status.ERROR, Status.TERMINATED}:
        return ()
    return (replace(tenant, status=Status.ERROR, operation=tenant.operation if moving else None, status_message=message),)


def _stayed(tenant: Tenant, message: str, verb: Verb | None) -> tuple[Tenant, ...]:
    """Return the version with the plan not to be tried again by itself; none where the run has said all of that."""
    under_way = tenant.operation
    if under_way is None and (verb is not Verb.RESIZE or tenant.failed_plan):
        return ()
    after = replace(tenant, operation=None, status_message=message)
    return (replace(after, failed_plan=tenant.plan_name) if (under_way or verb) is Verb.RESIZE else after,)


def _at_rest(tenant: Tenant, verb: Verb, told: Told) -> Tenant:
    """Return the tenant at the verb's goal, with nothing under way."""
    goal = COURSES[verb].ends(tenant.status, told.goal)
    check_step(verb, tenant.status, goal)
    return replace(tenant, status=goal, operation=None, status_message=told.message)


def _with_failed_plan(after: Tenant, before: Tenant, verb: Verb, told: Told) -> Tenant:
    return replace(after, failed_plan=told.plan or before.plan_name) if verb is Verb.RESIZE else after


def _converges(tenant: Tenant, verb: Verb) -> bool:
    """Say whether ``verb`` is not under way because there was nothing to do; raise Conflict if it was never begun."""
    if tenant.operation is verb:
        return False
    if tenant.operation is None and tenant.status in COURSES[verb].converges:
        return True
    raise Conflict(
        f"{verb} is not under way on tenant {tenant.name}",
        found=f"{tenant.status}, {tenant.operation or 'nothing'} under way",
        action=f"begin it first (tenant_operation: verb={verb} state=begun)",
    )
