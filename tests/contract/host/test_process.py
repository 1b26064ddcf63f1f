"""The noun process under a real supervisord; systemd's side is in test_process_systemd.py."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.process import LAYERS, Found, Process
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput, PlatformError
from ansible_collections.saasodoo.platform.plugins.module_utils.host.processes import converge, remove_all
from ansible_collections.saasodoo.platform.plugins.module_utils.host.supervisord import Supervisord
from tests.fixtures.postgres import service_user
from tests.fixtures.processes import logged
from tests.fixtures.waiting import eventually

MIB = 2**20
_SCRIPT = """trap 'exit 0' TERM; echo $$ > {pid}; printf '%s\\n' "up $GREETING"; while :; do sleep 0.1; done"""


class Place:
    """A platform home with one process, which writes its pid."""

    def __init__(self, home: Path) -> None:
        self.home, self.pidfile = home, home / "work" / "pid"
        self.pidfile.parent.mkdir()
        self.pidfile.parent.chmod(0o777)
        self.manager = Supervisord(home)

    def process(self, **changes: object) -> Process:
        command = ("/bin/sh", "-c", _SCRIPT.format(pid=self.pidfile))
        defaults = {"command": command, "user": service_user() or "", "environment": {"GREETING": "it's, 100% a=b \\n;x"}}
        return Process("demo", **{**defaults, **changes})  # type: ignore[arg-type]

    def pid(self) -> int:
        eventually(lambda: self.pidfile.exists() and self.pidfile.read_text().strip().isdigit())
        return int(self.pidfile.read_text())

    def fresh_pid(self, old: int) -> int:
        eventually(lambda: self.pidfile.exists() and self.pidfile.read_text().strip() not in ("", str(old)))
        return self.pid()


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped by process 1 does not."""
    with contextlib.suppress(OSError):
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    return False


def marked(mark: bytes) -> int:
    """Count the processes with ``mark`` in their environment."""
    count = 0
    for file in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            count += mark in file.read_bytes().split(b"\0")
    return count


@pytest.fixture
def place() -> Iterator[Place]:
    home = Path(tempfile.mkdtemp(prefix="saasodoo-proc-"))
    home.chmod(0o755)
    place = Place(home)
    try:
        yield place
    finally:
        place.manager.remove_all()
        shutil.rmtree(home)


def test_started_runs_it_as_the_user_and_a_second_time_changes_nothing(place: Place) -> None:
    first = converge(place.manager, place.process(), "started", check=False)
    pid = place.pid()
    again = converge(place.manager, place.process(), "started", check=False)
    assert (first.changed, again.changed, alive(pid)) == (True, False, True)
    if user := service_user():
        assert Path(f"/proc/{pid}").owner() == user
    eventually(lambda: "up it's, 100% a=b \\n;x" in Path(place.manager.log("demo")).read_text())
    assert place.pid() == pid


def test_check_mode_predicts_and_touches_nothing(place: Place) -> None:
    check = converge(place.manager, place.process(), "started", check=True)
    assert check.changed
    assert not (place.home / "supervisor").exists()
    real = converge(place.manager, place.process(), "started", check=False)
    assert (dict(check.before), dict(check.after)) == (dict(real.before), dict(real.after))
    place.pid()  # asked to stop before its program runs, it would have to be killed


def test_a_changed_definition_restarts_and_an_unchanged_one_does_not(place: Place) -> None:
    converge(place.manager, place.process(), "started", check=False)
    pid = place.pid()
    changed = place.process(environment={"GREETING": "other"})
    assert converge(place.manager, changed, "started", check=True).changed
    assert alive(pid)
    assert converge(place.manager, changed, "started", check=False).changed
    assert place.fresh_pid(pid) != pid
    assert not alive(pid)
    assert not converge(place.manager, changed, "started", check=False).changed


def test_stopped_keeps_the_definition_and_started_brings_it_back(place: Place) -> None:
    assert not converge(place.manager, Process("demo"), "stopped", check=False).changed
    converge(place.manager, place.process(), "started", check=False)
    pid = place.pid()
    assert converge(place.manager, Process("demo"), "stopped", check=False).changed
    assert not alive(pid)
    assert place.manager.read("demo").state == "stopped"
    assert not converge(place.manager, Process("demo"), "stopped", check=False).changed
    assert converge(place.manager, place.process(), "started", check=False).changed
    assert place.fresh_pid(pid)


