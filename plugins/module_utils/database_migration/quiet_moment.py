# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures how long people would have to wait for a switch now, and waits for a moment in which that is short."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from ..domain.migration.quiet_moment import Moment, judge
from ..errors import TimedOut
from . import replication
from .move import Move, Side

_LOOK = 1.0  # seconds between two rehearsals
_OLDEST = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8 AS seconds FROM pg_stat_activity
WHERE datname = %(name)s AND usename = %(name)s AND backend_type = 'client backend'
"""


def await_quiet_moment(move: Move, left: Side, home: Side, rehearse: Callable[[], None]) -> None:
    """Wait until people at ``left`` would not have to wait for long, but no longer than the settings allow.

    Raises what ``rehearse`` does, save that the last row takes too long to arrive: that is a busy moment.
    """
    begin, settings = time.monotonic(), move.settings
    while True:
        waited = time.monotonic() - begin
        moment = _measure(move, left, home, rehearse)
        verdict = judge(
            moment,
            waited=waited,
            longest_wait=settings.pause_timeout,
            wanted=settings.quiet_pause,
            limit=settings.quiet_timeout,
        )
        if verdict.words:
            move.report({"phase": "quiet_moment", "goes_on" if verdict.go else "waiting_for": verdict.words})
        if verdict.go:
            return
        time.sleep(_LOOK)


def _measure(move: Move, left: Side, home: Side, rehearse: Callable[[], None]) -> Moment:
    slot = move.forward if home is move.target else move.reverse
    with left.at_hand() as source:
        behind = replication.lag(source, slot).bytes
        row = source.execute(_OLDEST, {"name": move.database}).fetchone()
    begin = time.monotonic()
    with suppress(TimedOut):  # which took as long as it may
        rehearse()
    rehearsed = time.monotonic() - begin
    return Moment(rehearsed, behind, row["seconds"] if row else 0.0, sum(side.waiting for side in move.sides))
