"""One run at a time acts on a tenant: two real ansible-playbook processes, killed in the ways processes die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.fixtures.ansible import PLAIN, ROOT
from tests.fixtures.processes import family, kill, parent
from tests.fixtures.registry import Registry
from tests.fixtures.waiting import eventually

_PATIENCE = 60  # seconds, for what comes within one


class Playbook:
    """A play on tenant acme that begins a stop, says so in a file, waits while another file is there, and finishes."""

    def __init__(self, registry: str, folder: Path, name: str, *arguments: str, tenant: str = "acme", **environment: str) -> None:
        self.begun, self.hold, self.finished = (folder / f"{name}.{part}" for part in ("begun", "hold", "finished"))
        self.hold.touch()
        noun: dict[str, Any] = {"tenant": "acme", "verb": "restart", "registry": registry}
        tasks: list[dict[str, Any]] = [
            *({"name": f"Worker {number}", "ansible.builtin.debug": {"msg": "comes and goes"}} for number in range(3)),
            {"name": "Begin", "saasodoo.platform.tenant_operation": {**noun, "state": "begun"}},
            {
                "name": "Hold",
                "ansible.builtin.shell": f"touch {self.begun}; timeout 120 sh -c 'while test -e {self.hold}; do sleep 0.1; done'",
            },
            {"name": "Finish", "saasodoo.platform.tenant_operation": {**noun, "state": "finished"}},
            {"name": "Say so again", "ansible.builtin.copy": {"content": "", "dest": str(self.finished), "mode": "0600"}},
        ]
        file = folder / f"{name}.json"
        file.write_text(json.dumps([{"name": "Test", "hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
        variables = {"tenant": tenant, "saasodoo_registry": registry, "ansible_python_interpreter": sys.executable}
        command = [
            *PLAIN,
            str(file),
            "-i",
            "localhost,",
            "-c",
            "local",
            *arguments,
        ]
        self.process = subprocess.Popen(
            [*command, "-e", json.dumps(variables)],
            env=os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", **environment},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def until_held(self) -> Playbook:
        eventually(lambda: self.begun.exists() or self.process.poll() is not None, "the play holds", seconds=_PATIENCE)
        assert self.begun.exists(), self.process.communicate()[0]
        return self

    def workers(self) -> list[int]:
        """Return the task workers alive now."""
        return [pid for pid in family(self.process.pid) if parent(pid) == self.process.pid]

    def end(self) -> tuple[int, str]:
        """Let it go on, and return its exit code and output."""
        self.hold.unlink(missing_ok=True)
        output, _ = self.process.communicate(timeout=_PATIENCE)
        return self.process.returncode, output


@pytest.fixture
def registry(registry_roles: Registry) -> str:
    """The registry as playbooks use it: with what the operator may do, and no more."""
    return registry_roles.operator


@pytest.fixture
def play(registry: str, tmp_path: Path) -> Iterator[Callable[..., Playbook]]:
    """Start playbooks on a tenant that runs; whatever still lives at the end is killed."""
    with psycopg.connect(registry) as connection:
        connection.execute(
            "INSERT INTO billing.plan_entitlements (plan_name, effective_date, cpu_limit, memory_limit, storage_limit, db_type)"
            " VALUES ('basic', '2020-01-01', 2, '4GB', '10GB', 'shared')"
        )
        connection.execute(
            "INSERT INTO tenant.tenants"
            " (subdomain, customer_id, plan_name, status, provisioning_status, database_name, odoo_version)"
            " VALUES ('acme', 'c1', 'basic', 'running', 'ready', 'odoo_c1_x', '19.0')"
        )
    started: list[Playbook] = []

    def start(name: str, *arguments: str, **options: str) -> Playbook:
        started.append(Playbook(registry, tmp_path, name, *arguments, **options))
        return started[-1]

    yield start
    for each in started:
        kill(family(each.process.pid) if each.process.poll() is None else [])
        each.hold.unlink(missing_ok=True)
        each.process.communicate(timeout=_PATIENCE)


def holders(registry: str) -> int:
    """Return how many sessions hold a tenant's lock in this registry."""
    with psycopg.connect(registry) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchone()
    assert row is not None
    count: int = row[0]
    return count


