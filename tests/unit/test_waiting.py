"""The one waiter, with a clock of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import TimedOut
from ansible_collections.saasodoo.platform.plugins.module_utils.waiting import Look, wait_until


class Clock:
    """Time that passes only by sleeping, and by looking, which takes ``cost`` seconds."""

    def __init__(self, cost: float = 0.0) -> None:
        self.now, self.cost, self.looks = 100.0, cost, 0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def read(self) -> float:
        return self.now

    def look(self, ready_after: float) -> Look:
        self.looks += 1
        self.now += self.cost
        return Look(ready=self.now >= 100 + ready_after, found=f"at {self.now - 100:g} s")


def wait(clock: Clock, ready_after: float, timeout: float, pause: float = 1) -> Look:
    return wait_until("it", lambda: clock.look(ready_after), timeout=timeout, pause=pause, sleep=clock.sleep, clock=clock.read)


def test_it_returns_what_was_seen_when_ready() -> None:
    clock = Clock()
    assert wait(clock, ready_after=3, timeout=10).found == "at 3.46945 s"
    assert clock.looks == 25


@given(ready_after=st.floats(0, 100))
def test_what_is_soon_ready_is_soon_seen(ready_after: float) -> None:
    clock = Clock()
    wait(clock, ready_after, timeout=1000)
    late = clock.now - 100 - ready_after
    assert late <= min(1, max(0.01, 0.25 * ready_after)) + 1e-9


def test_what_takes_long_is_seldom_looked_at() -> None:
    clock = Clock()
    wait(clock, ready_after=100, timeout=1000)
    assert clock.looks == 122


def test_what_is_ready_is_not_waited_for() -> None:
    clock = Clock()
    assert wait(clock, ready_after=0, timeout=0).ready
    assert clock.now == 100


def test_it_looks_once_more_when_the_time_is_over() -> None:
    clock = Clock()
    assert wait(clock, ready_after=5, timeout=5, pause=2).found == "at 5 s"


def test_it_gives_up_with_what_was_found_last() -> None:
    clock = Clock(cost=0.5)
    with pytest.raises(TimedOut, match=r"it was not ready after 4 s; found: at") as error:
        wait(clock, ready_after=60, timeout=4)
    assert error.value.found.startswith("at ")  # type: ignore[attr-defined]
    assert 104 <= clock.now <= 105.5
