"""A cell for daemons: network, mounts and processes of its own. When its first process ends, the kernel ends all in it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

#: The two ends of the cable between this machine and the cell, and what is reached through it.
OUTSIDE, INSIDE = "10.250.0.2", "10.250.0.1"
_LINKS = ("saasodoo-k8s0", "saasodoo-k8s1")
_HOLD = "mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && ip link set lo up && exec sleep infinity"
_PATIENCE = 10  # seconds
_LOCK = Path("/run/saasodoo-cell.lock")
#: The control group that hosts in a cell have theirs in (see hosts).
HOSTS = "saasodoo-hosts"
#: What kubelet sets for the whole machine, and to what.
SYSCTLS = {
    "vm/overcommit_memory": 1, "vm/panic_on_oom": 0, "kernel/panic": 10, "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000, "kernel/keys/root_maxbytes": 25_000_000,
}  # fmt: skip


@dataclass
class Cell:
    """Where ``start`` runs programs; each logs to ``<name>.log`` in ``logs``."""

    holder: int  # process id, as this machine sees it
    logs: Path
    _started: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def command(self, words: Sequence[str | Path], *, net: bool = True) -> list[str]:
        """Return what runs a command inside; without ``net`` in this machine's network, to end with the cell all the same."""
        inside = ["--mount", "--net", "--pid"] if net else ["--mount", "--pid"]
        return ["nsenter", f"--target={self.holder}", *inside, "--", *map(str, words)]

    def run(self, *words: str | Path, check: bool = True) -> str:
        """Run a command inside to its end and return what it printed. Raises CalledProcessError."""
        done = subprocess.run(self.command(words), capture_output=True, text=True, timeout=120, check=False)
        if check and done.returncode:
            raise subprocess.CalledProcessError(done.returncode, list(map(str, words)), done.stdout, done.stderr)
        return done.stdout

    def start(self, name: str, *words: str | Path, net: bool = True) -> None:
        """Start a daemon inside (``net``: see command), again under the same name if it has ended."""
        with (self.logs / f"{name}.log").open("ab") as log:
            self._started[name] = subprocess.Popen(
                self.command(words, net=net), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def pid(self, name: str) -> int:
        """Return the process id of a daemon, as this machine sees it."""
        outer = self._started[name].pid
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            children = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
            if children:
                return int(children[0])
            time.sleep(0.01)
        raise RuntimeError(f"{name} has ended: {self.log(name)}")

    def kill(self, name: str) -> None:
        """Kill a daemon with signal 9: the API server asked to end would first wait for all it serves."""
        os.kill(self.pid(name), signal.SIGKILL)
        self._started.pop(name).wait(_PATIENCE)

    def reap(self) -> None:
        """Take note of the daemons' ends, which the kernel has seen to."""
        for process in self._started.values():
            process.wait(_PATIENCE)

    def running(self, name: str) -> bool:
        """Whether a daemon has not ended."""
        return self._started[name].poll() is None

    def log(self, name: str, lines: int = 20) -> str:
        """Return the end of a daemon's log."""
        return "\n".join((self.logs / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])


@contextmanager
def cell(logs: Path) -> Iterator[Cell]:
    """Make one, with a cable to this machine; in the end all in it is killed and the machine's settings are as before.

    There is one cable: raises RuntimeError where another cell has it.
    """
    with _LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel gives it back, however this process ends
        except BlockingIOError:
            raise RuntimeError(f"another test cluster is running on this machine, and has {_LINKS[0]}; end it first") from None
        with _cell(logs) as made:
            yield made


@contextmanager
def _cell(logs: Path) -> Iterator[Cell]:
    settings = {file: file.read_text() for file in map(Path("/proc/sys").joinpath, SYSCTLS) if file.exists()}
    _forget_cable()  # a killed run's, like the next
    _forget_cgroups()
    try:
        with closed_cell(logs) as made:
            _connect(made)
            yield made
    finally:
        _forget_cable()  # the kernel takes it away, too, but when it comes to it
        _forget_cgroups()
        for file, value in settings.items():
            if file.read_text() != value:
                file.write_text(value)


@contextmanager
def closed_cell(logs: Path) -> Iterator[Cell]:
    """Make one without a way out or in; in the end all in it is killed."""
    unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", "sh", "-c", _HOLD]
    with_us = ["setpriv", "--pdeathsig=KILL", *unshare]  # also where nobody comes to the end of this
    made = Cell(0, logs)
    with subprocess.Popen(with_us, start_new_session=True) as outer:
        try:
            made.holder = _first_process(outer.pid)
            yield made
        finally:
            outer.kill()
            outer.wait()
            made.reap()


def _forget_cable() -> None:
    subprocess.run(["ip", "link", "delete", _LINKS[0]], check=False, capture_output=True)


def _first_process(unshare: int) -> int:
    """Return the process that holds the cell, once it has made its ground."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        with suppress(OSError):
            for child in Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split():
                if Path(f"/proc/{child}/comm").read_text().strip() == "sleep":
                    return int(child)
        time.sleep(0.02)
    raise RuntimeError("no cell could be made: unshare needs root, and a kernel with namespaces")


def _connect(made: Cell) -> None:
    outside, inside = _LINKS
    ip = ("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", str(made.holder))
    subprocess.run(ip, check=True, capture_output=True)
    for words in (("address", "add", f"{OUTSIDE}/30", "dev", outside), ("link", "set", outside, "up")):
        subprocess.run(["ip", *words], check=True, capture_output=True)
    made.run("ip", "address", "add", f"{INSIDE}/30", "dev", inside)
    made.run("ip", "link", "set", inside, "up")
    made.run("ip", "route", "add", "default", "via", OUTSIDE)


def reach(network: str) -> None:
    """Lead this machine's way to a network through the cable; the way ends with the cell."""
    subprocess.run(["ip", "route", "replace", network, "via", INSIDE, "dev", _LINKS[0]], check=True, capture_output=True)


def _forget_cgroups() -> None:
    """Remove what kubelet, containers and hosts had of the machine's control groups; their killed processes may take a moment.

    A group that is left would be in the way of the next host of that name.
    """
    end = time.monotonic() + _PATIENCE
    while left := _cgroups():
        for folder in left:
            with suppress(OSError):
                folder.rmdir()
        if time.monotonic() > end:
            return
        time.sleep(0.05)


def _cgroups() -> list[Path]:
    """Return those groups, the innermost first."""
    roots = (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir())
    found = [folder for root in roots for name in ("kubepods*", HOSTS) for folder in root.glob(f"{name}/**/")]
    return sorted(found, key=lambda each: len(each.parts), reverse=True)
