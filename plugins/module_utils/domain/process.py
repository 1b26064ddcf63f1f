# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A process that outlives a playbook run: as it is to be, and as its manager has it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import InvalidInput

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
    ``layer`` is one of LAYERS. With ``writes``, folders that it may write to, it is in a sandbox where the manager has one:
    it sees its own temporary files alone, gains no rights, and writes nowhere else.
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
    writes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise InvalidInput("a process can't be named so", found=self.name, expected="lower case letters, digits and -")
        if self.layer not in LAYERS:
            raise InvalidInput(f"process {self.name}: no such layer", found=self.layer, expected=", ".join(LAYERS))
        if broken := [name for name in self.environment if not _VARIABLE.match(name)]:
            raise InvalidInput(f"process {self.name}: not a variable's name", found=broken[0])
        words = (*self.command, self.directory, *self.environment, *self.environment.values(), *(self.writes or ()))
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
