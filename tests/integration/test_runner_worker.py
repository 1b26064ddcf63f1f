"""Real worker processes on a real registry: one run per tenant, no run lost unseen, none repeated by itself."""

from __future__ import annotations

import os
import signal
import time
import uuid
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import psutil
import pytest
import requests

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters import tenant_lock, tenants
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.registry import connect
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.lifecycle import Desired, Verb
from tests.fixtures.postgres import Cluster
from tests.fixtures.registry import Registry
from tests.fixtures.runner import TOKEN, Web, process, rows, with_playbook, write_inventory
from tests.fixtures.waiting import eventually
from webhook_runner import queue
from webhook_runner.services import Services
from webhook_runner.settings import Settings

_STEP = """
- name: {state} {verb}
  saasodoo.platform.tenant_operation:
    tenant: "{{{{ tenant }}}}"
    verb: {verb}
    state: {state}
    registry: "{{{{ saasodoo_registry }}}}"
"""


def operation(verb: str, *tasks: str) -> str:
    """A playbook's tasks as the product's own: begin, do, finish."""
    return "".join([_STEP.format(verb=verb, state="begun"), *tasks, _STEP.format(verb=verb, state="finished")])


@pytest.fixture
def settings(runner_settings: Settings, registry_roles: Registry) -> Settings:
    """Runs take their tenant's lock and write down its status, as the product's do."""
    write_inventory(runner_settings.inventory, saasodoo_registry=registry_roles.operator)
    return with_playbook(runner_settings, "provision", operation("provision"))


def new_tenant(settings: Settings, name: str = "acme") -> UUID:
    with connect(settings.registry, cause="test") as connection:
        made = tenants.create(
            connection,
            subdomain=name,
            customer_id="c1",
            plan_name="basic-monthly",
            odoo_version="19.0",
            ports=range(22000, 22100),
            desired_state=Desired.RUNNING,
        )
    return made.id


def ask(services: Services, tenant: UUID, *, retry: bool = False, verb: Verb = Verb.PROVISION) -> None:
    job = queue.converge_tenant(tenant, verb, cause="event:1", correlation_id=str(uuid.uuid4()), retry=retry)
    with services.registry.transaction() as connection:
        queue.defer(connection, job)


def status(settings: Settings, tenant: UUID) -> str:
    return str(rows(settings, "SELECT status FROM tenant.tenants WHERE id = %s", tenant)[0]["status"])


def runs(settings: Settings) -> list[dict[str, object]]:
    return rows(settings, "SELECT * FROM ops.runs ORDER BY queued_at")


def test_a_tenant_is_brought_to_what_is_desired_and_the_run_is_recorded(
    settings: Settings, services: Services, tmp_path: Path
) -> None:
    tenant = new_tenant(settings)
    with process(settings, "worker", tmp_path / "worker.log"):
        ask(services, tenant)
        eventually(lambda: status(settings, tenant) == "running")
        eventually(lambda: runs(settings)[0]["status"] == "succeeded")
    (run,) = runs(settings)
    assert (run["verb"], run["playbook"], run["tenant_id"], run["exit_code"]) == ("provision", "tenant_provision.yml", tenant, 0)
    events = rows(settings, "SELECT * FROM ops.run_events WHERE run_id = %s ORDER BY seq", run["id"])
    tasks = [(each["task"], each["event"]) for each in events if each["event"] == "runner_on_ok"]
    assert tasks == [("begun provision", "runner_on_ok"), ("finished provision", "runner_on_ok")]
    assert all(each["duration"] > 0 for each in events if each["event"] == "runner_on_ok")
    causes = rows(settings, "SELECT DISTINCT cause, correlation_id FROM ops.journal WHERE action = 'update'")
    assert {(row["cause"], row["correlation_id"]) for row in causes} == {(f"run:{run['id']}", str(run["correlation_id"]))}