def test_restarted_always_changes_and_absent_leaves_nothing(place: Place) -> None:
    converge(place.manager, place.process(), "started", check=False)
    pid = place.pid()
    assert converge(place.manager, place.process(), "restarted", check=False).changed
    pid = place.fresh_pid(pid)
    assert converge(place.manager, Process("demo"), "absent", check=False).changed
    assert not alive(pid)
    assert place.manager.read("demo") == Found("absent")
    assert not converge(place.manager, Process("demo"), "absent", check=False).changed


def test_a_killed_process_comes_back(place: Place) -> None:
    converge(place.manager, place.process(), "started", check=False)
    for _ in range(2):
        pid = place.pid()
        os.kill(pid, signal.SIGKILL)
        assert place.fresh_pid(pid) != pid


def test_a_process_that_ends_at_once_is_retried(place: Place) -> None:
    marks = place.pidfile.with_name("marks")
    process = place.process(command=("/bin/sh", "-c", f"echo x >> {marks}; exit 1"))
    converge(place.manager, process, "started", check=False)
    eventually(lambda: marks.exists() and len(marks.read_text().splitlines()) >= 3)
    assert place.manager.read("demo").state == "started"


def test_a_program_that_does_not_exist_is_an_error_that_names_it(place: Place) -> None:
    with pytest.raises(PlatformError, match="/no/such/program"):
        converge(place.manager, place.process(command=("/no/such/program",)), "started", check=False)


def test_a_killed_supervisord_leaves_no_second_copy_and_stays_stopped_what_was(place: Place) -> None:
    converge(place.manager, place.process(), "started", check=False)
    pid = place.pid()
    os.kill(int((place.home / "supervisor/supervisord.pid").read_text()), signal.SIGKILL)
    eventually(lambda: place.manager.read("demo").state == "unclear")
    assert alive(pid)
    assert converge(place.manager, place.process(), "started", check=False).changed
    assert place.fresh_pid(pid) != pid
    assert not alive(pid)


@pytest.mark.parametrize("asked", ["by make down", "by its end"])
def test_layers_stop_in_the_reverse_order(place: Place, asked: str) -> None:
    log = place.home / "processes.log"
    for layer in LAYERS:
        converge(place.manager, logged(layer, log), "started", check=False)
    eventually(lambda: log.exists() and len(log.read_text().splitlines()) == len(LAYERS))
    log.write_text("")
    if asked == "by make down":
        place.manager.remove_all()
    else:
        pid = int((place.home / "supervisor/supervisord.pid").read_text())
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not alive(pid))
    assert log.read_text().splitlines() == [f"{layer} ends" for layer in reversed(LAYERS)]


def test_remove_all_ends_everything_even_after_a_killed_supervisord(place: Place) -> None:
    converge(place.manager, place.process(), "started", check=False)
    pid = place.pid()
    os.kill(int((place.home / "supervisor/supervisord.pid").read_text()), signal.SIGKILL)
    assert remove_all(place.manager, check=True).changed
    assert alive(pid)
    assert remove_all(place.manager, check=False).changed
    assert not alive(pid)
    assert not (place.home / "supervisor").exists()
    assert not remove_all(place.manager, check=False).changed


def test_a_change_killed_half_way_is_finished_by_the_next_run(place: Place) -> None:
    converge(place.manager, place.process(), "started", check=False)
    pid = place.pid()
    changed = place.process(environment={"GREETING": "other"})
    place.manager._forget("demo")
    assert converge(place.manager, changed, "started", check=False).changed
    assert place.fresh_pid(pid)
    assert not converge(place.manager, changed, "started", check=False).changed


def test_many_at_once_on_nothing_start_one_supervisord_and_all_processes(place: Place) -> None:
    def start(number: int) -> bool:
        process = Process(f"p{number}", command=("/bin/sleep", "1000"), user=service_user() or "")
        return converge(Supervisord(place.home), process, "started", check=False).changed

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(start, range(8)))
    states = [place.manager.read(f"p{number}").state for number in range(8)]
    assert states == ["started"] * 8
    mark = f"SUPERVISOR_SERVER_URL=unix://{place.home}/supervisor/supervisor.sock".encode()
    eventually(lambda: marked(mark) == 8)  # a fork has the mark only once it runs its program


