"""Hosts for tests: each a Debian with systemd, ssh and an address of its own, by systemd-nspawn in a cell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster import nspawn
from tests.cluster.cell import HOSTS, SYSCTLS, Cell, cell, reach

_NETWORK, _ROUTER = "10.88.0", "10.88.0.1"
_PODS = "10.244"
_PATIENCE = 60  # seconds for a host to come up; about one on an idle machine


@dataclass(frozen=True)
class Host:
    """A running host; root logs in by ssh with the key of its ``Hosts``."""

    name: str
    number: int

    @property
    def address(self) -> str:
        """Return where it is reached."""
        return f"{_NETWORK}.{10 + self.number}"

    @property
    def cable(self) -> str:
        """Return the outer end of its cable."""
        return f"host{self.number}"

    @property
    def pods(self) -> str:
        """Return the network that leads to its pods."""
        return f"{_PODS}.{self.number}.0/24"


@dataclass(frozen=True)
class Hosts:
    """Hosts and how Ansible reaches them."""

    folder: Path
    cell: Cell
    hosts: tuple[Host, ...]

    def variables(self, host: Host) -> dict[str, Any]:
        """Return a host's variables for an inventory."""
        known = f"-o UserKnownHostsFile={self.folder}/known_hosts -o ControlPath={self.folder}/ssh-%C"
        return {
            "ansible_host": host.address,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.folder / "key"),
            "ansible_ssh_common_args": known,
            "ansible_python_interpreter": "/usr/bin/python3",
        }

    def run(self, host: Host, *words: str) -> str:
        """Run a command on a host and return what it printed. Raises CalledProcessError."""
        ssh = ["ssh", "-i", f"{self.folder}/key", "-o", f"UserKnownHostsFile={self.folder}/known_hosts", "-o", "BatchMode=yes"]
        command = [*ssh, f"root@{host.address}", *words]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, words, done.stdout, done.stderr)
        return done.stdout

    def unplug(self, host: Host) -> None:
        """Take a host away from all others at once: nobody is told, as when its power goes."""
        self.cell.run("ip", "link", "set", host.cable, "down")


@contextmanager
def hosts(cache: Path, names: Sequence[str]) -> Iterator[Hosts]:
    """Start hosts and take them down, with all they left on the machine. Raises RuntimeError when one does not come up."""
    root = nspawn.host(cache)
    folder = Path(tempfile.mkdtemp(prefix="saasodoo-hosts-", dir="/tmp"))
    try:
        (folder / "log").mkdir()
        _key(folder / "key")
        with cell(folder / "log") as made:
            for file, value in SYSCTLS.items():  # which kubelet could not in a host, and then would not start
                Path("/proc/sys", file).write_text(f"{value}\n")
            running = Hosts(folder, made, tuple(Host(name, number) for number, name in enumerate(names, 1)))
            made.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
            made.run("ip", "link", "add", "hosts", "type", "bridge")
            made.run("ip", "address", "add", f"{_ROUTER}/24", "dev", "hosts")
            made.run("ip", "link", "set", "hosts", "up")
            for host in running.hosts:
                _start(running, host, root)
            reach(f"{_NETWORK}.0/24")
            for host in running.hosts:
                _await(running, host)
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(running: Hosts, host: Host, root: Path) -> None:
    folder, made = running.folder / host.name, running.cell
    upper = folder / "upper"
    for each in (upper / "etc/ssh", upper / "root/.ssh", folder / "work", folder / "root", folder / "containerd"):
        each.mkdir(parents=True)
    (upper / "root/.ssh").chmod(0o700)
    (upper / "root").chmod(0o700)
    shutil.copy(running.folder / "key.pub", upper / "root/.ssh/authorized_keys")
    (upper / "etc/hostname").write_text(f"{host.name}\n")
    (upper / "etc/resolv.conf").write_text(f"nameserver {_ROUTER}\n")  # where nobody answers; pods are given a copy
    # Nobody to ask for names.
    (upper / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nshadow: files\nhosts: files\n")
    (upper / "etc/hosts").write_text(f"127.0.0.1 localhost\n{host.address} {host.name}\n")
    own = upper / "etc/ssh/ssh_host_ed25519_key"
    _key(own)
    with (running.folder / "known_hosts").open("a") as known:
        known.write(f"{host.address} {own.with_suffix('.pub').read_text()}")
    made.run(
        "mount", "-t", "overlay", "overlay", "-o", f"lowerdir={root},upperdir={upper},workdir={folder}/work", folder / "root"
    )
    _network_of_pods(upper, host)
    _connect(made, host)
    made.start(host.name, *_nspawn(root, folder, host))


def _network_of_pods(upper: Path, host: Host) -> None:
    """Stand in for a network plugin such as cilium: a bridge on each host, routes between them, and no network policies."""
    plugins = [{
        "type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": host.pods}]], "routes": [{"dst": "0.0.0.0/0"}]},
    }]  # fmt: skip
    folder = upper / "etc/cni/net.d"
    folder.mkdir(parents=True)
    (folder / "10-test.conflist").write_text(json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": plugins}))


def _connect(made: Cell, host: Host) -> None:
    made.run("ip", "netns", "add", host.name)
    made.run("ip", "link", "add", host.cable, "type", "veth", "peer", "name", "host0", "netns", host.name)
    made.run("ip", "link", "set", host.cable, "master", "hosts", "up")
    made.run("ip", "-n", host.name, "address", "add", f"{host.address}/24", "dev", "host0")
    for link in ("lo", "host0"):
        made.run("ip", "-n", host.name, "link", "set", link, "up")
    made.run("ip", "-n", host.name, "route", "add", "default", "via", _ROUTER)
    made.run("ip", "route", "add", host.pods, "via", host.address)


def _nspawn(root: Path, folder: Path, host: Host) -> list[str]:
    """Return the command that runs a host."""
    # A container runtime in it makes keyrings, and sets how the network works; all else of the kernel is the machine's own.
    allowed = ["SYSTEMD_SECCOMP=0", "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network"]
    # Images are laid over one another, too, which does not work on what is laid over something already.
    binds = [f"--bind={folder}/containerd:/var/lib/containerd", "--bind-ro=/dev/kmsg"]
    capabilities = "--capability=CAP_NET_ADMIN,CAP_SYSLOG"  # the latter to read /dev/kmsg, as a kubelet does
    network = f"/run/netns/{host.name}"
    return nspawn.command(root, folder / "root", host.name, HOSTS, capabilities, *binds, network=network, environment=allowed)


def _await(running: Hosts, host: Host) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and running.cell.running(host.name):
        try:
            running.run(host, "true")
        except subprocess.CalledProcessError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"host {host.name} did not come up: {running.cell.log(host.name)}")


def _key(file: Path) -> None:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(file)]
    subprocess.run(command, check=True, capture_output=True, env=os.environ)
