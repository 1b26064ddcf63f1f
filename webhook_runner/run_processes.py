"""Ending a run's processes: all of them, and nothing a run has started for good.

ansible-runner's own cancel kills ansible-playbook only, and the module that runs goes on as an orphan. A run therefore
carries its id in the environment of everything it starts. Its own processes are ansible-playbook's and its modules', and
what shares a session with these; a service it started (Odoo, a database) has a session of its own and is left alone.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

MARK = "SAASODOO_RUN_ID"
_OWN = (b"ansible-playbook", b"AnsiballZ_", b"ansible-tmp-")
_POLL = 0.05  # seconds


def end(run_id: UUID, *, grace: float) -> bool:
    """End the run's processes: SIGTERM to ansible-playbook, which ends its modules, and SIGKILL to what is left when that has
    ended, or after ``grace`` seconds. Returns whether there was anything to end.
    """
    found = find(run_id)
    if not found:
        return False
    sessions = {session for _, session in found}
    for pid, _ in found:
        if _is_playbook(pid):
            _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline and any(_is_playbook(pid) for pid in _left(run_id, sessions)):
        time.sleep(_POLL)
    for pid in _left(run_id, sessions):
        _signal(pid, signal.SIGKILL)
    return True


def of_this_process() -> set[UUID]:
    """Return the runs whose ansible-playbook this process has started and that have not ended."""
    mark = f"{MARK}=".encode()
    children = b" ".join(_read(os.getpid(), f"task/{task.name}/children") for task in Path("/proc/self/task").iterdir())
    variables = (each for pid in children.split() for each in _read(int(pid), "environ").split(b"\0"))
    return {UUID(each.removeprefix(mark).decode()) for each in variables if each.startswith(mark)}


def find(run_id: UUID) -> list[tuple[int, int]]:
    """Return (process id, session id) of the run's own processes that are alive."""
    marked = [(pid, _session(pid)) for pid in _marked(run_id)]
    sessions = {session for pid, session in marked if any(word in _read(pid, "cmdline") for word in _OWN)}
    return [(pid, session) for pid, session in marked if session in sessions and session]


def _is_playbook(pid: int) -> bool:
    return b"ansible-playbook" in _read(pid, "cmdline")


def _left(run_id: UUID, sessions: set[int]) -> list[int]:
    return [pid for pid in _marked(run_id) if _session(pid) in sessions]


def _marked(run_id: UUID) -> Iterator[int]:
    mark = f"{MARK}={run_id}".encode()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid() and mark in _read(int(folder.name), "environ").split(b"\0"):
            yield int(folder.name)


def _session(pid: int) -> int:
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return int(fields[3]) if len(fields) > 3 and fields[0] not in (b"Z", b"X") else 0


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # it has ended, or is another user's
        return b""


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
