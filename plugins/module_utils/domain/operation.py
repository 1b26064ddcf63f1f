# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the steps of a verb make of a tenant's record. Each returns the versions the record goes through, oldest first."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.lifecycle import (
    COURSES,
    Admission,
    Provisioning,
    Status,
    Verb,
    admit,
    check_step,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict


class Stage(StrEnum):
    """How far a verb has come: the states of the noun tenant_operation. Those in between are steps of its path."""

    BEGUN = "begun"
    WAITING_FOR_DATABASE = "waiting_for_database"
    STARTING = "starting"
    STOPPING = "stopping"
    FINISHED = "finished"
    FAILED = "failed"


def reached(tenant: Tenant, verb: Verb, stage: Stage, at: datetime, message: str = "") -> tuple[Tenant, ...]:
    """Return the versions the tenant goes through when ``verb`` reaches ``stage`` at ``at``; none when nothing changes.

    Raises Conflict when it may not.
    """
    match stage:
        case Stage.BEGUN:
            return begun(tenant, verb)
        case Stage.FINISHED:
            return finished(tenant, verb, at, message)
        case Stage.FAILED:
            return failed(tenant, verb, message)
        case _:
            return advanced(tenant, verb, Status(stage), message)


def predicted(tenant: Tenant, verb: Verb, stage: Stage, at: datetime, message: str = "") -> tuple[Tenant, ...]:
    """Return what ``reached`` will, if the verb is first begun: in check mode no earlier step has left a trace."""
    before = () if tenant.operation is verb else begun(tenant, verb)
    if stage is Stage.BEGUN:
        return before or begun(tenant, verb)
    return before + reached(before[-1] if before else tenant, verb, stage, at, message)


def begun(tenant: Tenant, verb: Verb) -> tuple[Tenant, ...]:
    """Return the versions the tenant goes through when ``verb`` begins; none when it is at the goal and only converges.

    Raises Conflict when the verb may not begin (lifecycle.admit).
    """
    admission = admit(verb, tenant.status, tenant.provisioning_status, tenant.operation)
    if admission is Admission.CONVERGE:
        return ()
    provisioning = tenant.provisioning_status
    if verb is Verb.PROVISION and provisioning is Provisioning.PENDING:
        provisioning = Provisioning.PROVISIONING
    if admission is Admission.SUPERSEDE:
        lost = replace(tenant, status=Status.ERROR, status_message=f"{tenant.operation} was interrupted")
        return (lost, replace(lost, operation=verb, provisioning_status=provisioning, status_message=""))
    return (replace(tenant, operation=verb, provisioning_status=provisioning, status_message=""),)


def advanced(tenant: Tenant, verb: Verb, to: Status, message: str = "") -> tuple[Tenant, ...]:
    """Return the version after ``verb`` took its step to ``to``; none when the tenant only converges.

    Raises Conflict when the verb is not under way or does not lead there; the goal is reached by ``finished`` alone.
    """
    if _converges(tenant, verb):
        return ()
    if to not in COURSES[verb].path:
        raise Conflict(f"{to} is no step of {verb}", expected=" -> ".join(COURSES[verb].path))
    check_step(verb, tenant.status, to)
    return (replace(tenant, status=to, status_message=message),)


def finished(tenant: Tenant, verb: Verb, at: datetime, message: str = "") -> tuple[Tenant, ...]:
    """Return the version after ``verb`` reached its goal at ``at``; none when the tenant only converged.

    provision makes it ready; terminate frees the port (the subdomain is free by the status). No verb touches billing or
    desired_state: they are what the sync with Kill Bill wrote, so a suspension by hand says nothing about what is owed.
    Raises Conflict when the verb is not under way.
    """
    if _converges(tenant, verb):
        return ()
    goal = COURSES[verb].goal
    check_step(verb, tenant.status, goal)
    done = replace(tenant, status=goal, operation=None, status_message=message)
    if verb is Verb.PROVISION:
        done = replace(done, provisioning_status=Provisioning.READY)
    if verb is Verb.TERMINATE:
        done = replace(done, provisioning_status=Provisioning.TERMINATED, http_port=None, terminated_at=at)
    return (done,)


def failed(tenant: Tenant, verb: Verb, message: str) -> tuple[Tenant, ...]:
    """Return the version after ``verb`` failed with ``message``: in error, with nothing under way.

    A tenant that was only converging ends in error too: it is not as it should be. What is terminated stays terminated.
    Raises Conflict when the verb is not under way, so that a verb that was refused harms nothing.
    """
    _converges(tenant, verb)
    status = tenant.status if tenant.status is Status.TERMINATED else Status.ERROR
    return (replace(tenant, status=status, operation=None, status_message=message),)


def lost(tenant: Tenant, message: str) -> tuple[Tenant, ...]:
    """Return the version after a run ended without saying how: in error, unless it had come to rest in error or the end."""
    if tenant.operation is None and tenant.status in {Status.ERROR, Status.TERMINATED}:
        return ()
    return (replace(tenant, status=Status.ERROR, operation=None, status_message=message),)


def _converges(tenant: Tenant, verb: Verb) -> bool:
    """Say whether ``verb`` is not under way because there was nothing to do; raise Conflict if it was never begun."""
    if tenant.operation is verb:
        return False
    if tenant.operation is None and tenant.status is COURSES[verb].goal and verb is not Verb.RESTART:
        return True
    raise Conflict(
        f"{verb} is not under way on tenant {tenant.name}",
        found=f"{tenant.status}, {tenant.operation or 'nothing'} under way",
        action=f"begin it first (tenant_operation: verb={verb} state=begun)",
    )
