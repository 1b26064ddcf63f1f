"""Real worker processes on a real registry: one run per tenant, no run lost unseen, none repeated by itself."""

from __future__ import annotations

import os
import random
import re
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from uuid import UUID

import psutil
import pytest
import requests

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Desired
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import Verb
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import tenant_lock, tenants
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import connect
from tests.fixtures.killbill import Receiver
from tests.fixtures.postgres import Cluster, free_port
from tests.fixtures.registry import Registry
from tests.fixtures.reporting import Report
from tests.fixtures.runner import TOKEN, Web, process, rows, with_playbook, write_inventory
from tests.fixtures.waiting import eventually
from webhook_runner import queue
from webhook_runner.second_look import look_again
from webhook_runner.services import Services
from webhook_runner.settings import Settings

_MOVE_PORT = "UPDATE tenant.tenants SET http_port = %s RETURNING id"
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
    assert (run["kind"], run["playbook"], run["tenant_id"], run["exit_code"]) == ("provision", "tenant_provision.yml", tenant, 0)
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


def test_the_run_of_a_worker_killed_is_found_ended_and_goes_on_by_itself(
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
    with_playbook(settings, "provision", operation("provision"))
    with process(replace(settings, first_pause=2), "worker", tmp_path / "worker.log"):
        eventually(lambda: runs(settings)[0]["status"] == "lost", seconds=20)
        assert not sleeping(word)
        (row,) = rows(settings, "SELECT status, operation, status_message FROM tenant.tenants")
        assert (row["status"], row["operation"]) == ("creating", "provision")
        assert "its worker" in row["status_message"]
        assert re.search(r"tried again at \d\d:\d\d:\d\d UTC, 2 of 8", row["status_message"])
        eventually(lambda: status(settings, tenant) == "running")
        eventually(lambda: runs(settings)[-1]["status"] == "succeeded")
    lost, again = runs(settings)
    assert (again["retry_of"], again["attempt"], again["cause"]) == (lost["id"], 2, f"again:{lost['id']}")
    assert again["started_at"] - lost["finished_at"] >= timedelta(seconds=2)  # type: ignore[operator]
    assert (lost["next_try_at"], again["next_try_at"]) == (None, None)


_AWAY = """
import os
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Unavailable
from ansible_collections.saasodoo.platform.plugins.module_utils.outcome import failure
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        return failure(Unavailable("the moon does not answer"))
"""


def test_what_is_interrupted_each_time_is_tried_so_often_and_then_an_error(
    settings: Settings, services: Services, tmp_path: Path
) -> None:
    (settings.playbooks / "action_plugins").mkdir()
    (settings.playbooks / "action_plugins/moon.py").write_text(_AWAY)
    settings = with_playbook(settings, "provision", operation("provision", "- name: Ask the moon\n  moon:\n"))
    settings = replace(settings, most_tries=3, first_pause=0.5)
    tenant = new_tenant(settings)
    with process(settings, "worker", tmp_path / "worker.log"):
        ask(services, tenant)
        eventually(lambda: status(settings, tenant) == "error", seconds=60)
        ask(services, tenant)
        eventually(lambda: not rows(settings, "SELECT FROM procrastinate_jobs WHERE task_name = 'converge_tenant'"))
    tries = runs(settings)
    assert [each["status"] for each in tries] == ["interrupted"] * 3
    assert [each["attempt"] for each in tries] == [1, 2, 3]
    assert [each["retry_of"] for each in tries] == [None, tries[0]["id"], tries[1]["id"]]
    (row,) = rows(settings, "SELECT status_message FROM tenant.tenants")
    assert row["status_message"] == f"provision interrupted: Ask the moon: the moon does not answer (run {tries[2]['id']})"


def test_who_was_given_up_is_tried_once_more_when_its_odoo_answers(
    settings: Settings, services: Services, tmp_path: Path, webhook_receiver: Receiver
) -> None:
    (settings.playbooks / "action_plugins").mkdir()
    (settings.playbooks / "action_plugins/moon.py").write_text(_AWAY)
    settings = with_playbook(settings, "provision", operation("provision", "- name: Ask the moon\n  moon:\n"), most_tries=1)
    tenant = new_tenant(settings)
    with process(settings, "worker", tmp_path / "worker.log"):
        ask(services, tenant)
        eventually(lambda: status(settings, tenant) == "error")
        rows(settings, _MOVE_PORT, free_port())
        assert look_again(services) == 0, "nobody answers at its port"
        rows(settings, _MOVE_PORT, int(webhook_receiver.url.rpartition(":")[2]))
        with_playbook(settings, "provision", operation("provision"))
        assert look_again(services) == 1
        assert look_again(services) == 0, "its try is to come"
        eventually(lambda: status(settings, tenant) == "running")
    assert [(each["status"], each["attempt"]) for each in runs(settings)] == [("interrupted", 1), ("succeeded", 2)]


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
    settings = replace(with_playbook(settings, "provision", operation("provision", note)), provisioning=3)
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
        assert converge(there, tenant, cause="event:1", correlation_id="") == "provision interrupted"
        assert "another run is working on tenant acme" in str(runs(settings)[0]["message"])
        assert status(settings, tenant) == "creating"
        assert converge(there, tenant, cause="event:1", correlation_id="") == "nothing to do"  # before its turn
    first = UUID(str(runs(settings)[0]["id"]))
    assert converge(there, tenant, cause="event:1", correlation_id="", again=first) == "provision succeeded"


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
    assert (runs(settings)[0]["status"], runs(settings)[0]["next_try_at"] is not None) == ("lost", True)
    assert status(settings, tenant) == "creating"
    assert not rows(settings, "SELECT FROM procrastinate_jobs WHERE status = 'doing'")


@pytest.mark.parametrize("case", list(product([Cluster.kill, Cluster.freeze], [False, True])))
def test_a_worker_asked_to_stop_ends_although_the_registry_is_gone(
    settings: Settings, services: Services, tmp_path: Path, postgres: Cluster, case: tuple[Callable[[Cluster], None], bool]
) -> None:
    gone, amid_a_run = case
    word = uuid.uuid4().hex[:7]
    settings = with_playbook(settings, "provision", operation("provision", long_step(word)))
    settings = replace(settings, stop_grace=Settings.stop_grace, run_grace=Settings.run_grace)
    tenant = new_tenant(settings)
    with process(settings, "worker", tmp_path / "worker.log") as worker:
        eventually(lambda: rows(settings, "SELECT FROM procrastinate_workers"))
        if amid_a_run:
            ask(services, tenant)
            eventually(lambda: sleeping(word))
        try:
            gone(postgres)
            time.sleep(2)  # whatever it notices of that, it has noticed
            begin = time.monotonic()
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(timeout=30) == 0
            assert time.monotonic() - begin < 10
        finally:
            postgres.kill()
            postgres.start()
    eventually(lambda: not sleeping(word))


def test_a_run_past_its_limit_is_timed_out(settings: Settings, services: Services, tmp_path: Path) -> None:
    word = uuid.uuid4().hex[:7]
    settings = replace(with_playbook(settings, "provision", operation("provision", long_step(word))), run_limit=3)
    tenant = new_tenant(settings)
    with process(settings, "worker", tmp_path / "worker.log"):
        ask(services, tenant)
        eventually(lambda: status(settings, tenant) == "error")
    assert runs(settings)[0]["status"] == "timed_out"
    assert not sleeping(word)


_SEED = int(os.environ.get("SAASODOO_TEST_SEED") or time.time_ns() % 1_000_000)


def test_no_restart_of_the_registry_makes_a_living_worker_dead_or_drops_a_job(
    settings: Settings, services: Services, tmp_path: Path, postgres: Cluster, report: Report
) -> None:
    chance = random.Random(_SEED)
    moments = [round(chance.uniform(0.2, 4), 2) for _ in range(4)]
    report(f"the registry is killed after {moments} s each (SAASODOO_TEST_SEED={_SEED})")
    step = "- name: Work\n  ansible.builtin.command: sleep 1\n  changed_when: false\n"
    settings = replace(with_playbook(settings, "provision", operation("provision", step * 3)), first_pause=0.5)
    pair = [new_tenant(settings, name) for name in ("one", "two", "three", "four")]
    with process(settings, "worker", tmp_path / "worker.log") as worker:
        for tenant in pair:
            ask(services, tenant)
        for moment in moments:
            time.sleep(moment)
            postgres.kill()
            time.sleep(chance.uniform(0, 2))
            postgres.start()
        for tenant in pair:
            eventually(lambda tenant=tenant: status(settings, tenant) == "running", seconds=90)  # type: ignore[misc]
        eventually(lambda: all(each["status"] != "running" for each in runs(settings)), seconds=60)
        assert worker.poll() is None
    ends = {str(each["status"]) for each in runs(settings)}
    assert ends <= {"succeeded", "interrupted"}, ends


def test_a_suspension_does_not_wait_for_new_tenants(settings: Settings, services: Services, tmp_path: Path) -> None:
    word = uuid.uuid4().hex[:7]
    settings = with_playbook(settings, "provision", operation("provision", long_step(word)))
    settings = with_playbook(settings, "suspend", operation("suspend"))
    unpaid = new_tenant(settings, "unpaid")
    change = "UPDATE tenant.tenants SET status = 'running', provisioning_status = 'ready', desired_state = 'suspended'"
    with connect(settings.registry, cause="test") as connection:
        connection.execute("UPDATE tenant.tenants SET status = 'starting'")
        connection.execute(change)
    crowd = [new_tenant(settings, f"new-{number}") for number in range(6)]
    with process(settings, "worker", tmp_path / "worker.log"):
        for tenant in crowd:
            ask(services, tenant)
        eventually(lambda: len(sleeping(word)) == settings.provisioning)
        ask(services, unpaid, verb=Verb.SUSPEND)
        asked = time.monotonic()
        eventually(lambda: status(settings, unpaid) == "paused")
        assert time.monotonic() - asked < 10
        assert len(sleeping(word)) == settings.provisioning
        for each in sleeping(word):
            each.kill()
