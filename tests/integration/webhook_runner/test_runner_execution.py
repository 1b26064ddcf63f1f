"""One run by the real ansible-runner: what it is given, what it tells, how it is ended."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import uuid
from dataclasses import replace
from pathlib import Path

import ansible_runner
import pexpect  # type: ignore[import-untyped]
import psutil
import pytest

from tests.fixtures.runner import ROOT, process, with_playbook, write_inventory
from tests.fixtures.waiting import eventually
from webhook_runner import run_processes
from webhook_runner.ending import Result
from webhook_runner.execution import Request, _Watch, execute
from webhook_runner.run_events import RunEvent
from webhook_runner.run_folders import prune, run_folder
from webhook_runner.settings import Settings

SECRET = "never-to-be-seen"


def run(settings: Settings, stop: threading.Event | None = None) -> tuple[Result, list[RunEvent], Request]:
    request = Request(uuid.uuid4(), "tenant_stop.yml", uuid.uuid4(), "run:x", "correlation-1")
    events: list[RunEvent] = []
    result = execute(settings, request, lambda event: events.append(event) if event else None, stop or threading.Event())
    return result, events, request


def processes_with(word: str) -> list[psutil.Process]:
    found = []
    for each in psutil.process_iter(["cmdline"]):
        if word in " ".join(each.info["cmdline"] or []):
            found.append(each)
    return found


def everything_in(folder: Path) -> str:
    return "".join(file.read_text(errors="replace") for file in folder.rglob("*") if file.is_file())


def test_a_run_gets_its_tenant_and_nothing_else(
    runner_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNNER_TEST_SECRET", SECRET)
    monkeypatch.setenv("SAASODOO_REGISTRY", f"user=x {SECRET}")
    settings = with_playbook(
        runner_settings,
        "stop",
        f"""
- name: Note what there is
  ansible.builtin.shell: "env > {tmp_path}/env; echo {{{{ tenant }}}} > {tmp_path}/tenant"
  changed_when: true
- name: Know a secret
  ansible.builtin.command: "echo {SECRET}"
  no_log: true
  changed_when: false
""",
    )
    result, events, request = run(settings)
    assert (result.status, result.exit_code) == ("succeeded", 0)
    assert (tmp_path / "tenant").read_text().strip() == str(request.tenant)
    environment = dict(line.partition("=")[::2] for line in (tmp_path / "env").read_text().splitlines())
    assert environment["SAASODOO_TENANT"] == str(request.tenant)
    assert (environment["SAASODOO_CAUSE"], environment["SAASODOO_CORRELATION_ID"]) == ("run:x", "correlation-1")
    assert not {"RUNNER_TEST_SECRET", "SAASODOO_REGISTRY", "PYTEST_CURRENT_TEST"} & set(environment)
    folder = run_folder(settings, request.run_id)
    assert folder.stat().st_mode & 0o077 == 0
    assert (environment["TMPDIR"], (folder / "tmp").exists()) == (str(folder / "tmp"), False)
    kept = everything_in(folder) + str(events)
    assert SECRET not in kept.replace(f"echo {SECRET}", "")
    done = {event.task: event for event in events if event.event == "runner_on_ok"}
    assert done["Note what there is"].changed is True
    assert all((event.duration or 0) > 0 for event in done.values())
    assert [event.seq for event in events] == sorted({event.seq for event in events})


def test_a_run_reads_its_inventory_but_not_the_fleet(runner_settings: Settings, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    write_inventory(inventory / "hosts.yml")
    (inventory / "fleet.yml").write_text("plugin: saasodoo.platform.fleet\nregistry: port=1\nstrict: true\n")
    program = Path(sys.executable).with_name("ansible-inventory")
    listed = subprocess.run([program, "-i", inventory, "--list"], cwd=ROOT, capture_output=True, check=False)
    assert listed.returncode, "who reads all of it is told that there is no fleet"
    settings = with_playbook(runner_settings, "stop", "- name: Do nothing\n  ansible.builtin.meta: noop\n")
    result, _, _ = run(replace(settings, inventory=inventory))
    assert result.status == "succeeded", result.message


def test_secrets_of_tasks_are_in_no_artifact_and_no_event(runner_settings: Settings) -> None:
    settings = with_playbook(
        runner_settings,
        "stop",
        f"""
