# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a process' exit status says of its end."""

from __future__ import annotations

import signal

_SIGNALLED = 128  # what a shell adds to the number of a signal; Popen writes it as a negative number


def signal_of(code: int) -> signal.Signals | None:
    """Return the signal that an exit status stands for, in either of the two ways of writing it."""
    number = -code if code < 0 else code - _SIGNALLED
    return signal.Signals(number) if number in set(signal.Signals) else None


def in_words(code: int) -> str:
    """Return how the process ended, as the rest of a sentence that names it."""
    killed = signal_of(code)
    return f"was killed by signal {killed.value} ({killed.name})" if killed else f"ended with {code}"
