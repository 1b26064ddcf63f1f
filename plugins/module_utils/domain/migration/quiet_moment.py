# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When to switch: how long people would have to wait now, whether that is short enough, and what is waited for until it is."""

from __future__ import annotations

from dataclasses import dataclass

# Fence, subscription and PgBouncer can't be rehearsed. Measured with 300 tables at loads of 8 to 18 on two processors: people
# waited 1.1 to 2 times as long as the rehearsal had taken.
_ALL = 1.5
_MB = 2**20


@dataclass(frozen=True)
class Moment:
    """What was measured just now. Times are in seconds.

    ``rehearsed`` is how long the switch's own statements took, those without effect; ``lag_bytes`` how far the new server was
    behind; ``transaction`` for how long the oldest of the tenant's transactions has been running; ``waiting`` how many of its
    connections wait at PgBouncer.
    """

    rehearsed: float
    lag_bytes: int = 0
    transaction: float = 0.0
    waiting: int = 0

    def pause(self, longest_wait: float) -> float:
        """Return the seconds that people would wait: a transaction is waited for as long as ``longest_wait``, not longer."""
        return self.rehearsed * _ALL + min(self.transaction, longest_wait)

    def __str__(self) -> str:
        found = [f"the switch's statements take {self.rehearsed:.2f} s"]
        found += [f"{self.lag_bytes / _MB:.1f} MB are not there yet"] * (self.lag_bytes > _MB)
        found += [f"a transaction has been running for {self.transaction:.1f} s"] * (self.transaction > 0.1)
        found += [f"{self.waiting} connections wait at PgBouncer"] * (self.waiting > 0)
        return ", ".join(found)


@dataclass(frozen=True)
class Verdict:
    """Whether to switch now, and what there is to say about that."""

    go: bool
    words: str = ""


def judge(moment: Moment, *, waited: float, longest_wait: float, wanted: float, limit: float) -> Verdict:
    """Decide after ``waited`` seconds: people are to wait for less than ``wanted``, but the move not for more than ``limit``.

    A move that never ends is worse than a longer pause, so after that it goes on, and says so.
    """
    pause = moment.pause(longest_wait)
    if pause < wanted:
        return Verdict(go=True)
    if waited >= limit:
        return Verdict(True, f"although no quiet moment came in {limit:g} s: people wait for about {pause:.1f} s")
    return Verdict(False, f"a quiet moment: now people would wait for about {pause:.1f} s, not {wanted:g} ({moment})")
