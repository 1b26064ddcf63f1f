"""The runner dies while it moves a database for a change of plan at the real Kill Bill: the same by hand makes an end of it.

Its worker is killed at the entry of a step; the run outlives it, until the next worker finds it without one and ends it.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.record import MigrationCourse
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.steps import STEPS, Step
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Billing, Status
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry
from demo.platform import Platform
from demo.timeline import wait_until
from tests.acceptance.test_customer_life import answers, until
from tests.faults import victims
from tests.faults.cells import Bench
from tests.faults.gate import Gate, install
from tests.fixtures.faults import ALL, SEED
from tests.fixtures.platform import LocalPlatform
from tests.fixtures.processes import kill
from tests.fixtures.reporting import Report
from tests.fixtures.tenants import Tenants

pytestmark = pytest.mark.timeout(2 * 60 * 60)

#: The plan on a shared server, and the one on a server of its own.
_PLANS = ("basic-immediate", "premium-monthly")
_ONLINE = STEPS[MigrationCourse.ONLINE]
_RUNS = "SELECT count(*) AS number FROM ops.runs WHERE tenant_id = %s AND status = %s"
_PATIENCE = 120  # seconds


@dataclass(frozen=True)
class Customer:
    """One who changes between two plans, and so between two servers."""

    shop: Platform
    platform: LocalPlatform
    name: str
    subscription: UUID

    @property
    def bench(self) -> Bench:
        """The tenant on the servers there are now."""
        return Bench(Tenants(self.platform), self.name, SEED)

    def runs(self, status: str) -> int:
        """Return how many of its runs are so."""
        with registry.connect(self.shop.registry) as connection:
            row = connection.execute(_RUNS, (self.shop.tenant(self.name).id, status)).fetchone()
        assert row is not None
        return int(row["number"])

    def changes_plan(self, step: Step, log: Path) -> list[str]:
        """Change to the other plan, kill the worker as the step begins, resize by hand; name what is not as it should be."""
        bench = self.bench
        source, _ = bench.place()
        plan = _PLANS[not source.startswith("dedicated")]
        lost = self.runs("lost")
        with bench.writer(source) as writer:
            gate = Gate(bench.registry, (MigrationCourse.ONLINE, step, "begun"))
            with gate.closed():
                self.shop.customer.change_plan(self.subscription, plan)
                assert gate.reached(), f"the move never came to {step}"
                kill(victims.runner(self.platform.home))
                wait_until("the run is lost", lambda: self.runs("lost") > lost, _PATIENCE)
            code = bench.run("resize", log)
        until(self.shop, self.name, "has its plan", status=Status.RUNNING, operation=None, applied_plan=plan)
        wait_until("no other run works on it", lambda: not self.runs("running"), _PATIENCE)
        moved = bench.place()[0]
        found = [f"the run by hand failed, see {log}"] * bool(code)
        found += [f"it is on {moved} with {plan}"] * (moved.startswith("dedicated") != (plan == _PLANS[1]))
        return found + writer.problems() + self.bench.problems()


@pytest.fixture(scope="module")
def customer(platform: LocalPlatform) -> Iterator[Customer]:
    """A paying one."""
    shop, name = Platform.here(platform.environment), f"die-{uuid.uuid4().hex[:6]}"
    account = shop.open_account(name)
    shop.customer.set_payments("succeed")
    subscription = shop.customer.subscribe(account, _PLANS[0], name)
    answers(shop, name, 200)
    until(shop, name, "runs, paid", status=Status.RUNNING, billing_status=Billing.PAID, operation=None)
    customer = Customer(shop, platform, name, subscription)
    install(customer.bench.registry)
    yield customer
    shop.customer.cancel(subscription)


def test_whenever_the_runner_dies_the_plan_is_reached_with_all_that_was_written(
    customer: Customer, tmp_path: Path, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAASODOO_LOCK_WAIT", "60")  # the next worker's round may be undoing what the dead run began
    steps = [*_ONLINE, *reversed(_ONLINE)] if ALL else [random.Random(SEED).choice(_ONLINE)]  # each step there and back
    bad = []
    report(f"{len(steps)} deaths of the runner (SAASODOO_FAULT_SEED={SEED})")
    for number, step in enumerate(steps):
        problems = customer.changes_plan(step, tmp_path / f"{number}.log")
        report(f"{step:10} {problems or 'resumed'}")
        bad += [f"{step}: {each}" for each in problems]
    assert not bad, "\n".join(bad)
