# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who needs a person: what does not come right by itself, why, since when, and what to type about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from .lifecycle import is_moving
from .status import Provisioning, Status
from .storage import Storage
from .tenant import Tenant
from .verb import Verb
from .wish import has_failed_plan, retried

#: Runs in a row that could not take down what is kept of a move. Fewer may be a server that was away.
STUCK = 3
_PLAYBOOK = "ansible-playbook playbooks"
_WORDS = {"interrupted": "was interrupted", "lost": "was lost", "failed": "failed", "timed_out": "took too long"}


@dataclass(frozen=True)
class LastRun:
    """A tenant's last run that somebody wanted. ``open``: it runs, or its next try is to come."""

    verb: Verb
    status: str
    message: str
    attempt: int
    ended_at: datetime | None
    open: bool


@dataclass(frozen=True)
class Settling:
    """The last runs in a row that could not settle a tenant's move: how many, since when, and what the last one said."""

    tries: int = 0
    since: datetime | None = None
    message: str = ""


@dataclass(frozen=True)
class Found:
    """What is known of one tenant: ``since`` when its status is what it is, and whether anybody holds its lock.

    ``storage`` is what its database takes, where that is so much that it can only be read.
    """

    tenant: Tenant
    since: datetime
    worked_on: bool = False
    last: LastRun | None = None
    settling: Settling = Settling()
    storage: Storage | None = None


@dataclass(frozen=True)
class Need:
    """One line of the list. ``command`` is what to type once the cause is mended."""

    tenant: str
    tenant_id: UUID
    cause: str
    since: datetime
    command: str


def need(found: Found) -> Need | None:
    """Say what of a tenant needs a person; None where nothing does, or somebody is at it."""
    tenant = found.tenant
    if found.worked_on or (found.last and found.last.open):
        return None
    if found.settling.tries >= STUCK:
        return _need(found, *_stuck(found.settling), found.settling.since or found.since)
    if tenant.status is Status.ERROR or _is_left(tenant):
        return _need(found, *_broken(found), found.since)
    if has_failed_plan(tenant) and tenant.status is not Status.TERMINATED:
        cause = f"plan {tenant.failed_plan} could not be applied: {tenant.status_message or 'see its last run'}"
        return _need(found, cause, "tenant_resize.yml", found.last.ended_at or found.since if found.last else found.since)
    if found.storage and tenant.status is not Status.TERMINATED:
        cause = f"{found.storage}, so it can only be read until it has a larger plan, or is suspended"
        since = found.storage.over_since or found.since
        return Need(tenant.name, tenant.id, cause, since, f"{_PLAYBOOK}/postgres_pool_health.yml")
    return None


def _is_left(tenant: Tenant) -> bool:
    """Say whether a verb is under way that nobody goes on with; a move is settled by itself."""
    return tenant.operation is not None and not is_moving(tenant.status, tenant.operation)


def _broken(found: Found) -> tuple[str, str]:
    tenant, last = found.tenant, found.last
    if tenant.subdomain is None:
        return f"its subscription can't become a tenant: {tenant.status_message}", "tenant_terminate.yml"
    otherwise = Verb.RESTART if tenant.provisioning_status is Provisioning.READY else Verb.PROVISION
    verb = retried(tenant, last.verb if last else tenant.operation) or otherwise
    playbook = "tenant_settle.yml" if is_moving(tenant.status, tenant.operation) else f"tenant_{verb}.yml"
    if last is None or last.status == "succeeded":
        return tenant.status_message or f"{tenant.operation} was not finished, and nobody goes on with it", playbook
    times = f" {last.attempt} times" if last.attempt > 1 else ""
    return f"{last.verb} {_WORDS.get(last.status, last.status)}{times}: {last.message or tenant.status_message}", playbook


def _stuck(settling: Settling) -> tuple[str, str]:
    return f"its move can't be settled, tried {settling.tries} times: {settling.message}", "tenant_settle.yml"


def _need(found: Found, cause: str, playbook: str, since: datetime) -> Need:
    tenant = found.tenant
    command = f"{_PLAYBOOK}/{playbook} -e tenant={tenant.reference}"
    return Need(tenant.name, tenant.id, cause, since, command)
