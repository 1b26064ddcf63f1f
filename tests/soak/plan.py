"""Pure: a seed -> what is done to a platform of 20 tenants, round after round, and what each tenant is to be after each round.

The same seed gives the same rounds, whatever becomes of them: a plan knows what was asked for, not what happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status

TENANTS = 20
#: Those who subscribe at Kill Bill, whom the webhook runner looks after; the others are an operator's, made by hand.
CUSTOMERS = 4
#: Hands of operators: each types one command after the other.
HANDS = 2
POOLS = ("soak-1", "soak-2", "soak-3")
#: The one that is drained; it has room for few.
SMALL = "soak-3"
#: Seconds within which a round's steps begin.
WINDOW = 30.0
#: As many Odoos as a small machine has memory and patience for.
_MOST_RUNNING = 7
_PLANS = {True: ("basic-immediate", "standard-monthly"), False: ("basic-monthly", "standard-monthly")}
_PARTS = ("registry", "caddy", "runner-web", "runner-worker", "runner-fork", "a playbook", "an Odoo")
_SERVERS = tuple(f"{kind}-{pool}" for pool in POOLS for kind in ("postgres", "pgbouncer"))
_MOVES = ("migrate", "migrate", "migrate", "offline", "back", "back", "let go")
#: What may be done to a tenant that is ..., and what it is then: by an operator, and by a customer.
_BY_HAND = {
    Status.RUNNING: {"stop": Status.STOPPED, "suspend": Status.PAUSED, "restart": Status.RUNNING, "resize": Status.RUNNING},
    Status.STOPPED: {"start": Status.RUNNING, "suspend": Status.PAUSED, "resize": Status.STOPPED},
    Status.PAUSED: {"resume": Status.RUNNING},
}
_AT_BILLING = {
    Status.RUNNING: {"pause": Status.PAUSED, "change": Status.RUNNING},
    Status.PAUSED: {"unpause": Status.RUNNING},
}


@dataclass(frozen=True)
class Tenant:
    """One of the 20 as the plan has it. ``successor`` counts those who had its place before."""

    number: int
    status: Status
    plan: str
    successor: int = 0

    @property
    def is_customer(self) -> bool:
        return self.number < CUSTOMERS

    def name(self, mark: str) -> str:
        """Return its subdomain."""
        return f"{mark}-{self.number}-{self.successor}"


@dataclass(frozen=True)
class Step:
    """One thing that is done, ``at`` seconds after the round's begin at the earliest.

    ``by`` is hand 0, hand 1, billing, reboot or content; ``whom`` a tenant's number or a part; ``how`` a plan or a seed.
    """

    at: float
    by: str
    what: str
    whom: str
    how: str = ""

    def __str__(self) -> str:
        return f"{self.at:5.1f} {self.by:8} {self.what} {self.whom} {self.how}".rstrip()


@dataclass(frozen=True)
class Round:
    """Its steps, and the tenants before and after it."""

    number: int
    steps: tuple[Step, ...]
    before: tuple[Tenant, ...]
    after: tuple[Tenant, ...]

    def of(self, by: str) -> list[Step]:
        """Return the steps of one actor, in the order in which they begin."""
        return [step for step in self.steps if step.by == by]

    def __str__(self) -> str:
        return "\n  ".join([f"round {self.number}", *map(str, self.steps)])


def first() -> tuple[Tenant, ...]:
    """Return the tenants to begin with: customers run, an operator's are stopped."""
    return tuple(
        Tenant(number, Status.RUNNING if number < CUSTOMERS else Status.STOPPED, _PLANS[number < CUSTOMERS][0])
        for number in range(TENANTS)
    )


def rounds(seed: int) -> Iterator[Round]:
    """Return the rounds of a seed, without end."""
    tenants, number = first(), 0
    while True:
        made = _round(Random(f"{seed} round {number}"), number, tenants)
        yield made
        tenants, number = made.after, number + 1


def _round(lot: Random, number: int, tenants: tuple[Tenant, ...]) -> Round:
    after = list(tenants)
    chosen = lot.sample(range(TENANTS), TENANTS)  # each is somebody's at most: nobody asks for two things at a time
    customers = [each for each in chosen if each < CUSTOMERS]
    others = [each for each in chosen if each >= CUSTOMERS]
    steps = [_at_billing(lot, after, each) for each in customers[:2]]
    by_hand = [*others[:5], *customers[2:3]]
    for place, each in enumerate(by_hand):
        steps.append(_by_hand(lot, after, each, f"hand {place % HANDS}"))
    if number % 3 == 1:
        steps.append(Step(0.0, "hand 1", "drain", SMALL, lot.choice(("", "let_go"))))
    steps += [_reboot(lot) for _ in range(lot.randint(2, 4))]
    unscathed = [each for each in chosen if after[each].successor == tenants[each].successor]
    steps += [Step(_moment(lot), "content", "write", str(lot.choice(unscathed)), str(lot.randrange(10**6))) for _ in range(6)]
    return Round(number, tuple(sorted(steps, key=lambda step: (step.at, step.by))), tenants, tuple(after))


def _moment(lot: Random) -> float:
    return round(lot.uniform(0, WINDOW), 1)


def _reboot(lot: Random) -> Step:
    part = lot.choice((lot.choice(_PARTS), lot.choice(_SERVERS)))
    return Step(_moment(lot), "reboot", "kill" if part == "a playbook" else lot.choice(("kill", "restart")), part)


def _at_billing(lot: Random, tenants: list[Tenant], number: int) -> Step:
    choice = lot.choice([*_AT_BILLING[tenants[number].status], "replace"])
    return _asked(lot, tenants, number, choice, "billing")


def _by_hand(lot: Random, tenants: list[Tenant], number: int, by: str) -> Step:
    """Have an operator do something; what a customer pays for is moved or restarted only."""
    tenant = tenants[number]
    at_rest = tenant.status is not Status.PAUSED
    full = sum(each.status is Status.RUNNING for each in tenants) >= _MOST_RUNNING
    verbs = [verb for verb, to in _BY_HAND[tenant.status].items() if not (full and to is Status.RUNNING is not tenant.status)]
    if tenant.is_customer:
        verbs = ["restart"] if tenant.status is Status.RUNNING else []
    elif not full:
        verbs.append("replace")
    moves = [lot.choice(_MOVES)] * (2 if at_rest else 0)
    choice = lot.choice([*verbs, *moves] or ["let go"])
    return _asked(lot, tenants, number, choice, by)


def _asked(lot: Random, tenants: list[Tenant], number: int, what: str, by: str) -> Step:
    """Write down what the tenant will be, and return the step."""
    tenant, how = tenants[number], ""
    courses = _AT_BILLING if by == "billing" else _BY_HAND
    if what == "replace":
        tenants[number] = Tenant(number, Status.RUNNING, _PLANS[tenant.is_customer][0], tenant.successor + 1)
    else:
        tenants[number] = replace(tenant, status=courses[tenant.status].get(what, tenant.status))
    if what in ("resize", "change"):
        how = next(plan for plan in _PLANS[tenant.is_customer] if plan != tenant.plan)
        tenants[number] = replace(tenants[number], plan=how)
    return Step(_moment(lot), by, what, str(number), how)