def test_a_failed_run_is_an_error_nobody_repeats_until_it_is_retried(
    settings: Settings, services: Services, tmp_path: Path, web: Web
) -> None:
    settings = with_playbook(
        settings, "provision", operation("provision", "- name: Find room\n  ansible.builtin.fail:\n    msg: no room\n")
    )
    tenant = new_tenant(settings)
    with process(settings, "worker", tmp_path / "worker.log"):
        ask(services, tenant)
        eventually(lambda: runs(settings) and runs(settings)[-1]["status"] == "failed")
        (failed,) = runs(settings)
        assert failed["message"] == "Find room: no room"
        (row,) = rows(settings, "SELECT status, operation, status_message FROM tenant.tenants")
        assert (row["status"], row["operation"]) == ("error", None)
        assert row["status_message"] == f"provision failed: Find room: no room (run {failed['id']})"
        ask(services, tenant)
        eventually(lambda: not rows(settings, "SELECT FROM procrastinate_jobs WHERE task_name = 'converge_tenant'"))
        assert len(runs(settings)) == 1

        with_playbook(settings, "provision", operation("provision"))
        url = f"{web.url}/api/admin/runs/{failed['id']}/retry"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert requests.post(url, timeout=20).status_code == 401
        assert requests.post(url, headers=headers, timeout=20).json() == {"queued": True}
        eventually(lambda: status(settings, tenant) == "running")
        eventually(lambda: runs(settings)[-1]["status"] == "succeeded")
        assert requests.post(url, headers=headers, timeout=20).status_code == 409
        shown = web.get(f"/api/admin/runs/{failed['id']}", token=TOKEN).json()
        assert shown["run"]["message"] == "Find room: no room"
        assert [each["message"] for each in shown["events"] if each["event"] == "runner_on_failed"] == ["no room"]
        listed = web.get(f"/api/admin/runs?tenant={tenant}&status=succeeded", token=TOKEN).json()["runs"]
        assert [each["cause"] for each in listed] == [f"retry:{failed['id']}"]


def long_step(word: str, seconds: int = 600) -> str:
    return f"- name: Take long\n  ansible.builtin.command: sleep {seconds}.{int(word, 16)}\n  changed_when: false\n"


def sleeping(word: str) -> list[psutil.Process]:
    return [each for each in psutil.process_iter(["cmdline"]) if (each.info["cmdline"] or [""])[-1].endswith(f".{int(word, 16)}")]


def test_the_run_of_a_worker_killed_is_found_ended_and_marked_lost(
    settings: Settings, services: Services, tmp_path: Path
) -> None:
    word = uuid.uuid4().hex[:7]
    settings = with_playbook(settings, "provision", operation("provision", long_step(word)))
    tenant = new_tenant(settings)
    with process(settings, "worker", tmp_path / "worker.log") as worker:
        ask(services, tenant)
        eventually(lambda: sleeping(word))
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    assert status(settings, tenant) == "creating"
    with process(settings, "worker", tmp_path / "worker.log"):
        eventually(lambda: runs(settings)[0]["status"] == "lost", seconds=20)
        assert not sleeping(word)
        (row,) = rows(settings, "SELECT status, operation, status_message FROM tenant.tenants")
        assert (row["status"], row["operation"]) == ("error", None)
        assert "its worker" in row["status_message"]
        time.sleep(2)
        assert len(runs(settings)) == 1  # not repeated by itself
        with_playbook(settings, "provision", operation("provision"))
        ask(services, tenant, retry=True)
        eventually(lambda: status(settings, tenant) == "running")


def test_a_lost_run_that_had_recorded_its_end_leaves_the_tenant_as_it_is(
    settings: Settings, services: Services, tmp_path: Path
) -> None:
    """ansible-playbook outlives a killed worker, and may come to its end before the next one looks."""
    word = uuid.uuid4().hex[:7]
    settings = with_playbook(settings, "provision", operation("provision") + long_step(word))
    tenant = new_tenant(settings)
    with process(settings, "worker", tmp_path / "worker.log") as worker:
        ask(services, tenant)
        eventually(lambda: sleeping(word))
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    recorded = rows(settings, "SELECT * FROM tenant.tenants")
    with process(settings, "worker", tmp_path / "worker.log"):
        eventually(lambda: runs(settings)[0]["status"] == "lost", seconds=20)
    assert recorded[0]["status"] == "running"
    assert rows(settings, "SELECT * FROM tenant.tenants") == recorded


def test_a_job_whose_worker_died_before_its_run_began_is_done_by_another(
    settings: Settings, services: Services, tmp_path: Path
) -> None:
    tenant = new_tenant(settings)
    ask(services, tenant)
    rows(settings, "UPDATE procrastinate_jobs SET status = 'doing' RETURNING id")  # fetched, and then silence
    with process(settings, "worker", tmp_path / "worker.log"):
        eventually(lambda: status(settings, tenant) == "running")


