# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the steps of a verb make of a tenant's record. Each returns the versions the record goes through, oldest first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from ...errors import Conflict
from .lifecycle import Admission, admit, after_death, check_step, is_moving
from .status import Provisioning, Status
from .tenant import Tenant
from .verb import MOVING, VERBS, Verb


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
class Details:
    """What is said of a stage: a ``message`` to keep with the status, without secrets; and which ``plan`` was, or could not be,
    applied (None: the tenant's, as it now is).
    """

    message: str = ""
    plan: str | None = None


NO_DETAILS = Details()


def reached(tenant: Tenant, verb: Verb, stage: Stage, at: datetime, details: Details = NO_DETAILS) -> tuple[Tenant, ...]:
    """Return the versions the tenant goes through when ``verb`` reaches ``stage`` at ``at``; none when nothing changes.

    Raises Conflict when it may not.
    """
    match stage:
        case Stage.BEGUN:
            return begun(tenant, verb)
        case Stage.FINISHED:
            return finished(tenant, verb, at, details)
        case Stage.UNDONE:
            return undone(tenant, verb, details)
        case Stage.FAILED:
            return failed(tenant, verb, details)
        case _:
            return advanced(tenant, verb, Status(stage), details.message)


def predicted(tenant: Tenant, verb: Verb, stage: Stage, at: datetime, details: Details = NO_DETAILS) -> tuple[Tenant, ...]:
    """Return what ``reached`` will, if the verb is first begun: in check mode no earlier step has left a trace."""
    before = () if tenant.operation is verb else begun(tenant, verb)
    if stage is Stage.BEGUN:
        return before or begun(tenant, verb)
    return before + reached(before[-1] if before else tenant, verb, stage, at, details)


def begun(tenant: Tenant, verb: Verb) -> tuple[Tenant, ...]:
    """Return the versions the tenant goes through when ``verb`` begins; none when it is at the goal and only converges.

    A tenant whose move was left unfinished is migrating again at once, so that until the verb ends nothing takes its
    error for one that any verb may follow. Raises Conflict when the verb may not begin (lifecycle.admit), or needs an address
    and the tenant has no subdomain.
    """
    rule = VERBS[verb]
    if tenant.subdomain is None and rule.needs_address:
        raise Conflict(
            f"cannot {verb} a tenant that has no subdomain",
            found=tenant.status_message or None,
            action="terminate it; another subscription may then ask for what can be",
        )
    admission = admit(verb, tenant.status, tenant.provisioning_status, tenant.operation)
    if admission is Admission.CONVERGE:
        return ()
    provisioning = tenant.provisioning_status
    if rule.makes_ready and provisioning is Provisioning.PENDING:
        provisioning = Provisioning.PROVISIONING
    before = (_superseded(tenant, tenant.operation),) if tenant.operation and admission is Admission.SUPERSEDE else ()
    found = before[0] if before else tenant
    status = Status.MIGRATING if is_moving(tenant.status, tenant.operation) else found.status
    begins = replace(found, status=status, operation=verb, provisioning_status=provisioning, status_message="")
    return (*before, replace(begins, returns_to=tenant.rest if rule.returns else None))


def _superseded(tenant: Tenant, dead: Verb) -> Tenant:
    """Return the tenant with the run of ``dead`` recorded as failed."""
    status = after_death(dead, tenant.status)
    failed_plan = tenant.plan_name if VERBS[dead].applies_plan else tenant.failed_plan  # which nothing tries again unasked
    return replace(tenant, status=status, status_message=f"{dead} was interrupted", failed_plan=failed_plan)


def advanced(tenant: Tenant, verb: Verb, to: Status, message: str = "") -> tuple[Tenant, ...]:
    """Return the version after ``verb`` took its step to ``to``; none when the tenant only converges.

    Raises Conflict when the verb is not under way or does not lead there; a goal is reached by ``finished`` alone.
    """
    if _converges(tenant, verb):
        return ()
    if to not in VERBS[verb].path:
        raise Conflict(f"{to} is no step of {verb}", expected=" -> ".join(VERBS[verb].path))
    check_step(verb, tenant.status, to)
    return (replace(tenant, status=to, status_message=message),)


def finished(tenant: Tenant, verb: Verb, at: datetime, details: Details = NO_DETAILS) -> tuple[Tenant, ...]:
    """Return the version after ``verb`` reached its goal at ``at``; none when the tenant only converged.

    provision makes it ready, with its plan applied; resize applies a plan; terminate frees the port (the subdomain is free
    by the status). No verb touches billing or desired_state: they are what the sync with Kill Bill wrote, so a suspension
    by hand says nothing about what is owed. Raises Conflict when the verb is not under way.
    """
    if _converges(tenant, verb):
        return ()
    done, rule = _at_rest(tenant, verb, details), VERBS[verb]
    if rule.applies_plan or (rule.makes_ready and tenant.provisioning_status is not Provisioning.READY):
        done = replace(done, applied_plan=details.plan or tenant.plan_name, failed_plan=None)
    if rule.makes_ready:
        done = replace(done, provisioning_status=Provisioning.READY)
    if rule.ends_life:
        done = replace(done, provisioning_status=Provisioning.TERMINATED, http_port=None, terminated_at=at)
    return (done,)


