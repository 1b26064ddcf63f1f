# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One waiter: what is ready is a predicate's business, waiting is this one loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from .errors import TimedOut

_FIRST = 0.01  # seconds until the second look
_LATE = 0.25  # of the time waited so far, the most that may pass until the next look


@dataclass(frozen=True)
class Look:
    """What a predicate saw: whether it is ready, and in a few words what was found."""

    ready: bool
    found: str


def wait_until(
    what: str,
    look: Callable[[], Look],
    *,
    timeout: float,
    pause: float = 0.1,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Look:
    """Look until it is ready, and return what was seen then; ``timeout`` and ``pause`` are in seconds.

    It looks at least once, and once more when the time is over; often at first, so that what is soon ready is not held up, and
    the less often the longer it takes, until there is a ``pause`` between two looks. Raises TimedOut with what was found last.
    """
    start = clock()
    end = start + timeout
    while True:
        late = clock() >= end
        seen = look()
        if seen.ready:
            return seen
        if late:
            raise TimedOut(f"{what} was not ready after {timeout:g} s", found=seen.found)
        now = clock()
        sleep(min(pause, max(_FIRST, _LATE * (now - start)), max(0.0, end - now)))