def limited(place: Place, mebibytes: int, **changes: object) -> Process:
    """A process that limits its own address space when it starts, as Odoo does, by what its definition does not say."""
    limit = place.pidfile.with_name("limit")
    limit.write_text(f"{mebibytes * 1024}\n")
    command = ("/bin/sh", "-c", f"ulimit -S -v $(cat {limit}); {_SCRIPT.format(pid=place.pidfile)}")
    return place.process(command=command, address_space_limit=mebibytes * MIB, **changes)


def address_space(pid: int) -> int:
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return int(next(line for line in limits if line.startswith("Max address space")).split()[3])


def test_a_running_process_is_given_more_address_space_and_runs_on(place: Place) -> None:
    converge(place.manager, limited(place, 512), "started", check=False)
    pid = place.pid()
    assert not converge(place.manager, limited(place, 512), "started", check=False).changed
    more = limited(place, 1024)
    foretold = converge(place.manager, more, "started", check=True)
    assert (foretold.before["address_space_limit"], foretold.after["address_space_limit"]) == (512 * MIB, 1024 * MIB)
    assert address_space(pid) == 512 * MIB
    done = converge(place.manager, more, "started", check=False)
    assert (done.before, done.after, done.facts) == (foretold.before, foretold.after, foretold.facts)
    assert (done.facts["process"]["live"], done.facts["process"]["pending"]) == (["address_space_limit"], [])
    assert (place.pid(), alive(pid), address_space(pid)) == (pid, True, 1024 * MIB)
    again = converge(place.manager, more, "started", check=False)
    assert (again.changed, again.facts["process"]["live"]) == (False, [])


def test_less_address_space_waits_for_the_next_restart(place: Place) -> None:
    converge(place.manager, limited(place, 512), "started", check=False)
    pid = place.pid()
    less = limited(place, 256)
    for _ in range(2):
        done = converge(place.manager, less, "started", check=False)
        assert (done.changed, done.facts["process"]["live"], done.facts["process"]["pending"]) == (
            False,
            [],
            ["address_space_limit"],
        )
    assert (place.pid(), address_space(pid)) == (pid, 512 * MIB)
    converge(place.manager, less, "restarted", check=False)
    assert address_space(place.fresh_pid(pid)) == 256 * MIB
    assert converge(place.manager, less, "started", check=False).facts["process"]["pending"] == []


def test_one_that_has_set_itself_no_limit_is_given_none(place: Place) -> None:
    converge(place.manager, place.process(), "started", check=False)
    assert not converge(place.manager, place.process(address_space_limit=MIB), "started", check=False).changed
    place.pid()


def test_a_limit_and_something_else_take_a_restart(place: Place) -> None:
    converge(place.manager, limited(place, 512), "started", check=False)
    pid = place.pid()
    assert converge(place.manager, limited(place, 1024, environment={"GREETING": "other"}), "started", check=False).changed
    assert address_space(place.fresh_pid(pid)) == 1024 * MIB


@pytest.mark.parametrize("name", ["", "Demo", "../x", "a b", "x" * 64])
def test_a_name_that_is_not_one_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="can't be named so"):
        Process(name)


@pytest.mark.parametrize("word", ["two\nlines", "a ; comment", "a # comment"])
def test_a_word_that_would_break_the_definition_is_refused(place: Place, word: str) -> None:
    with pytest.raises(InvalidInput):
        converge(place.manager, place.process(command=("/bin/echo", word)), "started", check=False)


@pytest.mark.parametrize("variables", [{"A": 'say "x"'}, {"A": "'x'"}, {"A-B": "x"}])
def test_a_variable_that_can_not_be_passed_is_refused(place: Place, variables: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        converge(place.manager, place.process(environment=variables), "started", check=False)


def test_a_definition_the_manager_refuses_does_not_spoil_the_others(place: Place) -> None:
    if not service_user():
        pytest.skip("a user is named only when root")
    with pytest.raises(PlatformError, match="no-such-user"):
        converge(place.manager, place.process(user="no-such-user"), "started", check=False)
    converge(place.manager, place.process(), "started", check=False)
    assert place.pid()


def test_a_home_too_deep_for_a_unix_socket_is_refused() -> None:
    with pytest.raises(InvalidInput, match="too long a path"):
        Supervisord(Path("/tmp") / ("x" * 100))
