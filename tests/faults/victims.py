"""What is killed: the processes of a run, of a Postgres server, of a PgBouncer."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path


def kill(pids: Iterable[int]) -> None:
    """Kill them with signal 9."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    """Return a process and all that descend from it, itself first."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def command(pid: int) -> str:
    """Return a process's command line."""
    with suppress(OSError):
        return (Path("/proc") / str(pid) / "cmdline").read_bytes().decode(errors="replace")
    return ""


def playbook(run: int) -> list[int]:
    """ansible-playbook and its workers; the programs they run (pg_dump, pg_restore) outlive them, which is worse."""
    return [pid for pid in children(run) if "ansible-playbook" in command(pid)]


def postgres(home: Path, server: str) -> list[int]:
    """All processes of a server, the postmaster first."""
    return [pid for each in _running(lambda words: f"{home}/postgres/{server}/data" in words) for pid in children(each)]


def pgbouncer(home: Path, server: str) -> list[int]:
    """The PgBouncer in front of a server."""
    return _running(lambda words: f"{home}/pgbouncer/{server}/pgbouncer.ini" in words)


def runner(home: Path) -> list[int]:
    """The webhook runner's worker; the run it has begun outlives it."""
    workers = _running(lambda words: words[1:4] == ["-m", "webhook_runner", "worker"])
    return [pid for pid in workers if str(home) in environment(pid)]


def environment(pid: int) -> str:
    """Return a process's environment."""
    with suppress(OSError):
        return (Path("/proc") / str(pid) / "environ").read_bytes().decode(errors="replace")
    return ""


def _running(fits: Callable[[list[str]], bool]) -> list[int]:
    pids = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if fits(command(pid).split("\0"))]