- name: A module that gives back too much
  ansible.builtin.debug:
    msg: "{{{{ ('{SECRET[:5]}' ~ '{SECRET[5:]}') | b64encode }}}}"
  no_log: true
- name: A fact nobody printed
  ansible.builtin.set_fact:
    known: "{{{{ '{SECRET[:5]}' ~ '{SECRET[5:]}' }}}}"
- name: A failure that is censored
  ansible.builtin.fail:
    msg: "{{{{ known }}}}"
  no_log: true
""",
    )
    result, events, request = run(settings)
    assert result.status == "failed"
    assert "censored" in result.message
    assert SECRET not in everything_in(run_folder(settings, request.run_id)) + str(events) + str(result)


def test_a_failure_is_told_in_its_own_words(runner_settings: Settings) -> None:
    settings = with_playbook(runner_settings, "stop", "- name: Look for room\n  ansible.builtin.fail:\n    msg: no room\n")
    result, events, _ = run(settings)
    assert (result.status, result.exit_code, result.message) == ("failed", 2, "Look for room: no room")
    assert [event.message for event in events if event.event == "runner_on_failed"] == ["no room"]


_REPORTING = """
import time
from pathlib import Path
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.saasodoo.platform.plugins.plugin_utils.progress import report

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        Display().display("of no use: {secret}")
        for number in range({count}):
            report(f"{{number}} of\\n{count} tables")
        end = time.monotonic() + 20
        while {wait} and not Path("{go_on}").exists() and time.monotonic() < end:
            time.sleep(0.1)
        return super().run(tmp, task_vars)
"""


def reporting(settings: Settings, *, count: int, wait: bool, go_on: Path) -> Settings:
    """Settings with a playbook whose one task reports its progress and, with ``wait``, ends once ``go_on`` is there."""
    folder = settings.playbooks / "action_plugins"
    folder.mkdir()
    (folder / "reporting.py").write_text(_REPORTING.format(secret=SECRET, count=count, wait=wait, go_on=go_on))
    return with_playbook(settings, "stop", "- name: Copy tables\n  reporting:\n")


def test_progress_is_told_while_the_task_runs_and_nothing_else_that_is_printed(runner_settings: Settings, tmp_path: Path) -> None:
    settings = reporting(runner_settings, count=2, wait=True, go_on=tmp_path / "go on")
    events: list[RunEvent] = []

    def record(event: RunEvent | None) -> None:
        if event:
            events.append(event)
        if event and event.message == "1 of 2 tables":
            assert not any(each.event == "runner_on_ok" for each in events)
            (tmp_path / "go on").touch()

    request = Request(uuid.uuid4(), "tenant_stop.yml", uuid.uuid4(), "run:x", "correlation-1")
    assert execute(settings, request, record, threading.Event()).status == "succeeded"
    assert (tmp_path / "go on").exists()
    reported = [(event.task, event.message) for event in events if event.event == "progress"]
    assert reported == [("Copy tables", "0 of 2 tables"), ("Copy tables", "1 of 2 tables")]
    assert SECRET not in str(events)


def test_a_flood_of_progress_is_bounded(runner_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook_runner.execution._PROGRESS_LIMIT", 5)
    result, events, _ = run(reporting(runner_settings, count=20, wait=False, go_on=tmp_path))
    assert result.status == "succeeded"
    assert len([event for event in events if event.event == "progress"]) == 5
    assert any(event.event == "playbook_on_stats" for event in events)


@pytest.mark.parametrize("text", ["- name: x\n  hosts: [", "- hosts: platform\n  tasks:\n    - nonsense.module.name:\n"])
def test_a_playbook_that_can_not_be_read_says_so(runner_settings: Settings, text: str) -> None:
    (runner_settings.playbooks / "tenant_stop.yml").write_text(text)
    result, _, _ = run(runner_settings)
    assert result.status == "failed"
    assert "ERROR" in result.message
    assert not result.refused


def take_long(word: str) -> str:
    code = "import time; time.sleep(600)"
    return f"- name: Take long\n  ansible.builtin.command: {sys.executable} -c '{code}' {word}\n  changed_when: false\n"


def sleeper(settings: Settings, word: str, **changes: float) -> Settings:
    tasks = (
        f"- name: Take long\n  ansible.builtin.command: python3 -c 'import time; time.sleep(600)' {word}\n  changed_when: false\n"
    )
    return with_playbook(settings, "stop", tasks, **changes)


def test_a_run_past_its_limit_is_ended_with_all_it_started(runner_settings: Settings) -> None:
    word = f"sleeper-{uuid.uuid4()}"
    settings = sleeper(runner_settings, word, run_limit=3, run_warning=1)
    result, _, request = run(settings)
    assert result.status == "timed_out", result
    assert "3 s" in result.message
    assert eventually(lambda: not processes_with(word))
    assert run_processes.find(request.run_id) == []


def test_a_run_that_ignores_being_asked_is_killed(runner_settings: Settings) -> None:
    word = f"stubborn-{uuid.uuid4()}"
    code = "import signal, time; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]; time.sleep(600)"
    tasks = f"- name: Ignore it\n  ansible.builtin.command: {sys.executable} -c '{code}' {word}\n  changed_when: false\n"
    settings = with_playbook(runner_settings, "stop", tasks, run_limit=3, run_grace=600)  # nobody waits for it
    result, _, _ = run(settings)
    assert result.status == "timed_out", result
    assert eventually(lambda: not processes_with(word))


def test_a_service_the_run_started_outlives_its_end(runner_settings: Settings, tmp_path: Path) -> None:
    word, service = f"sleeper-{uuid.uuid4()}", f"service-{uuid.uuid4()}"
    tasks = f"""
