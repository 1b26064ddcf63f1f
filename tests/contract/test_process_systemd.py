"""The noun process under systemd: units that systemd itself accepts, and the calls that lead from state to state.

systemd is process 1 only on real hosts; here `systemctl` is a script that keeps the states such calls lead to.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.processes import Found, Process, converge, remove_all
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.systemd import Systemd
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import PlatformError

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
            self.on.add(unit)
        elif verb == "disable":
            self.on.discard(unit)
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


def test_started_changed_stopped_absent(manager: Systemd, systemctl: FakeSystemctl, tmp_path: Path) -> None:
    unit = "saasodoo-test-odoo-1.service"
    assert converge(manager, _PROCESS, "started", check=True).changed
    assert (systemctl.calls, list(tmp_path.iterdir())) == ([], [])
    assert converge(manager, _PROCESS, "started", check=False).changed
    assert systemctl.calls == [["daemon-reload"], ["enable", "--now", unit]]
    systemctl.calls.clear()
    assert not converge(manager, _PROCESS, "started", check=False).changed
    assert [call[0] for call in systemctl.calls] == ["show"]
    systemctl.calls.clear()
    other = Process("odoo-1", command=("/bin/true",))
    assert converge(manager, other, "started", check=False).changed
    assert [call[0] for call in systemctl.calls] == ["show", "disable", "daemon-reload", "enable"]
    assert converge(manager, Process("odoo-1"), "stopped", check=False).changed
    assert manager.read("odoo-1") == Found("stopped", manager.render(other))
    assert converge(manager, Process("odoo-1"), "absent", check=False).changed
    assert list(tmp_path.iterdir()) == []


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
    text = next(tmp_path.iterdir()).read_text()
    assert "User=" not in text
    assert "WantedBy=default.target" in text


def test_a_refusal_of_systemd_is_told(tmp_path: Path) -> None:
    def refuse(command: list[str]) -> tuple[int, str, str]:
        return 1, "", "Failed to connect to bus: No such file or directory"

    with pytest.raises(PlatformError, match="Failed to connect to bus"):
        converge(Systemd("test", refuse, root=True, folder=tmp_path), _PROCESS, "started", check=False)
