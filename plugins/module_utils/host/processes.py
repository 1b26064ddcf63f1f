# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Processes that outlive a playbook run: the one way any process manager brings one to its state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..domain.process import Found, Process
from ..outcome import Outcome
from ..ports import ProcessManager
from . import process_limits


def _wanted(manager: ProcessManager, process: Process, state: str, found: Found) -> Found:
    if state == "absent" or (state == "stopped" and found.state == "absent"):
        return Found("absent")
    if state == "stopped":
        return Found("stopped", manager.stopped(found.definition))
    return Found("started", manager.render(process))


def converge(manager: ProcessManager, process: Process, state: str, *, check: bool) -> Outcome:
    """Bring ``process`` to ``state`` (started, stopped, restarted, absent), or with ``check`` only say what that changes.

    A running process is left alone unless its definition differs or ``state`` is restarted; where only limits differ it is
    told of them and runs on. Stopping keeps the definition.
    """
    found = manager.read(process.name)
    wanted = _wanted(manager, process, state, found)
    restart = state == "restarted"
    if found.state == wanted.state == "started" and not restart:
        differing = manager.changed_limits(found.definition, wanted.definition)
        if differing is not None:
            return _set_limits(manager, process, found, wanted, differing, check=check)
    if not check and (restart or found != wanted):
        manager.apply(process.name, wanted)
    facts = _facts(manager, process, wanted.state)
    return Outcome(before=found.as_dict(), after=wanted.as_dict(), facts=facts, forced=restart)


def _set_limits(
    manager: ProcessManager, process: Process, found: Found, wanted: Found, differing: tuple[str, ...], *, check: bool
) -> Outcome:
    """Give a process that runs the limits wanted, as far as it can live with them; the others wait for its next restart."""
    space, limit = process_limits.address_space(found.pid), process.address_space_limit
    live, pending = ([], [*differing]) if _uses_more(process, found.pid, differing) else ([*differing], [])
    wanted = found if pending else wanted
    before, after = found.as_dict(), wanted.as_dict()
    if space and limit and space != limit:
        # A lower one would be met by errors: the program counts on what it was told when it started (Odoo, its soft limit).
        raised = limit > space
        (live if raised else pending).append("address_space_limit")
        before["address_space_limit"], after["address_space_limit"] = space, limit if raised else space
    if not check:
        if wanted != found:
            manager.set_limits(process.name, wanted.definition)
        if limit and "address_space_limit" in live:
            process_limits.set_address_space(found.pid, limit)
    return Outcome(before, after, _facts(manager, process, "started", live, pending))


def _uses_more(process: Process, pid: int, differing: tuple[str, ...]) -> bool:
    """Say whether the process would be killed for what it uses already, were its new memory limit enforced."""
    if "memory_limit" not in differing or process.memory_limit is None:
        return False
    return process_limits.resident(pid) > process.memory_limit


def _facts(
    manager: ProcessManager, process: Process, state: str, live: Sequence[str] = (), pending: Sequence[str] = ()
) -> dict[str, Any]:
    about = {"name": process.name, "state": state, "log": manager.log(process.name)}
    return {"process": {**about, "live": list(live), "pending": list(pending)}}


def remove_all(manager: ProcessManager, *, check: bool) -> Outcome:
    """Remove every process of ``manager`` and the manager itself, or with ``check`` only say which."""
    names = manager.names()
    if not check:
        manager.remove_all()
    return Outcome(before={"processes": names}, after={"processes": []})


def pick_manager(kind: str, home: str, instance: str, run_command: Any) -> ProcessManager:
    """Return the process manager ``kind`` (supervisord, systemd); only the one used is loaded."""
    if kind == "systemd":
        from .systemd import Systemd

        return Systemd(instance, run_command)
    from .supervisord import Supervisord

    return Supervisord(Path(home))
