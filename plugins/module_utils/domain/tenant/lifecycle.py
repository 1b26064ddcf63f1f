# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant's life: which verb may be begun when, and which way each leads (mission: tenant lifecycle)."""

from __future__ import annotations

from enum import StrEnum

from ...errors import Conflict
from .status import Provisioning, Status
from .verb import MOVING, VERBS, Verb

_S = Status


def may_follow(status: Status, under_way: Verb | None) -> frozenset[Verb]:
    """Return the verbs that may be begun, as far as the dead run of ``under_way`` lets them.

    A dead run counts as failed, and any verb may follow, except where only some know what is left of the data: once a
    termination has begun, and while the tenant's database lies, or may lie, in two places.
    """
    if under_way and VERBS[under_way].ends_life:
        return frozenset({under_way})
    return MOVING if is_moving(status, under_way) else frozenset(Verb)


def is_moving(status: Status, under_way: Verb | None) -> bool:
    """Say whether the tenant's database is being moved: by a run that lives, or one that died or could not undo it."""
    return status is _S.MIGRATING or (status is _S.ERROR and under_way in MOVING)


def after_death(verb: Verb, status: Status) -> Status:
    """Return the status in which a run of ``verb`` that died leaves a tenant, once another verb is begun."""
    return status if VERBS[verb].harmless else Status.ERROR


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
    rule = VERBS[verb]
    if under_way is None and status in rule.converges:
        return Admission.CONVERGE
    superseded = under_way is not None and under_way is not verb
    if superseded and verb not in (fit := may_follow(status, under_way)):
        raise Conflict(
            f"cannot {verb} a tenant with an unfinished {under_way}",
            found=status,
            action=f"run {under_way} again" + (f" (or {_others(fit, under_way)})" if len(fit) > 1 else ""),
        )
    if under_way is not verb and (after_death(under_way, status) if under_way else status) not in rule.origins:
        raise Conflict(
            f"cannot {verb} a tenant that is {status}",
            found=f"an unfinished {under_way}" if superseded else None,
            expected=f"one of {', '.join(sorted(rule.origins | rule.goals))}",
        )
    if rule.needs_ready and under_way is not verb and provisioning is not Provisioning.READY:
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
    rule = VERBS[verb]
    if rule.allows(current, to) or (to is Status.ERROR and current is not Status.TERMINATED):
        return
    raise Conflict(f"{verb} does not lead from {current} to {to}", expected=str(rule))


def transitions() -> frozenset[tuple[Status, Status]]:
    """Return every (from, to) that is possible at all: what tenant.allowed_transitions holds."""
    pairs: set[tuple[Status, Status]] = {(status, Status.ERROR) for status in Status if status is not Status.TERMINATED}
    for rule in VERBS.values():
        pairs |= {(current, to) for current in Status for to in Status if rule.allows(current, to)}
    return frozenset((a, b) for a, b in pairs if a is not b)
