"""A fresh machine: what an installed Debian has and nothing else, with systemd as process 1 and a network of its own.

It lives in a cell, which is the network around it: ``outside`` is another machine there. What is in the cell ends with the
process that made it, however that ends; a janitor that outlives this process removes the rest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import packages
from tests.cluster import nspawn
from tests.cluster.cell import Cell, closed_cell
from tests.fresh import registries
from tests.fresh.typed import Typed

#: What a server has after the installation (and the ssh of the last question): no venv, no Java, no compiler.
_INSTALLED = (
    "systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd", "sudo", "openssh-server", "git", "make",
    "python3", "apt", "ca-certificates", "iproute2", "procps", "curl", "less", "nano", "locales",
)  # fmt: skip
_PROGRAMS = {"mmdebstrap": "mmdebstrap", "slirp4netns": "slirp4netns", "ip": "iproute2", "ssh": "openssh-client", "git": "git"}
#: The network that slirp4netns plays: it is 10.0.2.2 and, for names, 10.0.2.3.
_ADDRESS, _OUTSIDE, _ROUTER, _NAMES = "10.0.2.100", "10.0.2.50", "10.0.2.2", "10.0.2.3"
_PATIENCE = 90  # seconds for a machine to come up or go down; some two on an idle one
_GROUP = "saasodoo-fresh"
#: Waits for the end of whoever started it, which closes its input, and for the cell's; control groups are free a moment later.
_JANITOR = """\
cat > /dev/null
for turn in $(seq 300); do
  find /sys/fs/cgroup/*/"$1/$2" -depth -type d -exec rmdir {} + 2> /dev/null
  rmdir /sys/fs/cgroup/*/"$1" 2> /dev/null
  [ -z "$(ls -d /sys/fs/cgroup/*/"$1/$2" 2> /dev/null)" ] && break
  sleep 0.1
