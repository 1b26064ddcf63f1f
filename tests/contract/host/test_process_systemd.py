"""The noun process under systemd: units that systemd itself accepts, and the calls that lead from state to state.

systemd is process 1 only on real hosts; here `systemctl` is a script that keeps the states such calls lead to.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.process import Found, Process
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import PlatformError
from ansible_collections.saasodoo.platform.plugins.module_utils.host.processes import converge, remove_all
from ansible_collections.saasodoo.platform.plugins.module_utils.host.systemd import Systemd

_PROCESS = Process(
    "odoo-1",
    command=("/bin/sh", "-c", 'echo "$HOME" 50% \\'),
    user="daemon",
    directory="/tmp",
    environment={"GREETING": 'a "b" 100% $x'},
    stop_signal="INT",
    memory_limit=2**30,
    cpu_limit=1.5,
)


class FakeSystemctl:
    """Remembers what is active and enabled, and which calls were made."""

    def __init__(self) -> None:
        self.on: set[str] = set()
        self.calls: list[list[str]] = []

    def __call__(self, command: list[str]) -> tuple[int, str, str]:
        verb, unit = command[1], command[-1]
        self.calls.append(command[1:])
        if verb == "enable":
            self.on.update(command[3:])
        elif verb == "disable":
            self.on.difference_update(command[3:])
        active, enabled = ("active", "enabled") if unit in self.on else ("inactive", "disabled")
        text = f"ActiveState={active}\nUnitFileState={enabled}\nNeedDaemonReload=no\n"
        return 0, text if verb == "show" else "", ""


@pytest.fixture
def systemctl() -> FakeSystemctl:
    return FakeSystemctl()


@pytest.fixture
def manager(systemctl: FakeSystemctl, tmp_path: Path) -> Systemd:
    return Systemd("test", systemctl, root=True, folder=tmp_path)


def test_the_unit_is_one_systemd_accepts_and_carries_the_limits(manager: Systemd, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    file = tmp_path / "saasodoo-test-odoo-1.service"
    text = manager.render(_PROCESS)
    file.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = text.splitlines()
    assert {"MemoryMax=1073741824", "CPUQuota=150%", "User=daemon", "Restart=always", "KillSignal=SIGINT"} <= set(lines)


@pytest.mark.parametrize("root", [True, False])
def test_what_names_the_folders_it_writes_to_is_in_a_sandbox(systemctl: FakeSystemctl, tmp_path: Path, *, root: bool) -> None:
    manager = Systemd("test", systemctl, root=root, folder=tmp_path)
    process = replace(_PROCESS, directory="/", writes=("/var/lib/x y", "/srv"))
    assert "Restrict" not in manager.render(replace(process, writes=None))
    text = manager.render(process)
    lines = set(text.splitlines())
    assert {"SystemCallFilter=@system-service", "RestrictNamespaces=true"} <= lines
    own = {"ProtectSystem=strict", 'ReadWritePaths="/var/lib/x y"', 'ReadWritePaths="/srv"', "CapabilityBoundingSet="}
    assert (own | {"PrivateTmp=true"} <= lines) is root, "a user's manager can't give another view of files"
    assert "PrivateTmp=true" not in manager.render(replace(process, writes=("/tmp/x",))), "it would not find what it writes to"
    if shutil.which("systemd-analyze"):
        file = tmp_path / "saasodoo-test-odoo-1.service"
        file.write_text(text)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(file)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_started_changed_stopped_absent(manager: Systemd, systemctl: FakeSystemctl, tmp_path: Path) -> None:
    unit = "saasodoo-test-odoo-1.service"
    assert converge(manager, _PROCESS, "started", check=True).changed
    assert (systemctl.calls, list(tmp_path.iterdir())) == ([], [])
    assert converge(manager, _PROCESS, "started", check=False).changed
    points = [f"saasodoo-test-{layer}.target" for layer in ("databases", "poolers", "services")]
    assert systemctl.calls == [["daemon-reload"], ["reset-failed", unit], ["enable", "--now", *points, unit]]
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([unit, *points])
    systemctl.calls.clear()
    assert not converge(manager, _PROCESS, "started", check=False).changed
    assert [call[0] for call in systemctl.calls] == ["show"]
    systemctl.calls.clear()
    other = Process("odoo-1", command=("/bin/true",))
    assert converge(manager, other, "started", check=False).changed
    assert [call[0] for call in systemctl.calls] == ["show", "disable", "daemon-reload", "reset-failed", "enable"]
    assert converge(manager, Process("odoo-1"), "stopped", check=False).changed
    assert manager.read("odoo-1") == Found("stopped", manager.render(other))
    assert converge(manager, Process("odoo-1"), "absent", check=False).changed
    assert not (tmp_path / unit).exists()
    manager.remove_all()
    assert list(tmp_path.iterdir()) == []


def test_changed_limits_alone_are_told_to_a_service_that_runs(manager: Systemd, systemctl: FakeSystemctl) -> None:
    converge(manager, _PROCESS, "started", check=False)
    systemctl.calls.clear()
    larger = replace(_PROCESS, memory_limit=2**31, cpu_limit=3.0)
    foretold = converge(manager, larger, "started", check=True)
    assert [call[0] for call in systemctl.calls] == ["show"]
    done = converge(manager, larger, "started", check=False)
    assert (done.before, done.after, done.facts) == (foretold.before, foretold.after, foretold.facts)
    assert (done.facts["process"]["live"], done.facts["process"]["pending"]) == (["memory_limit", "cpu_limit"], [])
    assert [call[0] for call in systemctl.calls] == ["show", "show", "daemon-reload", "enable"]
    assert manager.read("odoo-1") == Found("started", manager.render(larger))
    assert not converge(manager, larger, "started", check=False).changed
    without = replace(larger, memory_limit=None)
    assert converge(manager, without, "started", check=False).facts["process"]["live"] == ["memory_limit"]


def test_less_memory_than_it_uses_waits_for_the_next_restart(tmp_path: Path) -> None:
    calls: list[str] = []

    def this_process_runs(command: list[str]) -> tuple[int, str, str]:
        calls.append(command[1])
        return 0, f"ActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\nMainPID={os.getpid()}\n", ""

    manager = Systemd("test", this_process_runs, root=True, folder=tmp_path)
    (tmp_path / "saasodoo-test-odoo-1.service").write_text(manager.render(_PROCESS))
    done = converge(manager, replace(_PROCESS, memory_limit=4096), "started", check=False)
    assert (done.changed, done.facts["process"]["pending"], calls) == (False, ["memory_limit"], ["show"])
    assert converge(manager, replace(_PROCESS, memory_limit=4096), "restarted", check=False).changed
    assert calls[-4:] == ["disable", "daemon-reload", "reset-failed", "enable"]


def test_what_is_systemds_own_business_is_told_without_a_restart(manager: Systemd, systemctl: FakeSystemctl) -> None:
    converge(manager, _PROCESS, "started", check=False)
    systemctl.calls.clear()
    done = converge(manager, replace(_PROCESS, layer="workers", stop_timeout=20), "started", check=False)
    assert (done.changed, done.facts["process"]["live"]) == (True, [])
    assert "disable" not in [call[0] for call in systemctl.calls]
    other = converge(manager, replace(_PROCESS, directory="/"), "started", check=False)
    assert other.changed
    assert "disable" in [call[0] for call in systemctl.calls]


@pytest.mark.systemd
def test_systemd_itself_puts_changed_limits_in_force_without_a_restart() -> None:
    def run(command: list[str]) -> tuple[int, str, str]:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def shown() -> list[str]:
        properties = "--property=MainPID,MemoryMax,CPUQuotaPerSecUSec,NeedDaemonReload,DropInPaths"
        return sorted(run(["systemctl", "show", properties, f"saasodoo-{name}-odoo-1.service"])[1].split())

    name = f"limits{os.getpid()}"
    manager = Systemd(name, run)
    process = Process("odoo-1", command=("/bin/sleep", "1000"), memory_limit=2**30, cpu_limit=1.5)
    try:
        converge(manager, process, "started", check=False)
        pid = manager.read("odoo-1").pid
        for cores, shown_as, size in ((3.0, "3s", 2**31), (0.5, "500ms", 2**29)):
            changed = replace(process, memory_limit=size, cpu_limit=cores)
            assert converge(manager, changed, "started", check=False).changed
            assert shown() == sorted([
                f"MainPID={pid}", f"MemoryMax={size}", f"CPUQuotaPerSecUSec={shown_as}", "NeedDaemonReload=no", "DropInPaths=",
            ])  # fmt: skip
            assert not converge(manager, changed, "started", check=False).changed
    finally:
        manager.remove_all()


def test_a_unit_that_runs_but_would_not_after_a_boot_is_mended(manager: Systemd, tmp_path: Path) -> None:
    def half(command: list[str]) -> tuple[int, str, str]:
        return 0, "ActiveState=active\nUnitFileState=disabled\nNeedDaemonReload=no\n", ""

    (tmp_path / "saasodoo-test-odoo-1.service").write_text(manager.render(_PROCESS))
    assert converge(Systemd("test", half, root=True, folder=tmp_path), _PROCESS, "started", check=True).changed


def test_all_of_one_instance_are_removed_and_no_other(manager: Systemd, tmp_path: Path) -> None:
    foreign = tmp_path / "saasodoo-other-odoo-1.service"
    foreign.write_text("[Unit]\n")
    converge(manager, _PROCESS, "started", check=False)
    assert remove_all(manager, check=False).before == {"processes": ["odoo-1"]}
    assert list(tmp_path.iterdir()) == [foreign]


def test_an_ordinary_user_uses_the_own_manager(systemctl: FakeSystemctl, tmp_path: Path) -> None:
    calls: list[list[str]] = []

    def run(command: list[str]) -> tuple[int, str, str]:
        calls.append(command)
        return systemctl([command[0], *command[2:]])

    own = Systemd("test", run, root=False, folder=tmp_path)
    converge(own, _PROCESS, "started", check=False)
    assert all(call[:2] == ["systemctl", "--user"] for call in calls)
    text = (tmp_path / "saasodoo-test-odoo-1.service").read_text()
    assert "User=" not in text
    assert "WantedBy=default.target" in text


def test_a_refusal_of_systemd_is_told(tmp_path: Path) -> None:
    def refuse(command: list[str]) -> tuple[int, str, str]:
        return 1, "", "Failed to connect to bus: No such file or directory"

    with pytest.raises(PlatformError, match="Failed to connect to bus"):
        converge(Systemd("test", refuse, root=True, folder=tmp_path), _PROCESS, "started", check=False)