def test_two_workers_run_one_playbook_at_a_time_for_a_tenant_and_others_beside_it(
    settings: Settings, services: Services, tmp_path: Path
) -> None:
    note = f"""
- name: Note the time
  ansible.builtin.shell: "echo {{{{ tenant }}}} $(date +%s.%N) >> {tmp_path}/times; sleep 1;
    echo {{{{ tenant }}}} $(date +%s.%N) >> {tmp_path}/times"
  changed_when: true
- name: Fail
  ansible.builtin.fail:
    msg: again
"""
    settings = replace(with_playbook(settings, "provision", operation("provision", note)), concurrency=3)
    pair = [new_tenant(settings, "one"), new_tenant(settings, "two")]
    with process(settings, "worker", tmp_path / "1.log"), process(settings, "worker", tmp_path / "2.log"):
        for _ in range(3):
            for tenant in pair:
                ask(services, tenant)
                ask(services, tenant, retry=True)
            time.sleep(1)
        unfinished = "SELECT FROM procrastinate_jobs WHERE task_name = 'converge_tenant' AND status IN ('todo', 'doing')"
        eventually(lambda: not rows(settings, unfinished), seconds=60)
    moments = [line.split() for line in (tmp_path / "times").read_text().splitlines()]
    for tenant in pair:
        own = [float(moment) for name, moment in moments if name == str(tenant)]
        assert len(own) >= 4
        assert own == sorted(own)
        assert all(end - begin >= 0.9 for begin, end in zip(own[::2], own[1::2], strict=True))  # no two overlap
    assert {run["status"] for run in runs(settings)} == {"failed"}


def test_a_run_waits_for_an_operator_and_harms_nothing_when_it_may_not(
    settings: Settings, services: Services, tmp_path: Path, registry_roles: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhook_runner.execution._LOCK_WAIT", 0)
    from webhook_runner.converge import converge

    tenant = new_tenant(settings)
    there = replace(services, settings=settings)
    with connect(registry_roles.operator, autocommit=True) as by_hand:
        tenant_lock.take(by_hand, "acme", 0)
        assert converge(there, tenant, cause="event:1", correlation_id="") == "provision failed"
        assert "another run is working on tenant acme" in str(runs(settings)[0]["message"])
        assert status(settings, tenant) == "creating"
    assert converge(there, tenant, cause="event:1", correlation_id="") == "provision succeeded"


def test_a_worker_asked_to_stop_ends_its_runs_and_says_so(settings: Settings, services: Services, tmp_path: Path) -> None:
    word = uuid.uuid4().hex[:7]
    settings = replace(with_playbook(settings, "provision", operation("provision", long_step(word))), stop_grace=1)
    tenant = new_tenant(settings)
    with process(settings, "worker", tmp_path / "worker.log") as worker:
        ask(services, tenant)
        eventually(lambda: sleeping(word))
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=30) == 0
    assert not sleeping(word)
    assert runs(settings)[0]["status"] == "lost"
    assert status(settings, tenant) == "error"
    assert not rows(settings, "SELECT FROM procrastinate_jobs WHERE status = 'doing'")


def test_a_run_past_its_limit_is_timed_out(settings: Settings, services: Services, tmp_path: Path) -> None:
    word = uuid.uuid4().hex[:7]
    settings = replace(with_playbook(settings, "provision", operation("provision", long_step(word))), run_limit=3)
    tenant = new_tenant(settings)
    with process(settings, "worker", tmp_path / "worker.log"):
        ask(services, tenant)
        eventually(lambda: status(settings, tenant) == "error")
    assert runs(settings)[0]["status"] == "timed_out"
    assert not sleeping(word)


def test_the_registry_killed_amid_a_run_loses_the_run_but_not_the_worker(
    settings: Settings, services: Services, tmp_path: Path, postgres: Cluster
) -> None:
    word = uuid.uuid4().hex[:7]
    settings = with_playbook(settings, "provision", operation("provision", long_step(word)))
    tenant = new_tenant(settings)
    with process(settings, "worker", tmp_path / "worker.log") as worker:
        ask(services, tenant)
        eventually(lambda: sleeping(word))
        postgres.kill()
        postgres.start()
        eventually(lambda: runs(settings)[0]["status"] != "running")
        # By who notices first: the search for dead runs, or the run, whose lock is gone.
        assert runs(settings)[0]["status"] in ("lost", "failed")
        eventually(lambda: not sleeping(word))
        eventually(lambda: status(settings, tenant) == "error")
        with_playbook(settings, "provision", operation("provision"))
        ask(services, tenant, retry=True)
        eventually(lambda: status(settings, tenant) == "running")
        assert worker.poll() is None
