"""What the real systemd does with the order of processes, their ends and their failures; needs it as process 1, and root."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.process import LAYERS, Process
from ansible_collections.saasodoo.platform.plugins.module_utils.host.processes import converge
from ansible_collections.saasodoo.platform.plugins.module_utils.host.systemd import Systemd
from tests.fixtures.processes import logged
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.systemd


def run(command: list[str]) -> tuple[int, str, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def manager() -> Iterator[Systemd]:
    made = Systemd(f"layers{os.getpid()}", run)
    yield made
    made.remove_all()


def failed(manager: Systemd) -> list[str]:
    units = run(["systemctl", "list-units", "--all", "--failed", "--plain", "--no-legend"])[1].splitlines()
    return [line for line in units if f"layers{os.getpid()}" in line]


def started(unit: str) -> int:
    """Return when a unit's program was started, in microseconds since the boot."""
    return int(run(["systemctl", "show", "--property=ExecMainStartTimestampMonotonic", "--value", unit])[1])


def test_layers_start_in_order_and_stop_in_the_reverse(manager: Systemd, tmp_path: Path) -> None:
    log = tmp_path / "processes.log"
    for layer in reversed(LAYERS):  # whatever the order they are made in
        converge(manager, logged(layer, log), "started", check=False)
    eventually(lambda: len(log.read_text().splitlines()) == len(LAYERS))
    log.write_text("")
    prefix = f"saasodoo-layers{os.getpid()}"
    units = [unit for layer in LAYERS for unit in (f"{prefix}-one-of-{layer}.service", f"{prefix}-{layer}.target")][:-1]
    # In this order, since systemctl asks for one after the other. A machine that goes down, or boots, asks for all at once.
    assert run(["systemctl", "stop", *reversed(units)])[0] == 0
    assert log.read_text().split("\n")[:-1] == [f"{layer} ends" for layer in reversed(LAYERS)]
    log.write_text("")
    assert run(["systemctl", "start", *units])[0] == 0
    eventually(lambda: sorted(log.read_text().splitlines()) == sorted(f"{layer} begins" for layer in LAYERS))
    # By systemd's clock: on a busy machine one may be slower with its first word than the next.
    starts = [started(f"{prefix}-one-of-{layer}.service") for layer in LAYERS]
    assert starts == sorted(starts)
    log.write_text("")
    manager.remove_all()
    assert log.read_text().split("\n")[:-1] == [f"{layer} ends" for layer in reversed(LAYERS)]


@pytest.mark.parametrize("signal", ["TERM", "INT", "QUIT"])
@pytest.mark.parametrize("status", ["its own", "as a shell would say", "killed"])
def test_no_unit_has_failed_that_ended_when_asked_to(manager: Systemd, tmp_path: Path, signal: str, status: str) -> None:
    number = {"TERM": 15, "INT": 2, "QUIT": 3}[signal]
    how = {"its own": f"trap 'exit 0' {signal};", "as a shell would say": f"trap 'exit {128 + number}' {signal};", "killed": ""}
    process = Process("ends", command=("/bin/sh", "-c", f"{how[status]} while :; do sleep 0.05; done"), stop_signal=signal)
    converge(manager, process, "started", check=False)
    time.sleep(0.3)  # until the trap is set
    assert converge(manager, process, "stopped", check=False).changed
    assert failed(manager) == []
    assert run(["systemctl", "is-failed", f"saasodoo-layers{os.getpid()}-ends.service"])[1].strip() == "inactive"


def test_one_that_has_to_be_killed_leaves_no_failed_unit(manager: Systemd) -> None:
    deaf = Process("deaf", command=("/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"), stop_timeout=1)
    converge(manager, deaf, "started", check=False)
    time.sleep(0.3)
    converge(manager, deaf, "stopped", check=False)
    assert failed(manager) == []
    converge(manager, deaf, "started", check=False)
    time.sleep(0.3)
    converge(manager, deaf, "absent", check=False)
    assert failed(manager) == []
    assert "deaf" not in run(["systemctl", "list-units", "--all", "--plain", "--no-legend"])[1]


def test_a_layer_is_told_to_a_process_that_runs(manager: Systemd) -> None:
    process = Process("one", command=("/bin/sleep", "1000"))
    converge(manager, process, "started", check=False)
    pid = manager.read("one").pid
    assert converge(manager, replace(process, layer="databases"), "started", check=False).changed
    assert manager.read("one").pid == pid
    shown = run(["systemctl", "show", "--property=Before", f"saasodoo-layers{os.getpid()}-one.service"])[1]
    assert f"saasodoo-layers{os.getpid()}-databases.target" in shown
