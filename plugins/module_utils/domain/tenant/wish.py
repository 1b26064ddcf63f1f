# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wished of a tenant, against what it is: at most one verb to do now, and which are not done by themselves."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import Conflict
from .lifecycle import admit, may_follow
from .status import Desired, Provisioning, Status
from .tenant import Tenant
from .verb import MOVING, Verb


def verb(tenant: Tenant, *, retry: bool = False, held: Verb | None = None) -> Verb | None:
    """Return the one thing to do now to bring a tenant to its desired state, or None.

    ``retry`` does again what failed or was interrupted: asked for by hand, or when its time has come. Without it the verb that is
    ``held`` is not done, and a tenant in error, or with an operation under way, only follows what billing wants besides: to be
    suspended, terminated, or not suspended after all. One whose move was left unfinished is left to what settles it; one an
    operator stopped stays stopped, since billing only says that it may run.
    """
    if tenant.status is Status.TERMINATED or tenant.desired_state in (Desired.WAITING, Desired.MANUAL):
        return None
    if is_broken(tenant):
        return _again(tenant) if retry else _besides(tenant, held)
    wanted = _next(tenant) or (Verb.RESIZE if _wants_other_plan(tenant, retry=retry) else None)
    return None if wanted is held and not retry else wanted


@dataclass(frozen=True)
class Last:
    """A tenant's last run: what it was for, how it ended, and whether it ``waits`` for its next try."""

    verb: Verb
    status: str
    waits: bool


def held(tenant: Tenant, last: Last | None) -> Verb | None:
    """Return the verb that is not to be done by itself now: its next try is to come, or a person's."""
    if last is None or last.status == "succeeded" or not (last.waits or is_broken(tenant)):
        return None
    return last.verb


def is_broken(tenant: Tenant) -> bool:
    """Say whether the tenant is not at rest, which only a run that lives, or a retry, changes."""
    return tenant.status in (Status.ERROR, Status.MIGRATING) or tenant.operation is not None


def may_retry(tenant: Tenant) -> bool:
    """Say whether the tenant's last run has left something that only a retry does."""
    return is_broken(tenant) or has_failed_plan(tenant)


def has_failed_plan(tenant: Tenant) -> bool:
    """Say whether the plan that the tenant is to have could not be applied."""
    return tenant.failed_plan is not None and tenant.failed_plan == tenant.plan_name != tenant.applied_plan


def retried(tenant: Tenant, last: Verb | None, *, by_hand: bool = True, due: bool = False) -> Verb | None:
    """Return what is done again, None where nothing is left to do. ``last`` is what the tenant's last run was for.

    Where billing has no say, that is done again if it left something, or its next try is ``due``; where billing says to wait,
    only for a person (``by_hand``).
    """
    if tenant.desired_state is Desired.MANUAL or (by_hand and tenant.desired_state is Desired.WAITING):
        return last if due or may_retry(tenant) else None
    return verb(tenant, retry=True)


def asked(tenant: Tenant, verb: Verb | None, last: Verb | None) -> Verb:
    """Return what is done where a person asks for ``verb``, or (None) for a retry; ``last`` is as in retried.

    Raises Conflict when it may not begin, or there is nothing to try again.
    """
    if verb is None:
        if (again := retried(tenant, last)) is None:
            raise Conflict(f"tenant {tenant.name} has nothing to try again", found=tenant.status)
        return again
    admit(verb, tenant.status, tenant.provisioning_status, tenant.operation)
    return verb


def _wants_other_plan(tenant: Tenant, *, retry: bool) -> bool:
    if tenant.desired_state is not Desired.RUNNING or tenant.provisioning_status is not Provisioning.READY:
        return False
    if tenant.status not in (Status.RUNNING, Status.STOPPED) or tenant.plan_name == tenant.applied_plan:
        return False
    return retry or not has_failed_plan(tenant)


def _again(tenant: Tenant) -> Verb | None:
    """Return what a retry does: a termination or a move that was begun is ended, whatever is wished now."""
    bound = may_follow(tenant.status, tenant.operation) != frozenset(Verb)
    if bound or (tenant.operation in MOVING and tenant.desired_state is Desired.RUNNING):
        return tenant.operation
    return _next(tenant)


def _besides(tenant: Tenant, held: Verb | None) -> Verb | None:
    """Return what billing wants of a tenant that is not at rest, other than what it is at or failed to do."""
    wanted = _next(tenant)
    follows = wanted in may_follow(tenant.status, tenant.operation) and wanted not in (held, tenant.operation)
    reverted = wanted is Verb.RESUME and Verb.SUSPEND in (held, tenant.operation)
    return wanted if follows and (reverted or wanted in (Verb.SUSPEND, Verb.TERMINATE)) else None


def _next(tenant: Tenant) -> Verb | None:
    ready = tenant.provisioning_status is Provisioning.READY
    broken = is_broken(tenant)
    match tenant.desired_state:
        case Desired.TERMINATED:
            return Verb.TERMINATE
        case Desired.RUNNING if not ready and (broken or tenant.status is Status.CREATING):
            return Verb.PROVISION
        case Desired.RUNNING if ready and (broken or tenant.status is Status.PAUSED):
            return Verb.RESUME
        case Desired.SUSPENDED if ready and (broken or tenant.status in (Status.RUNNING, Status.STOPPED)):
            return Verb.SUSPEND
    return None
