"""Subscriptions whose texts nobody would think of, on a real registry: each is judged alone, whatever stands beside it."""

from __future__ import annotations

import string
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.subscription import Account, Phase, Subscription
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.subdomain import RESERVED
from tests.fixtures.runner import FakeKillBill, rows
from webhook_runner.services import Services
from webhook_runner.sync import sync

START = datetime(2026, 1, 1, tzinfo=UTC)
_ANYTHING = st.text(st.characters(exclude_categories=[]), max_size=255)  # halves of surrogate pairs and NUL, too
_LONGER = st.integers(64, 255).map("a".__mul__)
_WORSE = st.sampled_from(["\0", "a\0", "\ud800", "a\udfffb", "", " ", "xn--a", "-", "'; DROP TABLE x", "%s", "%(id)s", "{{ 1 }}"])
_RESERVED = st.sampled_from(sorted(frozenset().union(*RESERVED.values())))
_FREE = st.text(string.ascii_letters, min_size=16, max_size=40)  # so long that none is reserved
_BAD_NAMES = _WORSE | _RESERVED | _LONGER | _ANYTHING.filter(lambda text: not text.isascii())
_BAD_PLANS = _WORSE | _ANYTHING.filter(lambda text: text != "basic-monthly")


@dataclass(frozen=True)
class Asked:
    """A subscription's texts, and whether both are such that there can be a tenant."""

    name: str
    plan: str
    sound: bool


_GOOD = st.builds(Asked, _FREE, st.just("basic-monthly"), st.just(True))
_BAD = st.builds(Asked, _BAD_NAMES, st.just("basic-monthly") | _BAD_PLANS, st.just(False)) | st.builds(
    Asked,
    _FREE,
    _BAD_PLANS,
    st.just(False),
)
_CUSTOMERS = _WORSE | _ANYTHING | st.just("c1")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(asked=st.lists(_GOOD | _BAD, min_size=1, max_size=5, unique_by=lambda each: each.name.lower()), customer=_CUSTOMERS)
def test_exactly_the_sound_ones_become_what_they_should(
    services: Services, killbill: FakeKillBill, asked: list[Asked], customer: str
) -> None:
    known = bool(customer.strip()) and not any(char in "\0\ufffd" or "\ud800" <= char <= "\udfff" for char in customer)
    subscriptions = [
        Subscription(uuid.uuid4(), each.name, each.plan, Phase.TRIAL, START + timedelta(days=n), None)
        for n, each in enumerate(asked)
    ]
    # The registry outlives an example: its customer is told from earlier ones', which had their trial.
    seen = Account(uuid.uuid4(), f"{customer}{uuid.uuid4()}" if known else customer, "USD", "", tuple(subscriptions), ())
    killbill.known[seen.id] = seen
    for _ in range(2):  # what one reading made of it, the next leaves
        sync(services, seen.id, cause="event:1", correlation_id="")
    found = {
        row["subscription_id"]: (row["subdomain"], row["status"], row["desired_state"], row["status_message"] != "")
        for row in rows(services.settings, "SELECT * FROM tenant.tenants WHERE account_id = %s", seen.id)
    }
    sound = [known and each.sound for each in asked]
    trial = sound.index(True) if True in sound else None  # the first that can be has the customer's one trial
    for n, (subscription, each) in enumerate(zip(subscriptions, asked, strict=True)):
        wanted = (each.name.lower(), "creating", "running" if n == trial else "waiting", False)
        assert found[subscription.id] == (wanted if sound[n] else (None, "error", "waiting", True)), each
    # Names are free again for the next example.
    _terminate(services, seen)


def _terminate(services: Services, account: Account) -> None:
    with services.registry.transaction() as connection:
        connection.execute(
            "UPDATE tenant.tenants SET status = 'terminated', http_port = NULL WHERE account_id = %s", (account.id,)
        )
