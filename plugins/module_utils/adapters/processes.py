# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Processes that outlive a playbook run: what one is, and the one way any process manager brings it to its state."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters import process_limits
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput
from ansible_collections.saasodoo.platform.plugins.module_utils.reporting import Outcome

_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
#: What a machine starts one after the other, and stops in the reverse order: each uses those before it.
LAYERS = ("databases", "poolers", "services", "workers")
_NAME = re.compile(r"^[a-z][a-z0-9-]{0,62}$")


@dataclass(frozen=True)
class Process:
    """A process as it is to run.

    ``user`` counts only where the manager runs as root; ``environment`` is shown in diffs, so it holds no secret.
    ``stop_timeout`` is in seconds, ``memory_limit`` in bytes, ``cpu_limit`` in cores. ``address_space_limit`` (bytes) is what
    the program itself sets when it starts (RLIMIT_AS), so it is in no definition; one that runs is told of another value.
    ``layer`` is one of LAYERS.
    """

    name: str
    command: tuple[str, ...] = ()
    user: str = ""
    directory: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    stop_timeout: int = 10
    memory_limit: int | None = None
    cpu_limit: float | None = None
    address_space_limit: int | None = None
    layer: str = LAYERS[-2]

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise InvalidInput("a process can't be named so", found=self.name, expected="lower case letters, digits and -")
        if self.layer not in LAYERS:
            raise InvalidInput(f"process {self.name}: no such layer", found=self.layer, expected=", ".join(LAYERS))
        if broken := [name for name in self.environment if not _VARIABLE.match(name)]:
            raise InvalidInput(f"process {self.name}: not a variable's name", found=broken[0])
        words = (*self.command, self.directory, *self.environment, *self.environment.values())
        if broken := [word for word in words if "\n" in word]:
            raise InvalidInput(f"process {self.name}: a word of its definition has more than one line", found=repr(broken[0]))


@dataclass(frozen=True)
class Found:
    """A process as a manager has it: ``state`` is absent, stopped, started, or unclear (what only applying can mend).

    ``pid`` is 0 where none runs at the moment.
    """

    state: str
    definition: str = ""
    pid: int = field(default=0, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Return what a diff shows."""
        return {"state": self.state, "definition": self.definition.splitlines()}


class Manager(Protocol):
    """What starts processes, restarts the dead and keeps their logs bounded."""

    def read(self, name: str) -> Found:
        """Return the process as it is."""

    def render(self, process: Process) -> str:
        """Return the definition of the process when it is to be started."""

    def stopped(self, definition: str) -> str:
        """Return the definition of a process that stays stopped when the manager itself starts."""

    def changed_limits(self, found: str, wanted: str) -> tuple[str, ...] | None:
        """Return which limits differ between two definitions (as Process names them), or None when anything else does."""

    def set_limits(self, name: str, definition: str) -> None:
        """Give a running process a definition of which changed_limits says what differs, without restarting it."""

    def apply(self, name: str, wanted: Found) -> None:
        """Stop what runs, then bring the process to ``wanted``. Killed half way, ``read`` shows it and it can be repeated."""

    def names(self) -> list[str]:
        """Return the processes this manager has a definition of."""

    def remove_all(self) -> None:
        """Stop and remove every process, those of a manager that died, and the manager's own traces."""

    def log(self, name: str) -> str:
        """Say where the output of the process can be read."""


def _wanted(manager: Manager, process: Process, state: str, found: Found) -> Found:
    if state == "absent" or (state == "stopped" and found.state == "absent"):
        return Found("absent")
    if state == "stopped":
        return Found("stopped", manager.stopped(found.definition))
    return Found("started", manager.render(process))


def converge(manager: Manager, process: Process, state: str, *, check: bool) -> Outcome:
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
    manager: Manager, process: Process, found: Found, wanted: Found, differing: tuple[str, ...], *, check: bool
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
    manager: Manager, process: Process, state: str, live: Sequence[str] = (), pending: Sequence[str] = ()
) -> dict[str, Any]:
    about = {"name": process.name, "state": state, "log": manager.log(process.name)}
    return {"process": {**about, "live": list(live), "pending": list(pending)}}


def remove_all(manager: Manager, *, check: bool) -> Outcome:
    """Remove every process of ``manager`` and the manager itself, or with ``check`` only say which."""
    names = manager.names()
    if not check:
        manager.remove_all()
    return Outcome(before={"processes": names}, after={"processes": []})


def pick_manager(kind: str, home: str, instance: str, run_command: Any) -> Manager:
    """Return the process manager ``kind`` (supervisord, systemd); only the one used is loaded."""
    if kind == "systemd":
        from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.systemd import Systemd

        return Systemd(instance, run_command)
    from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.supervisord import Supervisord

    return Supervisord(Path(home))


def write_file(path: Path, text: str, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
    """Replace ``path`` in one step, so that nobody ever reads half of it; ``owner`` is (uid, gid)."""
    import os

    new = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)
        if owner:
            os.fchown(descriptor, *owner)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    new.replace(path)
