"""Routing: Kill Bill's words -> what each tenant should be -> one verb. Events don't occur in it, so their order can't matter."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.desired_state import Known, Target, desired
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.subscription import (
    Account,
    Invoice,
    Phase,
    Subscription,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.lifecycle import admit
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Billing, Desired, Provisioning, Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import VERBS, Verb
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.wish import (
    Last,
    asked,
    held,
    may_retry,
    retried,
    verb,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict

START = datetime(2026, 1, 1, tzinfo=UTC)
ID = UUID(int=1)
OTHER = UUID(int=2)


def subscription(phase: Phase, **changes: Any) -> Subscription:
    return replace(Subscription(ID, "acme", "basic-monthly", phase, START, None), **changes)


def invoice(amount: int, balance: int, *, failed: bool = False, of: UUID = ID) -> Invoice:
    return Invoice(UUID(int=99), frozenset({of}), Decimal(amount), Decimal(balance), failed, pending=False)


def account(*subscriptions: Subscription, invoices: tuple[Invoice, ...] = (), overdue: str = "") -> Account:
    return Account(UUID(int=7), "c1", "USD", overdue, subscriptions, invoices)


def target(seen: Account, known: Known = Known()) -> Target:  # noqa: B008 - immutable
    return next(each for each in desired(seen, known) if each.subscription.id == ID)


READY = Known(provisioned=frozenset({ID}))
CASES: dict[str, tuple[Account, Known, Desired, Billing | None]] = {
    "a first trial runs": (account(subscription(Phase.TRIAL)), Known(), Desired.RUNNING, Billing.TRIAL),
    "a trial goes on": (account(subscription(Phase.TRIAL)), Known(trial_of=ID), Desired.RUNNING, Billing.TRIAL),
    "a second trial waits": (
        account(subscription(Phase.TRIAL)), Known(trial_of=OTHER), Desired.WAITING, Billing.PAYMENT_REQUIRED),
    "no trial beside a paid subscription": (
        account(subscription(Phase.TRIAL), subscription(Phase.EVERGREEN, id=OTHER)), Known(), Desired.WAITING,
        Billing.PAYMENT_REQUIRED),
    "not begun": (account(subscription(Phase.PENDING)), Known(), Desired.WAITING, Billing.PAYMENT_REQUIRED),
    "no trial: waits for payment": (
        account(subscription(Phase.EVERGREEN), invoices=(invoice(10, 10),)), Known(), Desired.WAITING,
        Billing.PAYMENT_REQUIRED),
    "an invoice of nothing is no payment": (
        account(subscription(Phase.EVERGREEN), invoices=(invoice(0, 0),)), Known(), Desired.WAITING, Billing.PAYMENT_REQUIRED),
    "another's payment is none": (
        account(subscription(Phase.EVERGREEN), invoices=(invoice(10, 0, of=OTHER),)), Known(), Desired.WAITING,
        Billing.PAYMENT_REQUIRED),
    "a first payment failed": (
        account(subscription(Phase.EVERGREEN), invoices=(invoice(10, 10, failed=True),)), Known(), Desired.WAITING,
        Billing.PAYMENT_REQUIRED),
    "paid: provision": (
        account(subscription(Phase.EVERGREEN), invoices=(invoice(10, 0),)), Known(), Desired.RUNNING, Billing.PAID),
    "the trial ended, nothing invoiced yet": (
        account(subscription(Phase.EVERGREEN)), READY, Desired.RUNNING, Billing.PAYMENT_REQUIRED),
    "an open invoice": (
        account(subscription(Phase.EVERGREEN), invoices=(invoice(10, 10),)), READY, Desired.RUNNING, Billing.PAYMENT_REQUIRED),
    "paid": (account(subscription(Phase.EVERGREEN), invoices=(invoice(10, 0),)), READY, Desired.RUNNING, Billing.PAID),
    "payment failed": (
        account(subscription(Phase.EVERGREEN), invoices=(invoice(10, 10, failed=True),)), READY, Desired.SUSPENDED,
        Billing.SUSPENDED),
    "a failed invoice that was paid": (
        account(subscription(Phase.EVERGREEN), invoices=(invoice(10, 0, failed=True),)), READY, Desired.RUNNING, Billing.PAID),
    "overdue": (
        account(subscription(Phase.EVERGREEN), invoices=(invoice(10, 10, failed=True),), overdue="BLOCKED"), READY,
        Desired.SUSPENDED, Billing.OVERDUE),
    "overdue for another subscription": (
        account(subscription(Phase.EVERGREEN), invoices=(invoice(10, 0), invoice(9, 9, of=OTHER)), overdue="BLOCKED"), READY,
        Desired.RUNNING, Billing.PAID),
    "paused in Kill Bill": (account(subscription(Phase.TRIAL, blocked=True)), READY, Desired.SUSPENDED, Billing.TRIAL),
    "paused before it began": (account(subscription(Phase.TRIAL, blocked=True)), Known(), Desired.WAITING, Billing.TRIAL),
    "cancelled": (account(subscription(Phase.CANCELLED)), READY, Desired.TERMINATED, None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_kill_bill_says_decides(name: str) -> None:
    seen, known, state, billing = CASES[name]
    assert (target(seen, known).desired, target(seen, known).billing) == (state, billing)


def test_a_cancellation_asked_for_is_noted_and_the_tenant_runs_on() -> None:
    end = START + timedelta(days=30)
    paid = account(subscription(Phase.EVERGREEN, cancel_at=end), invoices=(invoice(10, 0),))
    assert (target(paid, READY).desired, target(paid, READY).cancel_at) == (Desired.RUNNING, end)


def test_of_two_trials_at_once_the_older_subscription_gets_it() -> None:
    younger = subscription(Phase.TRIAL, started_at=START + timedelta(seconds=1))
    older = subscription(Phase.TRIAL, id=OTHER)
    wanted = desired(account(younger, older), Known())
    assert [(each.subscription.id, each.desired, each.claims_trial) for each in wanted] == [
        (OTHER, Desired.RUNNING, True),
        (ID, Desired.WAITING, False),
    ]


def tenant(status: Status, state: Desired, **changes: Any) -> Tenant:
    fresh = status in (Status.CREATING, Status.WAITING_FOR_DATABASE)
    provisioning = Provisioning.PENDING if fresh else Provisioning.READY
    made = Tenant(
        id=ID, subdomain="acme", customer_id="c1", account_id=None, subscription_id=ID, plan_name="basic-monthly", status=status,
        provisioning_status=provisioning, billing_status=Billing.PAID, operation=None, status_message="", desired_state=state,
        database_name="odoo_c1_1", http_port=22000, odoo_version="19.0", secret_generation=1, created_at=START,
        updated_at=START, cancel_at=None, terminated_at=None, applied_plan="basic-monthly",
    )  # fmt: skip
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("status", "state", "expected"),
    [
        (Status.CREATING, Desired.WAITING, None),
        (Status.CREATING, Desired.RUNNING, Verb.PROVISION),
        (Status.CREATING, Desired.SUSPENDED, None),
        (Status.CREATING, Desired.TERMINATED, Verb.TERMINATE),
        (Status.RUNNING, Desired.RUNNING, None),
        (Status.RUNNING, Desired.WAITING, None),
        (Status.RUNNING, Desired.SUSPENDED, Verb.SUSPEND),
        (Status.RUNNING, Desired.TERMINATED, Verb.TERMINATE),
        (Status.PAUSED, Desired.RUNNING, Verb.RESUME),
        (Status.PAUSED, Desired.SUSPENDED, None),
        (Status.PAUSED, Desired.TERMINATED, Verb.TERMINATE),
        (Status.STOPPED, Desired.RUNNING, None),
        (Status.STOPPED, Desired.SUSPENDED, Verb.SUSPEND),
        (Status.TERMINATED, Desired.TERMINATED, None),
        (Status.TERMINATED, Desired.RUNNING, None),
        (Status.MIGRATING, Desired.TERMINATED, None),
        (Status.RUNNING, Desired.MANUAL, None),
    ],
)
def test_the_verb_follows_from_the_difference(status: Status, state: Desired, expected: Verb | None) -> None:
    assert verb(tenant(status, state)) is expected


@pytest.mark.parametrize(
    ("provisioning", "state", "expected"),
    [
        (Provisioning.PROVISIONING, Desired.RUNNING, Verb.PROVISION),
        (Provisioning.READY, Desired.RUNNING, Verb.RESUME),
        (Provisioning.READY, Desired.SUSPENDED, Verb.SUSPEND),
        (Provisioning.PROVISIONING, Desired.TERMINATED, Verb.TERMINATE),
    ],
)
@pytest.mark.parametrize(("status", "operation"), [(Status.ERROR, None), (Status.STARTING, "the same")])
def test_what_failed_or_is_under_way_is_done_again_by_a_retry_only(
    provisioning: Provisioning, state: Desired, expected: Verb, status: Status, operation: str | None
) -> None:
    broken = tenant(status, state, provisioning_status=provisioning, operation=expected if operation else None)
    assert verb(broken, held=expected) is None
    assert verb(broken, held=expected, retry=True) is expected


@pytest.mark.parametrize(
    ("state", "operation", "last", "expected"),
    [
        (Desired.TERMINATED, None, Verb.RESUME, Verb.TERMINATE),
        (Desired.TERMINATED, Verb.PROVISION, Verb.PROVISION, Verb.TERMINATE),
        (Desired.TERMINATED, None, None, Verb.TERMINATE),  # a failure by hand
        (Desired.SUSPENDED, None, Verb.RESUME, Verb.SUSPEND),
        (Desired.SUSPENDED, Verb.RESUME, Verb.RESUME, Verb.SUSPEND),
        (Desired.RUNNING, None, Verb.SUSPEND, Verb.RESUME),
        (Desired.RUNNING, Verb.SUSPEND, Verb.SUSPEND, Verb.RESUME),
        (Desired.RUNNING, None, Verb.RESTART, None),
        (Desired.TERMINATED, Verb.RESIZE, Verb.RESIZE, None),  # its database is in two places
        (Desired.SUSPENDED, Verb.TERMINATE, Verb.TERMINATE, None),
    ],
)
def test_error_is_not_the_end_of_what_billing_says(
    state: Desired, operation: Verb | None, last: Verb | None, expected: Verb | None
) -> None:
    broken = tenant(Status.ERROR, state, operation=operation)
    assert verb(broken, held=last) is expected


def test_what_waits_for_its_next_try_is_held_and_so_is_what_failed_while_it_shows() -> None:
    resting, broken = tenant(Status.CREATING, Desired.RUNNING), tenant(Status.ERROR, Desired.RUNNING)
    waits, failed = Last(Verb.PROVISION, "interrupted", waits=True), Last(Verb.PROVISION, "failed", waits=False)
    assert held(resting, waits) is held(broken, waits) is held(broken, failed) is Verb.PROVISION
    assert verb(resting, held=Verb.PROVISION) is None
    assert held(resting, failed) is None  # somebody put it right by hand, and it is wanted anew
    assert held(broken, replace(failed, status="succeeded")) is held(broken, None) is None


WISHED: dict[str, Any] = {"plan_name": "standard-monthly", "applied_plan": "basic-monthly"}
FAILED = WISHED | {"failed_plan": "standard-monthly"}


@pytest.mark.parametrize(
    ("status", "state", "changes", "expected"),
    [
        (Status.RUNNING, Desired.RUNNING, WISHED, Verb.RESIZE),
        (Status.STOPPED, Desired.RUNNING, WISHED, Verb.RESIZE),
        (Status.RUNNING, Desired.RUNNING, {"applied_plan": None}, Verb.RESIZE),
        (Status.PAUSED, Desired.RUNNING, WISHED, Verb.RESUME),  # and then, running, it is resized
        (Status.PAUSED, Desired.SUSPENDED, WISHED, None),
        (Status.RUNNING, Desired.SUSPENDED, WISHED, Verb.SUSPEND),
        (Status.RUNNING, Desired.TERMINATED, WISHED, Verb.TERMINATE),
        (Status.RUNNING, Desired.MANUAL, WISHED, None),
        (Status.CREATING, Desired.RUNNING, WISHED, Verb.PROVISION),
        (Status.RUNNING, Desired.RUNNING, FAILED, None),
        (Status.RUNNING, Desired.RUNNING, WISHED | {"failed_plan": "premium-monthly"}, Verb.RESIZE),
        (Status.RUNNING, Desired.RUNNING, WISHED | {"plan_name": "basic-monthly"}, None),  # undone in Kill Bill
        (Status.RUNNING, Desired.RUNNING, WISHED | {"operation": Verb.RESTART}, None),
        (Status.MIGRATING, Desired.RUNNING, WISHED | {"operation": Verb.RESIZE}, None),
    ],
)
def test_a_plan_that_is_not_applied_is_once_the_tenant_is_at_rest(
    status: Status, state: Desired, changes: dict[str, Any], expected: Verb | None
) -> None:
    assert verb(tenant(status, state, **changes)) is expected


@pytest.mark.parametrize(
    ("status", "changes", "expected"),
    [
        (Status.RUNNING, FAILED, Verb.RESIZE),
        (Status.STOPPED, FAILED, Verb.RESIZE),
        (Status.MIGRATING, WISHED | {"operation": Verb.RESIZE}, Verb.RESIZE),
        (Status.MIGRATING, {"operation": Verb.MIGRATE}, Verb.MIGRATE),
        (Status.ERROR, WISHED | {"operation": Verb.RESIZE}, Verb.RESIZE),
        (Status.ERROR, FAILED, Verb.RESUME),
    ],
)
def test_a_change_of_plan_that_failed_is_tried_again_by_hand_only(
    status: Status, changes: dict[str, Any], expected: Verb
) -> None:
    left = tenant(status, Desired.RUNNING, **changes)
    assert verb(left) is None
    assert may_retry(left)
    assert verb(left, retry=True) is expected
    assert not may_retry(tenant(Status.RUNNING, Desired.RUNNING, **WISHED))


@pytest.mark.parametrize(
    ("status", "state", "last", "expected"),
    [
        (Status.ERROR, Desired.MANUAL, Verb.STOP, Verb.STOP),
        (Status.ERROR, Desired.WAITING, Verb.PROVISION, Verb.PROVISION),
        (Status.ERROR, Desired.SUSPENDED, Verb.RESUME, Verb.SUSPEND),
        (Status.ERROR, Desired.RUNNING, None, Verb.RESUME),
        (Status.ERROR, Desired.MANUAL, None, None),
        (Status.RUNNING, Desired.MANUAL, Verb.STOP, None),
        (Status.RUNNING, Desired.RUNNING, Verb.RESUME, None),
        (Status.TERMINATED, Desired.RUNNING, Verb.TERMINATE, None),
    ],
)
def test_a_persons_retry_does_what_is_wished_or_the_last_thing_where_billing_has_no_say(
    status: Status, state: Desired, last: Verb | None, expected: Verb | None
) -> None:
    left = tenant(status, state)
    assert retried(left, last) is expected
    if expected:
        assert asked(left, None, last) is expected
    else:
        with pytest.raises(Conflict, match="nothing to try again"):
            asked(left, None, last)


@pytest.mark.parametrize(
    ("status", "state", "expected"),
    [
        (Status.RUNNING, Desired.MANUAL, Verb.STOP),  # interrupted before it recorded anything
        (Status.ERROR, Desired.WAITING, None),
        (Status.ERROR, Desired.SUSPENDED, Verb.SUSPEND),
    ],
)
def test_a_next_try_that_is_due_waits_where_billing_does(status: Status, state: Desired, expected: Verb | None) -> None:
    assert retried(tenant(status, state), Verb.STOP, by_hand=False, due=True) is expected


def test_what_a_person_asks_for_is_done_only_where_it_may_begin() -> None:
    assert asked(tenant(Status.PAUSED, Desired.SUSPENDED), Verb.RESUME, None) is Verb.RESUME
    with pytest.raises(Conflict, match="cannot stop a tenant that is paused"):
        asked(tenant(Status.PAUSED, Desired.SUSPENDED), Verb.STOP, None)


tenants = st.builds(
    tenant,
    st.sampled_from(Status),
    st.sampled_from(Desired),
    provisioning_status=st.sampled_from(Provisioning),
    operation=st.none() | st.sampled_from(Verb),
    applied_plan=st.sampled_from([None, "basic-monthly", "standard-monthly"]),
    failed_plan=st.sampled_from([None, "basic-monthly", "standard-monthly"]),
)


@given(tenants, st.booleans(), st.none() | st.sampled_from(Verb))
def test_every_verb_chosen_may_begin(some: Tenant, retry: bool, last: Verb | None) -> None:
    chosen = verb(some, retry=retry, held=last)
    if chosen is not None:
        admit(chosen, some.status, some.provisioning_status, some.operation)  # or it raises Conflict


@given(tenants, st.none() | st.sampled_from(Verb))
def test_nothing_is_repeated_by_itself_of_what_is_held_or_under_way(some: Tenant, last: Verb | None) -> None:
    if some.status is Status.ERROR or some.operation is not None:
        chosen = verb(some, held=last)
        assert chosen is None or chosen in {Verb.SUSPEND, Verb.RESUME, Verb.TERMINATE} - {last, some.operation}


@dataclass
class World:
    """A registry that syncs the one account Kill Bill knows: reads it, writes down what follows, runs the verbs."""

    known: Known = field(default_factory=Known)
    tenants: dict[UUID, Tenant] = field(default_factory=dict)

    def sync(self, seen: Account) -> None:
        for each in desired(seen, self.known):
            name = each.subscription.id
            if each.claims_trial:
                self.known = replace(self.known, trial_of=name)
            if name not in self.tenants and each.desired is not Desired.TERMINATED:
                self.tenants[name] = tenant(Status.CREATING, Desired.WAITING, id=name)
            if name in self.tenants and self.tenants[name].status is not Status.TERMINATED:
                billing = each.billing or self.tenants[name].billing_status
                self.tenants[name] = replace(self.tenants[name], desired_state=each.desired, billing_status=billing)
                self.run(name)

    def run(self, name: UUID) -> None:
        while (chosen := verb(self.tenants[name])) is not None:
            done = replace(self.tenants[name], status=next(iter(VERBS[chosen].goals)))
            if chosen is Verb.PROVISION:
                done = replace(done, provisioning_status=Provisioning.READY)
                self.known = replace(self.known, provisioned=self.known.provisioned | {name})
            self.tenants[name] = done

    def state(self) -> dict[UUID, tuple[Status, Billing | None]]:
        """What is terminated keeps the billing it last had, which depends on when it was last read."""
        ended = Status.TERMINATED
        return {name: (each.status, None if each.status is ended else each.billing_status) for name, each in self.tenants.items()}


invoices = st.builds(invoice, st.integers(0, 20), st.integers(0, 20), failed=st.booleans())
phases = st.sampled_from([Phase.TRIAL, Phase.EVERGREEN, Phase.EVERGREEN, Phase.CANCELLED])
accounts = st.builds(
    lambda phase, bills, overdue, blocked: account(subscription(phase, blocked=blocked), invoices=tuple(bills), overdue=overdue),
    phases, st.lists(invoices, max_size=3), st.sampled_from(["", "BLOCKED"]), st.booleans(),
)  # fmt: skip
histories = st.lists(accounts, max_size=6).map(lambda later: [account(subscription(Phase.TRIAL)), *later])


def _until_cancelled(history: list[Account]) -> list[Account]:
    """A cancelled subscription never comes back."""
    ends = [at for at, each in enumerate(history) if each.subscriptions[0].phase is Phase.CANCELLED]
    return history[: ends[0] + 1] if ends else history


@given(histories, st.randoms(use_true_random=False), st.integers(0, 30))
def test_events_late_repeated_reordered_or_lost_all_end_the_same(
    history: list[Account], chance: random.Random, repeats: int
) -> None:
    """Each sync reads what Kill Bill says then; whichever syncs happen in between, the end is that of the last reading."""
    history = _until_cancelled(history)
    every, some = World(), World()
    for seen in history:
        every.sync(seen)
    some.sync(history[0])  # the trial has begun: what was never provisioned is another story
    for at in sorted(chance.choices(range(len(history)), k=repeats)):
        some.sync(history[at])
    some.sync(history[-1])
    assert some.state() == every.state()
    before = some.state()
    some.sync(history[-1])
    assert some.state() == before
