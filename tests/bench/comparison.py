"""What a benchmark prints: ours beside a peer or a limit measured in the same run, as a ratio of medians."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter


@dataclass(frozen=True)
class Comparison:
    """Seconds of both sides, taken in turn (A B A B) so that a drift of the machine hits both alike."""

    what: str
    ours: list[float]
    other_name: str
    other: list[float]

    @property
    def ratio(self) -> float:
        """How many times longer the other takes than ours (medians)."""
        return median(self.other) / median(self.ours)

    def __str__(self) -> str:
        return "\n".join(
            (
                f"{self.what}: {self.ratio:.2f} times as fast as {self.other_name}",
                f"  {'ours':<44}{_figures(self.ours)}",
                f"  {self.other_name:<44}{_figures(self.other)}",
            )
        )


def _figures(seconds: list[float]) -> str:
    low, middle, high = min(seconds), median(seconds), max(seconds)
    return f"min {low * 1000:9.1f}  median {middle * 1000:9.1f}  max {high * 1000:9.1f} ms  (n={len(seconds)})"


def seconds_of(action: Callable[[], object]) -> float:
    """Return how long ``action`` takes, in seconds."""
    start = perf_counter()
    action()
    return perf_counter() - start


def in_turn(what: str, ours: Callable[[], float], other_name: str, other: Callable[[], float], runs: int) -> Comparison:
    """Measure both sides ``runs`` times in turn, after one uncounted run of each; each call returns its seconds."""
    ours()
    other()
    pairs = [(ours(), other()) for _ in range(runs)]
    return Comparison(what, [a for a, _ in pairs], other_name, [b for _, b in pairs])
