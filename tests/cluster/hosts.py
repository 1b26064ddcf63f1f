"""Hosts for tests: each a Debian with systemd, ssh and an address of its own, by systemd-nspawn in a cell."""

from __future__ import annotations

import fcntl
import hashlib
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

from tests.cluster.cell import HOSTS, SYSCTLS, Cell, cell, reach
from tests.cluster.debian import mirror

_SUITE = "bookworm"
#: systemd-container is what runs hosts; the rest is what any host has, and what role kubernetes_cluster would install.
_PACKAGES = (
    "systemd", "systemd-sysv", "systemd-container", "dbus", "libpam-systemd", "openssh-server", "python3", "python3-apt",
    "ca-certificates", "conntrack", "ethtool", "iproute2", "iptables", "kmod", "libseccomp2", "mount", "nftables", "procps",
    "socat", "util-linux",
)  # fmt: skip
_NETWORK, _ROUTER = "10.88.0", "10.88.0.1"
_PODS = "10.244"
_LIMIT = 600  # seconds to make the base
_PATIENCE = 60  # seconds for a host to come up; about one on an idle machine
#: systemd-nspawn leaves control groups to be read only; a container runtime needs to make some.
_UNIT = """\
[Unit]
DefaultDependencies=no
Before=sysinit.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'for each in /sys/fs/cgroup/*/; do mount -o remount,bind,rw "$each"; done'
[Install]
WantedBy=sysinit.target
"""
#: Run in the cell: a control group of the host's own in each hierarchy, which it then takes for the root.
_ENTER = """\
for each in /sys/fs/cgroup/*/; do
  [ -e "$each/cgroup.procs" ] && [ ! -L "${each%/}" ] || continue
  for group in "$each/$0" "$each/$0/$1"; do
    mkdir -p "$group"
    for name in cpuset.cpus cpuset.mems; do
      [ ! -e "$group/$name" ] || cat "$group/../$name" > "$group/$name"
    done
  done
  echo $$ > "$each/$0/$1/cgroup.procs"
done
shift
exec "$@"
"""


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
    root = base(cache)
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


def base(cache: Path) -> Path:
    """Return the root that hosts are laid over, made first where ``cache`` has it not. Raises RuntimeError when that fails."""
    key = hashlib.sha256("\n".join((_SUITE, *_PACKAGES)).encode()).hexdigest()[:12]
    root = cache / "hosts" / f"{_SUITE}-{key}"
    root.parent.mkdir(parents=True, exist_ok=True)
    with (root.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            _make(root)
    return root


def _make(root: Path) -> None:
    new = root.with_name(f"{root.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(_PACKAGES)}", _SUITE, str(new), *mirror()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr[-2000:]}")
    (new / "etc/systemd/system/systemd-firstboot.service").symlink_to("/dev/null")
    (new / "etc/machine-id").write_text("")
    (new / "etc/resolv.conf").unlink(missing_ok=True)
    (new / "etc/nsswitch.conf").write_text(
        "passwd: files\ngroup: files\nshadow: files\nhosts: files\n"
    )  # nobody to ask for names
    for key in (new / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    new.rename(root)


def _start(running: Hosts, host: Host, root: Path) -> None:
    folder, made = running.folder / host.name, running.cell
    upper = folder / "upper"
    for each in (upper / "etc/ssh", upper / "root/.ssh", folder / "work", folder / "root", folder / "containerd"):
        each.mkdir(parents=True)
    (upper / "root/.ssh").chmod(0o700)
    (upper / "root").chmod(0o700)
    wants = upper / "etc/systemd/system/sysinit.target.wants"
    wants.mkdir(parents=True)
    (wants.parent / "cgroups.service").write_text(_UNIT)
    (wants / "cgroups.service").symlink_to("../cgroups.service")
    shutil.copy(running.folder / "key.pub", upper / "root/.ssh/authorized_keys")
    (upper / "etc/hostname").write_text(f"{host.name}\n")
    (upper / "etc/resolv.conf").write_text(f"nameserver {_ROUTER}\n")  # where nobody answers; pods are given a copy
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
    """Return the command that runs a host: the systemd-nspawn of the hosts' own Debian, so none has to be installed here."""
    libraries = f"{root}/usr/lib/x86_64-linux-gnu:{root}/usr/lib/x86_64-linux-gnu/systemd"
    program = [f"{root}/lib64/ld-linux-x86-64.so.2", "--library-path", libraries, f"{root}/usr/bin/systemd-nspawn"]
    # A container runtime in it makes keyrings, and sets how the network works; all else of the kernel is the machine's own.
    allowed = ["env", "SYSTEMD_SECCOMP=0", "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network"]
    # Images are laid over one another, too, which does not work on what is laid over something already.
    binds = [f"--bind={folder}/containerd:/var/lib/containerd", "--bind-ro=/dev/kmsg"]
    how = ["--quiet", "--boot", "--register=no", "--keep-unit", "--console=pipe", "--resolv-conf=off", "--kill-signal=SIGRTMIN+3"]
    where = [
        f"--directory={folder}/root",
        f"--network-namespace-path=/run/netns/{host.name}",
        f"--machine={host.name}",
        "--capability=CAP_NET_ADMIN,CAP_SYSLOG",  # the latter to read /dev/kmsg, as a kubelet does
    ]
    return ["sh", "-c", _ENTER, HOSTS, host.name, *allowed, *program, *how, *where, *binds]


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
