"""A platform of 20 tenants that is used, disturbed and looked at, round after round: SAASODOO_SOAK_MINUTES (3), by a seed.

Whatever was interrupted goes on by itself; only a command that was told "not now", or was killed, is typed again.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status
from tests.fixtures.platform import LocalPlatform
from tests.fixtures.reporting import Report
from tests.soak import plan
from tests.soak.actors import Course
from tests.soak.checks import Checks
from tests.soak.ground import Ground
from tests.soak.writers import Book

_MINUTES = float(os.environ.get("SAASODOO_SOAK_MINUTES", "3"))
_SEED = int(os.environ.get("SAASODOO_SOAK_SEED") or time.time_ns() % 1_000_000)

pytestmark = pytest.mark.timeout(_MINUTES * 60 + 3600)


def test_whatever_happens_all_comes_right_by_itself(platform: LocalPlatform, report: Report, tmp_path: Path) -> None:
    ground = Ground(platform, f"soak{_SEED}")
    report(f"{_MINUTES:g} minutes of SAASODOO_SOAK_SEED={_SEED}; what commands said is in {tmp_path}")
    start = time.monotonic()
    ground.prepare()
    report(f"20 tenants are there after {time.monotonic() - start:.0f} s; load {os.getloadavg()[0]:.1f}")
    books: dict[str, Book] = {}
    end = time.monotonic() + _MINUTES * 60
    for each in plan.rounds(_SEED):
        report(str(each))
        problems = go_through(ground, each, books, tmp_path, report)
        assert not problems, f"round {each.number} of SAASODOO_SOAK_SEED={_SEED}:\n" + "\n".join(problems)
        if time.monotonic() > end:
            break


def go_through(ground: Ground, each: plan.Round, books: dict[str, Book], log: Path, report: Report) -> list[str]:
    """Let a round happen while all write, wait until all is right, and look up what was acknowledged."""
    current = {}
    for tenant in each.before:
        name = tenant.name(ground.mark)
        current[tenant.number] = books.setdefault(name, Book(ground, name))
    course = Course(ground, each, current, log, report)
    pairs = zip(each.before, each.after, strict=True)
    gone = [before.name(ground.mark) for before, after in pairs if before.successor != after.successor]
    with ExitStack() as writing:
        for tenant in each.before:
            writing.enter_context(current[tenant.number].writing(odoo=tenant.status is Status.RUNNING))
        course.run()
        over = time.monotonic()
        wrong = Checks(ground, each, gone).wait()
        waited = time.monotonic() - over
    lost = [problem for book in books.values() for problem in book.problems()]
    written, refused = (sum(len(getattr(book, what)) for book in current.values()) for what in ("notes", "failures"))
    report(
        f"round {each.number} took {over - course.begin:.0f} s, all was right {waited:.0f} s later; so far {written} writes"
        f" acknowledged, {refused} refused, {sum(len(book.tables) for book in current.values())} odd tables;"
        f" load {os.getloadavg()[0]:.1f}"
    )
    return course.problems + wrong + lost
