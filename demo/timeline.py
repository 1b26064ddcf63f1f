"""Steps with their durations: shown as they happen, and as a table at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

_POLL = 0.05  # seconds between two looks at something that is awaited


class DemoFailed(Exception):
    """A claim of the demo did not hold."""


@dataclass
class Timeline:
    """Prints each step when it starts and how long it took; ``rows`` are the measured ones, for the table."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    rows: list[tuple[str, float]] = field(default_factory=list)

    def show(self, text: str) -> None:
        """Print a line."""
        print(text, file=self.out, flush=True)

    @contextmanager
    def step(self, title: str, *, measured: bool = False) -> Iterator[None]:
        """Show ``title``, run the block, show its seconds; ``measured`` puts them into the table too."""
        print(f"  {title} ...", end="", file=self.out, flush=True)
        start = time.monotonic()
        try:
            yield
        except BaseException:
            print(" FAILED", file=self.out, flush=True)
            raise
        seconds = time.monotonic() - start
        print(f" {seconds:.1f} s", file=self.out, flush=True)
        if measured:
            self.rows.append((title, seconds))

    def table(self) -> None:
        """Print the measured steps."""
        width = max(len(title) for title, _ in self.rows)
        self.show("")
        for title, seconds in self.rows:
            self.show(f"  {title:<{width}}  {seconds:6.1f} s")


def wait_until(what: str, holds: Callable[[], bool], timeout: float = 120) -> None:
    """Return once ``holds()``; raise DemoFailed naming ``what`` when it does not within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            raise DemoFailed(f"not so after {timeout:.0f} s: {what}")
        time.sleep(_POLL)