def undone(tenant: Tenant, verb: Verb, details: Details) -> tuple[Tenant, ...]:
    """Return the version after ``verb`` failed and all it did was undone: the tenant is where it was, with the message.

    Only verbs that move the database can be undone. Raises Conflict when it is another, or not under way.
    """
    if not VERBS[verb].moves_database:
        raise Conflict(f"{verb} can't be undone", expected=f"one of {', '.join(sorted(MOVING))}")
    _converges(tenant, verb)
    return (_with_failed_plan(_at_rest(tenant, verb, details), tenant, verb, details),)


def failed(tenant: Tenant, verb: Verb, details: Details) -> tuple[Tenant, ...]:
    """Return the version after ``verb`` failed: in error, or as it was where the verb is harmless, with nothing under way.

    While its database was being moved, the verb stays under way: what it did is not undone, so only verbs that know how to
    go on may follow. A tenant that was only converging ends in error too: it is not as it should be. What is terminated
    stays terminated. Raises Conflict when the verb is not under way, so that a verb that was refused harms nothing.
    """
    _converges(tenant, verb)
    status = tenant.status if VERBS[verb].harmless or tenant.status is Status.TERMINATED else Status.ERROR
    left = verb if tenant.status is Status.MIGRATING else None
    after = replace(tenant, status=status, operation=left, status_message=details.message)
    return (_with_failed_plan(after, tenant, verb, details),)


def interrupted(tenant: Tenant, message: str) -> tuple[Tenant, ...]:
    """Return the version after a run was interrupted that goes on by itself: where it was, the verb under way, and why."""
    return () if tenant.status is Status.TERMINATED else (replace(tenant, status_message=message),)


def lost(tenant: Tenant, message: str, verb: Verb | None = None) -> tuple[Tenant, ...]:
    """Return the version after a run (of ``verb``) ended without saying how.

    In error, unless it had come to rest in error or the end, or the verb is harmless; and one that moves the database, but was
    not at that or had undone it, leaves the tenant as it runs. One that was at it keeps the tenant migrating: its journal says
    how it goes on.
    """
    if tenant.status is Status.MIGRATING:
        return (replace(tenant, status_message=message),)
    ended = tenant.operation or verb
    if ended and (VERBS[ended].harmless or (VERBS[ended].moves_database and tenant.status in VERBS[ended].goals)):
        return _stayed(tenant, message, ended)
    moving = is_moving(tenant.status, tenant.operation)
    recorded = tenant.operation is None or (moving and tenant.status_message)
    if recorded and tenant.status in {Status.ERROR, Status.TERMINATED}:
        return ()
    return (replace(tenant, status=Status.ERROR, operation=tenant.operation if moving else None, status_message=message),)


def _stayed(tenant: Tenant, message: str, verb: Verb) -> tuple[Tenant, ...]:
    """Return the version with the plan not to be tried again by itself; none where the run has said all of that."""
    applies_plan = VERBS[verb].applies_plan
    if tenant.operation is None and (not applies_plan or tenant.failed_plan):
        return ()
    after = replace(tenant, operation=None, returns_to=None, status_message=message)
    return (replace(after, failed_plan=tenant.plan_name) if applies_plan else after,)


def _at_rest(tenant: Tenant, verb: Verb, details: Details) -> Tenant:
    """Return the tenant at the verb's goal, with nothing under way."""
    goal = tenant.rest if VERBS[verb].returns else next(iter(VERBS[verb].goals))
    check_step(verb, tenant.status, goal)
    return replace(tenant, status=goal, operation=None, returns_to=None, status_message=details.message)


def _with_failed_plan(after: Tenant, before: Tenant, verb: Verb, details: Details) -> Tenant:
    return replace(after, failed_plan=details.plan or before.plan_name) if VERBS[verb].applies_plan else after


def _converges(tenant: Tenant, verb: Verb) -> bool:
    """Say whether ``verb`` is not under way because there was nothing to do; raise Conflict if it was never begun."""
    if tenant.operation is verb:
        return False
    if tenant.operation is None and tenant.status in VERBS[verb].converges:
        return True
    raise Conflict(
        f"{verb} is not under way on tenant {tenant.name}",
        found=f"{tenant.status}, {tenant.operation or 'nothing'} under way",
        action=f"begin it first (tenant_operation: verb={verb} state=begun)",
    )