def test_a_second_run_is_told_who_works_on_the_tenant_and_does_nothing(play: Callable[..., Playbook], registry: str) -> None:
    first = play("first").until_held()
    with psycopg.connect(registry) as connection:
        connection.execute(
            "INSERT INTO ops.runs (tenant_id, kind, playbook, cause, status, worker, started_at)"
            " SELECT id, 'restart', 'tenant_restart.yml', 'operator:eve', 'running', 'w1', now() FROM tenant.tenants"
        )
    code, output = play("second").end()
    assert code == 75
    assert "another run is working on tenant acme" in output
    assert f"held by saasodoo:{first.process.pid}:" in output
    assert "restart, cause operator:eve, worker w1" in output
    assert "TASK" not in output
    assert "Traceback" not in output
    assert first.end()[0] == 0
    assert first.finished.exists(), "the lock survived every worker of the first run"
    code, output = play("third").end()
    assert code == 0, output


def test_another_tenant_is_not_held_up(play: Callable[..., Playbook], registry: str) -> None:
    play("first").until_held()
    output = play("second", tenant="other").end()[1]
    assert "TASK [Begin]" in output
    assert holders(registry) == 1


def test_a_run_may_wait_for_its_turn(play: Callable[..., Playbook], registry: str) -> None:
    first = play("first").until_held()
    impatient = play("impatient", SAASODOO_LOCK_WAIT="0.5")
    second = play("second", SAASODOO_LOCK_WAIT="60")
    code, output = impatient.end()
    assert (code, "another run is working on tenant acme" in output) == (75, True)
    assert not second.begun.exists()
    assert first.end()[0] == 0
    code, output = second.end()
    assert code == 0, output


def test_kill_of_ansible_playbook_ends_its_worker_and_frees_the_lock(play: Callable[..., Playbook], registry: str) -> None:
    first = play("first").until_held()
    workers = first.workers()
    first.process.kill()
    eventually(lambda: not holders(registry), "the lock is free", seconds=_PATIENCE)
    eventually(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in workers), "the worker is gone", seconds=_PATIENCE)
    code, output = play("second").end()
    assert code == 0, output
    assert not first.finished.exists()


def test_a_task_that_outlives_its_run_keeps_the_lock(play: Callable[..., Playbook], registry: str) -> None:
    """A worker that can't be ended (stopped here) holds the socket of the lock: nobody acts beside it."""
    first = play("first").until_held()
    (worker,) = first.workers()
    os.kill(worker, signal.SIGSTOP)
    try:
        first.process.kill()
        first.process.wait(_PATIENCE)
        code, output = play("second").end()
        assert (code, f"held by saasodoo:{first.process.pid}:" in output) == (75, True)
    finally:
        os.kill(worker, signal.SIGCONT)
    eventually(lambda: not holders(registry), "the lock is free", seconds=_PATIENCE)


def end_lock_session(registry: str) -> None:
    """End the lock's session, as a restart of the registry does."""
    with psycopg.connect(registry) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'saasodoo:%%' AND datname = %s",
            (conninfo_to_dict(registry)["dbname"],),
        )


def test_a_lock_lost_on_the_way_is_taken_again(play: Callable[..., Playbook], registry: str) -> None:
    first = play("first").until_held()
    end_lock_session(registry)
    code, output = first.end()
    assert code == 0, output
    assert first.finished.exists()


def test_a_lock_lost_on_the_way_to_another_run_stops_this_one(play: Callable[..., Playbook], registry: str) -> None:
    first = play("first").until_held()
    end_lock_session(registry)
    with psycopg.connect(registry, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('tenant:acme', 0))")
        code, output = first.end()
    assert code == 75
    assert "another run is working on tenant acme" in output
    assert not first.finished.exists()


def test_check_mode_locks_nothing(play: Callable[..., Playbook], registry: str) -> None:
    play("first").until_held()
    code, output = play("second", "--check").end()
    assert code == 0, output


def test_without_the_callback_nothing_is_recorded(play: Callable[..., Playbook]) -> None:
    code, output = play("first", ANSIBLE_CALLBACKS_ENABLED="ansible.posix.timer").end()
    assert code == 2
    assert "held by nobody" in output
    assert "callback plugin saasodoo.platform.tenant_lock" in output


def test_without_the_registry_no_task_runs(registry: str, tmp_path: Path) -> None:
    away = Playbook(registry.replace(f"port={conninfo_to_dict(registry)['port']}", "port=23199"), tmp_path, "away")
    code, output = away.end()
    assert code == 75
    assert "the registry at 127.0.0.1:23199 does not answer" in output
    assert "TASK" not in output
