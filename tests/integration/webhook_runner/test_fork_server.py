"""The fork server runs playbooks as ansible-playbook would, each apart from the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fixtures.fork_server import CLIENT, await_socket, serving
from tests.fixtures.processes import command, parent
from tests.fixtures.waiting import eventually

PROJECT = Path(__file__).parents[3]
PLAYBOOK = """
- name: Say what this run sees
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Note environment and folder
      ansible.builtin.copy:
        content: "{{ lookup('env', 'RUN') }} {{ lookup('env', 'SECRET') }} {{ lookup('pipe', 'pwd') }}"
        dest: "{{ out }}"
        mode: "0600"
    - name: Take the time asked for
      ansible.builtin.wait_for:
        timeout: "{{ seconds | default(0) | int }}"
      when: seconds is defined
    - name: Fail if asked to
      ansible.builtin.fail:
        msg: as asked
      when: fails | default(false)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A running server; the environment its clients need."""
    folder = tmp_path_factory.mktemp("fork")
    bin_folder = Path(sys.executable).parent
    environment = {
        "PATH": f"{bin_folder}:/usr/bin:/bin",
        "HOME": str(folder),
        "PYTHONPATH": f"{PROJECT}/collections:{PROJECT}",
        "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
    }
    with serving(environment) as (socket, _):
        await_socket(socket)
        yield environment | {"SAASODOO_FORK_SOCKET": str(socket)}


@pytest.mark.parametrize(("cluster", "loaded"), [({}, False), ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, True)])
def test_the_clusters_client_is_loaded_only_in_a_cluster(cluster: dict[str, str], loaded: bool) -> None:
    look = "import sys; from webhook_runner import fork_server as it; it.preload(); print('kubernetes' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name != "KUBERNETES_SERVICE_HOST"} | cluster
    said = subprocess.run([sys.executable, "-c", look], env=environment, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(loaded)


def client(environment: dict[str, str], folder: Path, **variables: object) -> list[str]:
    (folder / "play.yml").write_text(PLAYBOOK)
    given = [word for name, value in {"out": folder / "out", **variables}.items() for word in ("-e", f"{name}={value}")]
    return [str(CLIENT), "play.yml", *given]


def test_a_run_has_its_own_environment_folder_and_streams(server: dict[str, str], tmp_path: Path) -> None:
    first = subprocess.run(
        client(server, tmp_path),
        env={**server, "RUN": "one", "SECRET": "s3"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (first.returncode, (tmp_path / "out").read_text()) == (0, f"one s3 {tmp_path}"), first.stderr
    assert "PLAY RECAP" in first.stdout
    subprocess.run(client(server, tmp_path), env={**server, "RUN": "two"}, cwd=tmp_path, capture_output=True, check=True)
    assert (tmp_path / "out").read_text() == f"two  {tmp_path}"  # nothing of the first run is left


def test_a_failed_run_says_so(server: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(client(server, tmp_path, fails="true"), env=server, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ending_the_client_ends_the_run(server: dict[str, str], tmp_path: Path, number: signal.Signals) -> None:
    with long_run(server, tmp_path) as process:
        process.send_signal(number)
        assert process.wait(timeout=20) != 0
    eventually(lambda: not running(tmp_path), "the run and its workers ended with the client", seconds=20)


def test_ending_the_playbook_ends_its_workers(server: dict[str, str], tmp_path: Path) -> None:
    """Killed as the system would when memory is short: nothing it began works on, tenant or not."""
    with long_run(server, tmp_path) as process:
        playbook = eventually(lambda: module_of(tmp_path), "its module works")
        while parent(playbook) in running(tmp_path):
            playbook = parent(playbook)
        os.kill(playbook, signal.SIGKILL)
        assert process.wait(timeout=20) == 128 + signal.SIGKILL
    eventually(lambda: not running(tmp_path), "the workers ended with the playbook", seconds=20)


@contextmanager
def long_run(server: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A client whose run is under way and would take its time."""
    with subprocess.Popen(client(server, folder, seconds=97), env=server, cwd=folder, stdout=subprocess.DEVNULL) as process:
        eventually((folder / "out").exists, "its first task is done", seconds=20)
        assert running(folder), "the run is under way"
        yield process


def module_of(folder: Path) -> int:
    """Return the process of the module that takes its time, 0 when there is none."""
    return next((pid for pid in running(folder) if any("wait_for" in word for word in command(pid))), 0)


def running(folder: Path) -> list[int]:
    """Return the processes whose working directory is the run's folder: playbook, workers and modules."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if each.readlink() == folder:
                found.append(int(each.parent.name))
        except OSError:
            continue
    return found


def test_without_a_server_the_real_ansible_playbook_runs(server: dict[str, str], tmp_path: Path) -> None:
    environment = {**server, "SAASODOO_FORK_SOCKET": str(tmp_path / "nothing-here"), "RUN": "plain"}
    subprocess.run(client(server, tmp_path), env=environment, cwd=tmp_path, capture_output=True, check=True)
    assert (tmp_path / "out").read_text().startswith("plain")
