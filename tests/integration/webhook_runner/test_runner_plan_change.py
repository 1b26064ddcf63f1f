"""A changed plan on a real registry: applied once, at rest, by one run; a failed or lost one only again by hand."""

from __future__ import annotations

import os
import signal
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.subscription import (
    Account,
    Invoice,
    Phase,
    Subscription,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import Queue
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict
from tests.fixtures.registry import Registry
from tests.fixtures.runner import FakeKillBill, process, rows, with_playbook, write_inventory
from tests.fixtures.waiting import eventually
from webhook_runner.converge import converge
from webhook_runner.converge import retry as retry_run
from webhook_runner.services import Services
from webhook_runner.sync import sync

_PLANS = """
INSERT INTO billing.plan_entitlements (plan_name, effective_date, cpu_limit, memory_limit, storage_limit)
VALUES ('standard-monthly', '2020-01-01', 4, '8GB', '25GB'), ('premium-monthly', '2020-01-01', 8, '16GB', '100GB')
"""
_STEP = """
- name: {state} {verb}
  saasodoo.platform.tenant_operation:
    tenant: "{{{{ tenant }}}}"
    verb: {verb}
    state: {state}
    message: "{message}"
    registry: "{{{{ saasodoo_registry }}}}"
"""
_FAILS = "- name: Find room\n  ansible.builtin.fail:\n    msg: no room\n"
_TAKES_LONG = "- name: Take long\n  ansible.builtin.command: sleep 600\n  changed_when: false\n"


def step(verb: str, state: str, message: str = "") -> str:
    return _STEP.format(verb=verb, state=state, message=message)


def operation(verb: str, *tasks: str) -> str:
    """A playbook's tasks as the product's own: begin, do, finish."""
    return "".join([step(verb, "begun"), *tasks, step(verb, "finished")])


class Life:
    """One customer's tenant: what Kill Bill says of it, syncs, and the runs that follow."""

    def __init__(self, services: Services, killbill: FakeKillBill) -> None:
        self.services, self.killbill, self.settings = services, killbill, services.settings
        wanted = Subscription(uuid.uuid4(), "acme", "basic-monthly", Phase.EVERGREEN, datetime(2026, 1, 1, tzinfo=UTC), None)
        paid = Invoice(uuid.uuid4(), frozenset({wanted.id}), Decimal(10), Decimal(0), failed=False, pending=False)
        self.account = Account(uuid.uuid4(), "c1", "USD", "", (wanted,), (paid,))

    def sync(self, **changes: Any) -> str:
        """Kill Bill says so of the subscription; return the outcome of the sync that follows."""
        self.account = replace(self.account, subscriptions=(replace(self.account.subscriptions[0], **changes),))
        self.killbill.known[self.account.id] = self.account
        return sync(self.services, self.account.id, cause="event:1", correlation_id=str(uuid.uuid4()))

    def converge(self, *, retry: bool = False) -> str:
        """Do what is queued for the tenant, here."""
        rows(self.settings, "DELETE FROM procrastinate_jobs WHERE task_name = 'converge_tenant' RETURNING id")
        return converge(self.services, self.tenant["id"], cause="event:1", correlation_id="", retry=retry)

    @property
    def queued(self) -> int:
        statement = "SELECT FROM procrastinate_jobs WHERE task_name = 'converge_tenant' AND status = 'todo'"
        return len(rows(self.settings, statement))

    @property
    def tenant(self) -> dict[str, Any]:
        (row,) = rows(self.settings, "SELECT * FROM tenant.tenants")
        return row

    @property
    def runs(self) -> list[dict[str, Any]]:
        return rows(self.settings, "SELECT * FROM ops.runs ORDER BY queued_at")


@pytest.fixture
def life(services: Services, killbill: FakeKillBill, registry_roles: Registry) -> Life:
    """A customer whose tenant runs with plan basic-monthly."""
    with psycopg.connect(registry_roles.admin, autocommit=True) as admin:
        admin.execute(_PLANS)
    write_inventory(services.settings.inventory, saasodoo_registry=registry_roles.operator)
    for verb in ("provision", "resize", "suspend", "resume", "stop"):
        with_playbook(services.settings, verb, operation(verb))
    made = Life(services, killbill)
    made.sync()
    assert made.converge() == "provision succeeded"
    assert (made.tenant["status"], made.tenant["applied_plan"]) == ("running", "basic-monthly")
    return made


def test_a_changed_plan_is_applied_once_by_a_run_of_its_own(life: Life) -> None:
    assert life.sync(plan_name="standard-monthly") == "acme: paid, resize"
    life.sync()
    assert life.queued == 1
    assert life.converge() == "resize succeeded"
    assert (life.tenant["applied_plan"], life.tenant["status"]) == ("standard-monthly", "running")
    run = life.runs[-1]
    assert (run["kind"], run["playbook"]) == ("resize", "tenant_resize.yml")
    assert life.sync() == "acme: paid"
    assert life.queued == 0


def test_a_change_taken_back_before_it_was_applied_is_nothing(life: Life) -> None:
    life.sync(plan_name="standard-monthly")
    assert life.sync(plan_name="basic-monthly") == "acme: paid"
    assert life.converge() == "nothing to do"
    assert len(life.runs) == 1


def test_a_change_while_suspended_is_applied_after_resuming(life: Life) -> None:
    life.sync(blocked=True)
    assert life.converge() == "suspend succeeded"
    assert life.sync(plan_name="standard-monthly") == "acme: blocked in Kill Bill"
    assert life.converge() == "nothing to do"
    life.sync(blocked=False)
    assert life.converge() == "resume succeeded, resize succeeded"
    assert life.tenant["applied_plan"] == "standard-monthly"


def test_one_that_failed_is_tried_again_by_hand_only_and_the_tenant_runs_on(life: Life) -> None:
    undone = step("resize", "undone", "no room")
    with_playbook(life.settings, "resize", step("resize", "begun") + undone + _FAILS)
    life.sync(plan_name="standard-monthly")
    assert life.converge() == "resize failed"
    tenant = life.tenant
    assert (tenant["status"], tenant["operation"], tenant["failed_plan"]) == ("running", None, "standard-monthly")
    assert tenant["status_message"] == "no room"
    assert life.sync() == "acme: paid"
    assert (life.queued, life.converge()) == (0, "nothing to do")

    with_playbook(life.settings, "resize", operation("resize"))
    with life.services.registry.transaction() as connection:
        assert retry_run(connection, life.runs[-1]["id"], cause="by hand")
    assert life.queued == 1
    assert life.converge(retry=True) == "resize succeeded"
    assert (life.tenant["applied_plan"], life.tenant["failed_plan"]) == ("standard-monthly", None)
    with life.services.registry.transaction() as connection, pytest.raises(Conflict):
        retry_run(connection, life.runs[-2]["id"], cause="by hand")


def test_another_plan_is_another_try(life: Life) -> None:
    with_playbook(life.settings, "resize", step("resize", "begun") + step("resize", "undone", "no room") + _FAILS)
    life.sync(plan_name="premium-monthly")
    life.converge()
    with_playbook(life.settings, "resize", operation("resize"))
    assert life.sync(plan_name="standard-monthly") == "acme: paid, resize"
    assert life.converge() == "resize succeeded"


def test_one_that_could_not_even_begin_is_not_tried_at_every_sync(life: Life) -> None:
    with_playbook(life.settings, "resize", _FAILS)
    life.sync(plan_name="standard-monthly")
    assert life.converge() == "resize failed"
    assert (life.tenant["status"], life.tenant["failed_plan"]) == ("running", "standard-monthly")
    assert "no room" in life.tenant["status_message"]
    life.sync()
    assert life.queued == 0


def kill_worker(life: Life, tmp_path: Path) -> None:
    """Change the plan, kill the worker while its run takes long, and let another find that."""
    rows(life.settings, "DELETE FROM procrastinate_jobs RETURNING id")
    life.sync(plan_name="standard-monthly")
    with process(life.settings, "worker", tmp_path / "worker.log") as worker:
        taking = "SELECT FROM ops.run_events WHERE task = 'Take long'"
        eventually(lambda: rows(life.settings, taking))
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    with process(life.settings, "worker", tmp_path / "worker.log"):
        eventually(lambda: life.runs[-1]["status"] == "lost")


@pytest.mark.parametrize(("moving", "left"), [(False, ("running", "resize")), (True, ("migrating", "resize"))])
def test_a_lost_run_goes_on_where_the_tenant_runs_and_leaves_what_is_moved_to_its_journal(
    life: Life, tmp_path: Path, moving: bool, left: tuple[str, str | None]
) -> None:
    with_playbook(
        life.settings, "resize", step("resize", "begun") + (step("resize", "migrating") if moving else "") + _TAKES_LONG
    )
    kill_worker(life, tmp_path)
    assert (life.tenant["status"], life.tenant["operation"]) == left
    assert "its worker" in life.tenant["status_message"]
    assert len([run for run in life.runs if run["kind"] == "resize"]) == 1
    life.sync()
    assert life.queued == 0
    with life.services.registry.transaction() as connection:
        assert retry_run(connection, life.runs[-1]["id"], cause="by hand")
    job = rows(life.settings, "SELECT queue_name FROM procrastinate_jobs WHERE status = 'todo' AND queueing_lock LIKE 'retry:%%'")
    assert [each["queue_name"] for each in job] == [Queue.OPERATIONS]


def test_a_lost_run_that_had_applied_the_plan_has_applied_it(life: Life, tmp_path: Path) -> None:
    with_playbook(life.settings, "resize", operation("resize") + _TAKES_LONG)
    kill_worker(life, tmp_path)
    tenant = life.tenant
    assert (tenant["applied_plan"], tenant["failed_plan"]) == ("standard-monthly", None)
    assert (tenant["status"], tenant["operation"], tenant["status_message"]) == ("running", None, "")


def test_one_that_fails_after_it_had_recorded_its_end_leaves_the_tenant_as_it_is(life: Life) -> None:
    with_playbook(life.settings, "suspend", operation("suspend") + _FAILS)
    life.sync(blocked=True)
    assert life.converge() == "suspend failed"
    assert (life.tenant["status"], life.tenant["operation"], life.tenant["status_message"]) == ("paused", None, "")
