# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The base of nouns that act on a host and are used for every tenant.

Where the host is this machine, the module's code is called in this process: shipping a module costs 0.2 s, the call nothing
(docs/decisions.md). Anywhere else, or as another user, the module is sent as any other.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any, ClassVar

from ..module_utils.host_module import share_files
from ..module_utils.outcome import Outcome
from ..module_utils.ports import Noun
from .noun import NounAction


@dataclass
class ThisMachine:
    """The controller as a host."""

    check_mode: bool

    def run_command(self, args: list[str]) -> tuple[int, str, str]:
        """Run a command; return its exit code, its output and its errors."""
        done = subprocess.run(args, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr


class HostAction(NounAction):
    """One noun of a host. Subclasses give NOUN, and its ARGUMENTS and RULES as their own."""

    NOUN: ClassVar[Noun]
    _requires_connection = True

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Do here what the module would, with plain values as it would get them: Ansible's own carry tags."""
        share_files()
        return self.NOUN.apply(json.loads(json.dumps(options)), ThisMachine(check))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call the noun, or send it where it has to go."""
        if self._is_here():
            return super().run(tmp, task_vars)
        sent: dict[str, Any] = self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)
        return sent

    def _is_here(self) -> bool:
        """Whether the task would run on this machine, as this user, with nothing of its own around it."""
        special = self._connection.become or self._task.async_val or any(self._task.environment or ())
        return self._connection.transport == "local" and not special