- name: Start a service
  ansible.builtin.shell: >-
    setsid nohup {sys.executable} -c 'import time; time.sleep(600)' {service} > {tmp_path}/log 2>&1 < /dev/null &
  changed_when: true
{take_long(word)}
"""
    try:
        result, _, _ = run(with_playbook(runner_settings, "stop", tasks, run_limit=5, run_grace=2))
        assert result.status == "timed_out", result
        assert eventually(lambda: not processes_with(word))
        assert processes_with(service)
    finally:
        for process in processes_with(service):
            process.kill()


def test_a_worker_that_is_stopped_ends_its_runs(runner_settings: Settings) -> None:
    word, stop = f"sleeper-{uuid.uuid4()}", threading.Event()

    def stop_when_it_runs() -> None:
        eventually(lambda: processes_with(word))
        stop.set()

    threading.Thread(target=stop_when_it_runs, daemon=True).start()
    result, _, _ = run(sleeper(runner_settings, word), stop)
    assert (result.status, "worker was stopped" in result.message) == ("lost", True)
    assert eventually(lambda: not processes_with(word))


def test_old_run_folders_are_removed_and_an_id_is_used_once(runner_settings: Settings) -> None:
    settings = with_playbook(runner_settings, "stop", "- name: Nothing\n  ansible.builtin.debug:\n", keep_runs=2)
    requests = [run(settings)[2] for _ in range(3)]
    left = {folder.name for folder in (settings.home / "runs").iterdir()}
    assert left == {str(request.run_id) for request in requests[1:]}
    with pytest.raises(FileExistsError):
        execute(settings, requests[2], lambda _: None, threading.Event())


def test_folders_that_several_remove_at_once_trouble_nobody(runner_settings: Settings) -> None:
    settings = replace(runner_settings, keep_runs=2)
    failures: list[BaseException] = []

    def make_and_prune() -> None:
        try:
            for _ in range(100):
                run_folder(settings, uuid.uuid4()).mkdir(parents=True)
                prune(settings)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=make_and_prune) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []
    prune(settings)
    assert prune(settings) == 0
    assert len(list((settings.home / "runs").iterdir())) == 2


@pytest.mark.parametrize("fails", [False, True])
def test_what_ansible_runner_raises_in_the_end_loses_neither_run_nor_cause(
    runner_settings: Settings, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """As it does on a busy machine, where the end of the output comes later than it waits for."""
    real = ansible_runner.Runner.run

    def late(self: ansible_runner.Runner) -> None:
        real(self)
        self.rc = None
        raise pexpect.exceptions.TIMEOUT("Timeout exceeded.")

    monkeypatch.setattr(ansible_runner.Runner, "run", late)
    task = "ansible.builtin.fail:\n    msg: no room" if fails else "ansible.builtin.debug:"
    result, _, _ = run(with_playbook(runner_settings, "stop", f"- name: Look\n  {task}\n"))
    assert (result.status, result.message) == (("failed", "Look: no room") if fails else ("succeeded", ""))


def test_what_ansible_runner_raises_on_the_way_interrupts_the_run_and_ends_what_is_left(
    runner_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    word = f"sleeper-{uuid.uuid4()}"

    def breaks(self: _Watch) -> bool:
        if processes_with(word):
            raise pexpect.exceptions.TIMEOUT("Timeout exceeded.")
        return False

    monkeypatch.setattr(_Watch, "tick", breaks)
    result, _, _ = run(sleeper(runner_settings, word))
    assert result.status == "interrupted"
    assert "in the middle of 'Take long'" in result.message
    assert eventually(lambda: not processes_with(word))


def test_a_faster_ansible_playbook_may_be_put_first(runner_settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    other = folder / "ansible-playbook"
    other.write_text(
        f'#!/bin/sh\necho "$SAASODOO_FORK_SOCKET" > {tmp_path}/socket\nPATH="${{PATH#*:}}" exec ansible-playbook "$@"\n'
    )
    other.chmod(0o755)
    settings = with_playbook(
        runner_settings,
        "stop",
        "- name: Nothing\n  ansible.builtin.debug:\n",
        execution_path=str(folder),
        fork_socket="/a/socket",
    )
    result, events, _ = run(settings)
    assert result.status == "succeeded"
    assert (tmp_path / "socket").read_text() == "/a/socket\n"
    assert any(event.event == "runner_on_ok" for event in events)


def kill_started(server: int, word: str) -> None:
    """Kill the ansible-playbook that the fork server has started, once its task runs."""
    eventually(lambda: processes_with(word))
    for attending in psutil.Process(server).children():
        for each in attending.children():
            each.kill()


def test_through_the_fork_server_a_run_tells_and_ends_the_same(runner_settings: Settings, tmp_path: Path) -> None:
    word = f"sleeper-{uuid.uuid4()}"
    faster = replace(runner_settings, execution_path=str(ROOT / "webhook_runner/bin"), fork_socket=str(tmp_path / "socket"))
    code = f"import psutil; open('{tmp_path}/parents', 'w').write(str([each.pid for each in psutil.Process().parents()]))"
    note = (
        f'- name: Note the parents\n  ansible.builtin.command: {{argv: [{sys.executable}, -c, "{code}"]}}\n  changed_when: true\n'
    )
    settings = with_playbook(faster, "stop", note)
    with process(settings, "fork", tmp_path / "fork.log") as server:
        eventually(lambda: Path(settings.fork_socket).exists())
        result, events, request = run(settings)
        assert result.status == "succeeded", result
        assert [event.task for event in events if event.event == "runner_on_ok"] == ["Note the parents"]
        assert server.pid in json.loads((tmp_path / "parents").read_text())
        assert SECRET not in everything_in(run_folder(settings, request.run_id))
        killer = threading.Thread(target=kill_started, args=(server.pid, word))
        killer.start()
        result, _, _ = run(sleeper(faster, word))
        killer.join()
        assert (result.status, result.message) == (
            "interrupted",
            "ansible-playbook was killed by signal 9 (SIGKILL) in the middle of 'Take long'",
        )
        result, _, request = run(sleeper(faster, word, run_limit=4, run_grace=2))
        assert result.status == "timed_out", result
        assert eventually(lambda: not processes_with(word))
        assert run_processes.find(request.run_id) == []
