"""What root's own code can do in a component's sandbox, and what it could without: under the real systemd, as process 1."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.process import Process
from ansible_collections.saasodoo.platform.plugins.module_utils.host.processes import converge
from ansible_collections.saasodoo.platform.plugins.module_utils.host.systemd import Systemd
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.systemd

#: Each is a line of Python that ends without an error where it succeeds; {secret} and {folder} are paths, {victim} a process.
_ATTACKS = {
    "write to /etc": "open('/etc/saasodoo-attack', 'w').close(); os.unlink('/etc/saasodoo-attack')",
    "write beside its folder": "open('{folder}/../attack', 'w').close(); os.unlink('{folder}/../attack')",
    "read what others have in /tmp": "open('{secret}').read()",
    "read a process of another user": "open('/proc/{victim}/environ').read()",
    "signal a process of another user": "os.kill({victim}, 0)",
    "become another user": "os.setuid(65534)",
    "give a file away": "open('{folder}/given', 'w').close(); os.chown('{folder}/given', 65534, 65534)",
    "make a device": "os.mknod('{folder}/device', stat.S_IFBLK | 0o600, os.makedev(8, 0))",
    "make a program of root's for all": "open('{folder}/suid', 'w').close(); os.chmod('{folder}/suid', 0o4755)",
    "mount": "os.mkdir('{folder}/m'); assert not os.system('mount -t tmpfs m {folder}/m && umount {folder}/m')",
    "make a namespace": "subprocess.run(['unshare', '--user', '--map-root-user', 'true'], check=True)",
    "read raw packets": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "change the kernel": "open('/proc/sys/kernel/domainname', 'r+').write('attack')",
    "change a control group": "os.mkdir('/sys/fs/cgroup/attack'); os.rmdir('/sys/fs/cgroup/attack')",
    "change the clock": "time.clock_settime(time.CLOCK_REALTIME, time.time())",
}
#: What a machine in a container may not do anyway.
_HARD = {
    "make a device",
    "make a namespace",
    "read raw packets",
    "change the kernel",
    "change a control group",
    "change the clock",
}
_SCRIPT = """
import json, os, subprocess, sys, time
answer, lines = {answer!r}, {lines!r}
program = "import os, socket, stat, subprocess, time; "
tried = {{name: subprocess.run([sys.executable, "-c", program + line], stderr=subprocess.PIPE) for name, line in lines.items()}}
with open(answer + ".new", "w") as file:
    json.dump([name for name, each in tried.items() if not each.returncode], file)
os.rename(answer + ".new", answer)
time.sleep(600)
"""


@pytest.fixture
def manager() -> Iterator[Systemd]:
    def run(command: list[str]) -> tuple[int, str, str]:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    made = Systemd(f"attacks{os.getpid()}", run)
    try:
        yield made
    finally:
        made.remove_all()


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for those of components, which does not lie where temporary files do."""
    folder = Path(f"/srv/saasodoo-attacks-{os.getpid()}")
    folder.mkdir()
    try:
        yield folder
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=True)


@pytest.fixture
def victim() -> Iterator[int]:
    with subprocess.Popen(["/bin/sleep", "600"], user="daemon") as process:
        yield process.pid
        process.kill()


def successes(manager: Systemd, folder: Path, victim: int, secret: Path, *, writes: tuple[str, ...] | None = None) -> set[str]:
    """Return the attacks that succeed for a process of root's with ``folder``, in a sandbox if it says what it ``writes`` to."""
    folder.mkdir()
    answer, script = folder / "answer.json", folder / "script.py"
    lines = {name: line.format(folder=folder, secret=secret, victim=victim) for name, line in _ATTACKS.items()}
    script.write_text(_SCRIPT.format(lines=lines, answer=str(answer)))
    process = Process("attacker", (os.path.realpath(sys.executable), str(script)), writes=writes)
    converge(manager, process, "started", check=False)
    eventually(answer.exists, "all was tried", 60)
    converge(manager, process, "absent", check=False)
    return set(json.loads(answer.read_text()))


def test_code_of_roots_gets_nowhere_from_a_sandbox(manager: Systemd, place: Path, victim: int, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    kept = place / "kept"
    assert set(_ATTACKS) - _HARD <= successes(manager, place / "free", victim, secret), "without one they work"
    assert successes(manager, kept, victim, secret, writes=(str(kept),)) == set()