done
rm -rf "$3"
"""
USER, PASSWORD = "dev", "right battery 7 staple"


@dataclass(frozen=True)
class Machine:
    """A running machine. ``root`` logs in with a key, and so does ``dev``, whose sudo asks for PASSWORD."""

    suite: str
    folder: Path
    cell: Cell
    words: tuple[str, ...]  # that start it

    def run(self, command: str, user: str = "root", timeout: float = 120) -> str:
        """Run a shell command to its end and return what it printed. Raises CalledProcessError."""
        done = subprocess.run(
            self._ssh(user, command), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
        return done.stdout

    def type(self, command: str, user: str, log: Path, timeout: float) -> Typed:
        """Type a command at a terminal as ``user``, who gives PASSWORD where asked for it; ``log`` gets all that is shown."""
        return Typed.run(self._ssh(user, command, "-tt"), command, PASSWORD, log, timeout)

    def outside(self, *words: str) -> str:
        """Run a command on another machine of its network and return what it printed. Raises CalledProcessError."""
        return self.cell.run(*words)

    @property
    def address(self) -> str:
        """Return where other machines reach it."""
        return _ADDRESS

    def ssh(self, user: str, *options: str) -> list[str]:
        """Return the command by which ``user`` logs in from another machine."""
        return self._ssh(user, "", *options)[:-1]

    def reboot(self) -> float:
        """Have it boot anew, in order, and return how many seconds it took to go down. Raises RuntimeError."""
        start = time.monotonic()
        words = self._ssh("root", "systemctl reboot")
        subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)  # it is cut off
        while self.cell.running("machine"):
            if time.monotonic() - start > _PATIENCE:
                raise RuntimeError(f"the machine does not go down in {_PATIENCE} s: {self.cell.log('machine')}")
            time.sleep(0.1)
        down = time.monotonic() - start
        self.start()
        return down

    def start(self) -> None:
        """Switch it on, and wait until it is up. Raises RuntimeError."""
        self.cell.start("machine", *self.words)
        self._await()

    def _await(self) -> None:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and self.cell.running("machine"):
            try:
                self.run("systemctl is-system-running --wait || true; getent hosts localhost")
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
                time.sleep(0.2)
            else:
                return
        raise RuntimeError(f"the machine does not come up: {self.cell.log('machine')}")

    def _ssh(self, user: str, command: str, *options: str) -> list[str]:
        known = f"UserKnownHostsFile={self.folder}/known_hosts"
        how = ["-q", "-i", f"{self.folder}/key", "-o", known, "-o", "StrictHostKeyChecking=accept-new", "-o", "BatchMode=yes"]
        return self.cell.command(["ssh", *how, *options, f"{user}@{_ADDRESS}", command])


def missing_packages() -> list[str]:
    """Return the packages of this machine that have to be installed first."""
    return packages.missing(_PROGRAMS)


def obstacle() -> str:
    """Return what keeps a machine from being started here, or nothing."""
    if os.geteuid():
        return "a fresh machine is started by root"
    missing = missing_packages()
    return f"packages are missing ({', '.join(missing)}): make test-fresh" if missing else ""


@contextmanager
def machine(cache: Path, suite: str, project: Path) -> Iterator[Machine]:
    """Start one that can clone the HEAD of ``project`` from /srv/saasodoo.bundle. Raises RuntimeError if it does not come up."""
    root, program = nspawn.base(cache, suite, _INSTALLED, registries.base_sources(suite)), nspawn.host(cache)
    folder = Path("/var/tmp") / f"{_GROUP}-{uuid.uuid4().hex[:8]}"
    folder.mkdir(mode=0o700)
    with _janitor(folder):
        _prepare(folder, suite, project)
        with closed_cell(folder / "log") as cell:
            _mount(cell, folder, root)
            _connect(cell)
            running = Machine(suite, folder, cell, tuple(_words(program, folder)))
            running.start()
            running.run("update-ca-certificates 2> /dev/null; ssh-keygen -A > /dev/null")
            running.run(f"useradd -m -s /bin/bash -G sudo {USER} && echo '{USER}:{PASSWORD}' | chpasswd")
            running.run(f"cp -a /root/.ssh /home/{USER}/ && chown -R {USER}: /home/{USER}")
            yield running


@contextmanager
def _janitor(folder: Path) -> Iterator[None]:
    """Remove a folder and the control groups named like it when the block has ended, or this process."""
    words = ["sh", "-c", _JANITOR, "janitor", _GROUP, folder.name, str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True):
        yield
        # Its input is closed now, and it is waited for.


def _prepare(folder: Path, suite: str, project: Path) -> None:
    upper = folder / "upper"
    for each in (upper / "root/.ssh", upper / "srv", folder / "work", folder / "root", folder / "log"):
        each.mkdir(parents=True)
    for each in (upper / "root", upper / "root/.ssh"):
        each.chmod(0o700)
    registries.hand_over(upper, suite, ("/root", f"/home/{USER}"))
    (upper / "etc/hostname").write_text("fresh\n")
    (upper / "etc/resolv.conf").write_text(f"nameserver {_NAMES}\n")
    (upper / "etc/hosts").write_text("127.0.0.1 localhost fresh\n::1 localhost\n")
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    shutil.copy(key.with_suffix(".pub"), upper / "root/.ssh/authorized_keys")
    own = upper / "etc/ssh/ssh_host_ed25519_key"
    own.parent.mkdir(parents=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(own)], check=True)
    # HEAD as it is committed: nothing of the working copy.
    words = ["git", "-C", str(project), "bundle", "create", "-q", str(upper / "srv/saasodoo.bundle"), "HEAD"]
    subprocess.run(words, check=True, capture_output=True)


def _mount(cell: Cell, folder: Path, root: Path) -> None:
    layers = f"lowerdir={root},upperdir={folder}/upper,workdir={folder}/work"
    cell.run("mount", "-t", "overlay", "overlay", "-o", layers, folder / "root")


def _connect(cell: Cell) -> None:
    """Make the network around the machine: a bridge, and slirp4netns, which leads to where this machine can go."""
    cell.start("network", "slirp4netns", "--disable-host-loopback", "--netns-type=path", "/proc/1/ns/net", "tap0", net=False)
    cell.run("ip", "link", "add", "outside", "type", "bridge")
    cell.run("ip", "address", "add", f"{_OUTSIDE}/24", "dev", "outside")
    cell.run("ip", "netns", "add", "machine")
    cell.run("ip", "link", "add", "cable", "type", "veth", "peer", "name", "host0", "netns", "machine")
    cell.run("ip", "-n", "machine", "address", "add", f"{_ADDRESS}/24", "dev", "host0")
    for link in ("lo", "host0"):
        cell.run("ip", "-n", "machine", "link", "set", link, "up")
    cell.run("ip", "-n", "machine", "route", "add", "default", "via", _ROUTER)
    end = time.monotonic() + 10
    while "tap0" not in cell.run("ip", "link"):
        if time.monotonic() > end:
            raise RuntimeError(f"slirp4netns made no network: {cell.log('network')}")
        time.sleep(0.05)
    for link in ("tap0", "cable"):
        cell.run("ip", "link", "set", link, "master", "outside", "up")
    cell.run("ip", "link", "set", "outside", "up")


def _words(program: Path, folder: Path) -> list[str]:
    binds = [f"--bind-ro={each}" for each in registries.folders()]
    how = ["SYSTEMD_SECCOMP=0", "SYSTEMD_NSPAWN_TMPFS_TMP=0"]
    place = folder / "root"
    return nspawn.command(program, place, folder.name, _GROUP, *binds, network="/run/netns/machine", environment=how)
