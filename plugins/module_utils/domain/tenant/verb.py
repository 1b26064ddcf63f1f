# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can be done to a tenant: one row for each verb says all that is special about it.

Adding a verb is adding a row here (docs/contributing.md). transitions() follows from the table, and the registry enforces
transitions(), so a new row needs a step of the registry's schema that extends tenant.allowed_transitions (a test holds the two
equal).
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .status import Status


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


class Queue(StrEnum):
    """The runner's queues (mission: execution). Each has a lane of its own, so that none waits for another.

    What comes round by the clock is monitoring. Ending what moves have left, which may last, is maintenance.
    """

    SYNC = "sync"
    PROVISIONING = "provisioning"
    OPERATIONS = "operations"
    MAINTENANCE = "maintenance"
    MONITORING = "monitoring"


@dataclass(frozen=True)
class Rule:
    """All that is special about a verb.

    It moves a tenant from one of ``origins``, through ``path`` (steps may be left out), to one of ``goals``. One with several
    goals ends where it began, which the tenant's record keeps from its begin on. `error` is an origin of every verb: after a
    failure, any may be tried by hand.
    """

    origins: frozenset[Status]
    path: tuple[Status, ...]
    goals: frozenset[Status]
    #: The runner's queue that its runs wait in.
    queue: Queue = Queue.OPERATIONS
    #: Of the jobs that wait there, those with a higher one begin first.
    priority: int = 10
    #: It can be done only to a tenant that is provisioned, ...
    needs_ready: bool = True
    #: ... that has an address.
    needs_address: bool = True
    #: It makes the tenant's record, which all others find.
    makes_record: bool = False
    #: Its end makes the tenant ready, with its plan applied.
    makes_ready: bool = False
    #: It gives a tenant that is ready another plan; one that could not be applied is not tried again by itself.
    applies_plan: bool = False
    #: It moves the database to another server, and can be undone until the switch.
    moves_database: bool = False
    #: Its end frees what the tenant had: its port, its name.
    ends_life: bool = False
    #: A failure leaves the tenant as it is, since its service goes on meanwhile. Else it is in error.
    harmless: bool = False
    #: It can be asked for many tenants at once.
    for_many: bool = False
    #: Asked for all tenants of a status, it needs their number, which whoever approves of it has looked at.
    needs_approval: bool = False

    @property
    def writes_record(self) -> bool:
        """Say whether what is given by hand (a customer, a plan) is written to the tenant's record first."""
        return self.makes_record or self.applies_plan

    @property
    def converges(self) -> frozenset[Status]:
        """Where there is nothing to do: at a goal the verb could not begin from. restart of what runs is never nothing."""
        return self.goals - self.origins

    def allows(self, current: Status, to: Status) -> bool:
        """Say whether the verb, once begun, may take a tenant from ``current`` to ``to``.

        A run that goes on after an interruption begins its path anew, so steps may be taken back; a goal may not, nor may
        one goal be left for another.
        """
        if current is to:
            return to in self.path or to in self.goals
        if to in self.goals and current in self.goals:
            return False
        return (to in self.path or to in self.goals) and (current in self.origins or current in self.path)

    @property
    def returns(self) -> bool:
        """Say whether the verb ends where it began."""
        return len(self.goals) > 1

    def __str__(self) -> str:
        return " -> ".join((*self.path, _either(self.goals)))


def _either(statuses: frozenset[Status]) -> str:
    return " or ".join(sorted(statuses))


def _rule(origins: AbstractSet[Status], *path: Status, to: AbstractSet[Status], **special: Any) -> Rule:
    return Rule(frozenset({*origins, Status.ERROR}), path, frozenset(to), **special)


_S = Status
AT_REST = frozenset({_S.RUNNING, _S.STOPPED})
_LIVING = set(_S) - {_S.TERMINATED, _S.MIGRATING}

VERBS: dict[Verb, Rule] = {
    Verb.PROVISION: _rule(
        {_S.CREATING}, _S.WAITING_FOR_DATABASE, _S.STARTING, to={_S.RUNNING},
        needs_ready=False, makes_record=True, makes_ready=True, queue=Queue.PROVISIONING,
    ),
    Verb.START: _rule({_S.STOPPED}, _S.STARTING, to={_S.RUNNING}, for_many=True),
    Verb.STOP: _rule({_S.RUNNING}, _S.STOPPING, to={_S.STOPPED}, for_many=True),
    Verb.RESTART: _rule({_S.RUNNING}, _S.STOPPING, _S.STARTING, to={_S.RUNNING}, for_many=True),
    Verb.RESIZE: _rule(AT_REST, _S.MIGRATING, to=AT_REST, applies_plan=True, moves_database=True),
    Verb.MIGRATE: _rule(AT_REST, _S.MIGRATING, to=AT_REST, moves_database=True),
    Verb.SUSPEND: _rule(AT_REST, _S.STOPPING, to={_S.PAUSED}, for_many=True),
    Verb.RESUME: _rule({_S.PAUSED}, _S.STARTING, to={_S.RUNNING}, for_many=True),
    Verb.TERMINATE: _rule(
        _LIVING, _S.STOPPING, to={_S.TERMINATED},
        needs_ready=False, needs_address=False, ends_life=True, for_many=True, needs_approval=True,
    ),
}  # fmt: skip
#: The verbs that move a database.
MOVING = frozenset(verb for verb, rule in VERBS.items() if rule.moves_database)
