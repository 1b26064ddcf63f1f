"""Machines by systemd-nspawn: the Debian they begin as, the program that runs them, and control groups of their own."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.debian import mirror

#: systemd-container is what runs machines; the rest is what any host has, and what role kubernetes_cluster would install.
_HOST = (
    "systemd", "systemd-sysv", "systemd-container", "dbus", "libpam-systemd", "openssh-server", "python3", "python3-apt",
    "ca-certificates", "conntrack", "ethtool", "iproute2", "iptables", "kmod", "libseccomp2", "mount", "nftables", "procps",
    "socat", "util-linux",
)  # fmt: skip
_LIMIT = 600  # seconds to make a base
#: Process 1. systemd-nspawn leaves control groups to be read only, and systemd looks but once whether it can set limits.
_INIT = 'for each in /sys/fs/cgroup/*/; do mount -o remount,bind,rw "$each"; done; exec /lib/systemd/systemd "$0"'
#: Run in the cell: a control group of the machine's own in each hierarchy, which it then takes for the root.
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


def host(cache: Path) -> Path:
    """Return the root of a host for a cluster, see ``base``; it has the program that runs machines."""
    return base(cache, "bookworm", _HOST)


def base(cache: Path, suite: str, packages: Sequence[str], sources: Sequence[str] = ()) -> Path:
    """Return a root to lay machines over, made first where ``cache`` has it not. Raises RuntimeError when that fails.

    ``sources`` are lines of apt's, where it is not to be the machine's mirror of Debian.
    """
    key = hashlib.sha256("\n".join((suite, *packages)).encode()).hexdigest()[:12]
    root = cache / "hosts" / f"{suite}-{key}"
    root.parent.mkdir(parents=True, exist_ok=True)
    with (root.parent / f"lock-{suite}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            _make(root, suite, packages, sources or mirror())
    return root


def _make(root: Path, suite: str, packages: Sequence[str], sources: Sequence[str]) -> None:
    new = root.with_name(f"{root.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}", suite, str(new), *sources]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr[-2000:]}")
    (new / "etc/systemd/system/systemd-firstboot.service").symlink_to("/dev/null")
    (new / "etc/machine-id").write_text("")
    (new / "etc/resolv.conf").unlink(missing_ok=True)
    for key in (new / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    new.rename(root)


def command(
    program: Path, root: Path, name: str, group: str, *options: str, network: str, environment: Sequence[str]
) -> list[str]:
    """Return what runs the machine ``root`` in a cell, by the systemd-nspawn that is in ``program`` (see ``host``).

    Its control groups are ``group``/``name``, ``network`` is the path of its network namespace.
    """
    libraries = f"{program}/usr/lib/x86_64-linux-gnu:{program}/usr/lib/x86_64-linux-gnu/systemd"
    nspawn = [f"{program}/lib64/ld-linux-x86-64.so.2", "--library-path", libraries, f"{program}/usr/bin/systemd-nspawn"]
    how = ["--quiet", "--register=no", "--keep-unit", "--console=pipe", "--resolv-conf=off", "--kill-signal=SIGRTMIN+3"]
    where = [f"--directory={root}", f"--network-namespace-path={network}", f"--machine={name}"]
    # systemd 256 and newer is to be told that the old control groups are meant; older ones know no such word.
    boot = ["/bin/sh", "-c", _INIT, "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"]
    return ["sh", "-c", _ENTER, group, name, "env", *environment, *nspawn, *how, *where, *options, *boot]
