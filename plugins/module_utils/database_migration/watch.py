# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sees, while a database is copied and followed, what would make all that useless in the end, and says it at once.

That is a change of definitions, which replication does not carry over, and a target that refuses what it is sent.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from ..errors import Conflict
from ..postgres.connection import AsServer
from ..postgres.log import apply_error
from .move import Move
from .replication import apply_errors
from .schema_fingerprint import Structure, changed_definitions, explain, remembered_structure, structure

_EVERY = 2.0  # seconds between two looks
# Errors that may be by chance: a restart of either server counts as one. Fewer once the log tells of one.
_TOLERATED, _TOLERATED_LOGGED = 3, 1
_SHOWN = 5  # changes


def check_definitions(database: AsServer, changed: list[str]) -> None:
    """Raise Conflict when something ``changed`` (words), or an expression is not what it was when the database was published."""
    found = changed + [f"{each}: an expression or an option changed" for each in changed_definitions(database)]
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        what = "tables or other definitions were changed during the move, which replication does not carry over"
        raise Conflict(what, found="; ".join(found[:_SHOWN]) + more, action="move it while no module is installed or upgraded")


@dataclass
class Watch:
    """Looks every now and then, as often as it is called."""

    move: Move
    source: AsServer
    target: AsServer | None
    _before: Structure = field(init=False)
    _errors: int = field(init=False)
    _next: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._before = structure(self.target) if self.target else remembered_structure(self.source)
        self._errors = apply_errors(self.target, self.move.forward) if self.target else 0

    def __call__(self) -> None:
        """Look, if the last time was a while ago."""
        if time.monotonic() >= self._next:
            self.look()
            self._next = time.monotonic() + _EVERY

    def report(self, figures: dict[str, Any]) -> None:
        """Look, and report progress."""
        self()
        self.move.report(figures)

    def look(self) -> None:
        """Raise Conflict when the move can't succeed any more."""
        check_definitions(self.source, explain(self._before, structure(self.source)))
        if self.target:
            self._check_applied(self.target)

    def _check_applied(self, target: AsServer) -> None:
        errors = apply_errors(target, self.move.forward) - self._errors
        if errors <= _TOLERATED_LOGGED:
            return
        words = apply_error(self.move.target.log, self.move.forward) if self.move.target.log else ""
        if words or errors > _TOLERATED:
            raise Conflict(
                f"server {self.move.target.name} refuses what was written meanwhile",
                found=words or f"{errors} errors of subscription {self.move.forward}, which its log tells",
                action="mend what it names, or move the tenant with strategy=offline",
            )


@contextmanager
def watching(move: Move, *, follows: bool) -> Iterator[Watch]:
    """Watch inside the block: by what the source was when it was published, or by the target once that ``follows``."""
    with move.source.open() as source, move.target.open() if follows else nullcontext(None) as target:
        yield Watch(move, source, target)
