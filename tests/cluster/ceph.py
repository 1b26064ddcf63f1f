"""A real CephFS in a cell of its own, where nothing else finds its mounts: a monitor, a store in memory, a metadata server."""

from __future__ import annotations

import json
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.cell import Cell, closed_cell
from tests.fixtures.waiting import eventually

_MONITOR = "127.0.0.1:6789"
_ALL = ("--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mds", "allow *")
_SETTINGS = """\
[global]
fsid = {fsid}
mon host = v1:{monitor}
mon initial members = a
public network = 127.0.0.1/32
keyring = {folder}/$name.keyring
run dir = {folder}
admin socket =
pid file =
log file =
crash dir = {folder}
mon data = {folder}/mon
osd data = {folder}/osd
mds data = {folder}/mds
osd objectstore = memstore
memstore device bytes = 536870912
osd class load list = *
osd class default list = *
osd pool default size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
paxos propose interval = 0.05
mds beacon interval = 1
client caps release delay = 1
"""


@dataclass(frozen=True)
class Ceph:
    """Ceph that runs in ``cell``, with one file system."""

    cell: Cell
    folder: Path
    filesystem: str

    def ceph(self, *words: str) -> str:
        """Have the monitor do something, and return what it answers. Raises CalledProcessError."""
        return self.cell.run("ceph", *self._as("admin"), "--connect-timeout=20", *words)

    def user(self, name: str, caps: Mapping[str, str]) -> None:
        """Make a user."""
        words = [word for cap in caps.items() for word in cap]
        self.ceph("auth", "get-or-create", f"client.{name}", *words, "-o", str(self.folder / f"client.{name}.keyring"))

    def mount(self, user: str, path: str = "/") -> Path:
        """Mount a folder of the file system as a user, and return where the cell sees it. Raises CalledProcessError.

        Only the cell does: a ceph-fuse that dies stops for ever whoever looks at its mount, until the cell is ended.
        """
        mounted = self.folder / uuid.uuid4().hex
        mounted.mkdir()
        self.cell.run("timeout", "30", "ceph-fuse", *self._as(user), "-r", path, f"--client_fs={self.filesystem}", mounted)
        return mounted

    def _as(self, user: str) -> tuple[str, ...]:
        return f"--conf={self.folder}/ceph.conf", f"--name=client.{user}"


@contextmanager
def ceph(filesystem: str) -> Iterator[Ceph]:
    """Start it, empty; in the end all of it is killed."""
    folder = Path(tempfile.mkdtemp(prefix="saasodoo-ceph-", dir="/tmp"))
    folder.chmod(0o711)  # others pass through to what is mounted
    try:
        with closed_cell(folder) as cell:
            running = Ceph(cell, folder, filesystem)
            _start_monitor(running)
            _start_store(running)
            _make_filesystem(running)
            yield running
    finally:
        shutil.rmtree(folder)


def _start_monitor(made: Ceph) -> None:
    cell, folder, fsid = made.cell, made.folder, str(uuid.uuid4())
    (folder / "ceph.conf").write_text(_SETTINGS.format(fsid=fsid, monitor=_MONITOR, folder=folder))
    keyring, map_ = folder / "mon.keyring", folder / "monmap"
    cell.run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "--name=mon.", "--cap", "mon", "allow *")
    for name in ("client.admin", "osd.0", "mds.a"):
        own = folder / f"{name}.keyring"
        cell.run("ceph-authtool", "--create-keyring", own, "--gen-key", f"--name={name}", *_ALL)
        cell.run("ceph-authtool", keyring, "--import-keyring", own)
    cell.run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"v1:{_MONITOR}", map_)
    _run(made, "ceph-mon", "a", "--mkfs", f"--monmap={map_}", f"--keyring={keyring}")
    cell.start("mon", "ceph-mon", f"--conf={folder}/ceph.conf", "--id=a", "-f")


def _start_store(made: Ceph) -> None:
    identity = str(uuid.uuid4())
    made.ceph("osd", "new", identity, "0")
    (made.folder / "osd").mkdir()
    _run(made, "ceph-osd", "0", "--mkfs", "--no-mon-config", f"--osd-uuid={identity}")
    made.cell.start("osd", "ceph-osd", f"--conf={made.folder}/ceph.conf", "--id=0", "-f")


def _make_filesystem(made: Ceph) -> None:
    for pool in ("metadata", "data"):
        made.ceph("osd", "pool", "create", pool)
    made.ceph("fs", "new", made.filesystem, "metadata", "data")
    (made.folder / "mds").mkdir()
    made.cell.start("mds", "ceph-mds", f"--conf={made.folder}/ceph.conf", "--id=a", "-f")
    eventually(lambda: _states(made) == ["up:active"], "the metadata server works", seconds=60)


def _states(made: Ceph) -> list[str]:
    servers = json.loads(made.ceph("fs", "get", made.filesystem, "--format=json"))["mdsmap"]["info"]
    return [server["state"] for server in servers.values()]


def _run(made: Ceph, daemon: str, identity: str, *words: str) -> None:
    made.cell.run(daemon, f"--conf={made.folder}/ceph.conf", f"--id={identity}", *words)
