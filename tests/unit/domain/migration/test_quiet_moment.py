"""When a move switches: as soon as people would wait for a short time, and in the end at any rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.quiet_moment import Moment, Verdict, judge

_seconds = st.floats(0, 1000)
_moments = st.builds(Moment, _seconds, st.integers(0, 2**40), _seconds, st.integers(0, 100))


def decide(moment: Moment, waited: float = 0.0, limit: float = 120.0) -> Verdict:
    return judge(moment, waited=waited, longest_wait=0.5, wanted=1.0, limit=limit)


@given(_moments, _seconds, _seconds)
def test_it_waits_for_no_longer_than_the_limit_and_says_whatever_is_unusual(moment: Moment, waited: float, limit: float) -> None:
    verdict = decide(moment, waited, limit)
    quiet = moment.pause(0.5) < 1
    assert verdict.go is (quiet or waited >= limit)
    assert bool(verdict.words) is not quiet


@given(_moments, _moments)
def test_what_is_busier_in_all_is_no_quieter_moment(one: Moment, other: Moment) -> None:
    if one.rehearsed <= other.rehearsed and one.transaction <= other.transaction and decide(other).go:
        assert decide(one).go


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (Moment(2.0), ["about 3.0 s, not 1", "statements take 2.00 s"]),
        (Moment(2.0, lag_bytes=3 * 2**20), ["3.0 MB are not there yet"]),
        (Moment(0.6, transaction=40.0), ["about 1.4 s, not 1", "a transaction has been running for 40.0 s"]),
        (Moment(2.0, waiting=7), ["7 connections wait at PgBouncer"]),
    ],
)
def test_what_is_waited_for_is_said(moment: Moment, words: list[str]) -> None:
    verdict = decide(moment)
    assert not verdict.go
    for word in ["a quiet moment", *words]:
        assert word in verdict.words


def test_a_long_transaction_alone_is_left_to_the_tries_to_pause() -> None:
    """Each is given up after half a second; Odoo's jobs may run for longer than anybody would wait."""
    assert decide(Moment(0.1, transaction=600.0)).go


def test_after_the_limit_it_goes_on_and_says_for_how_long_people_will_wait() -> None:
    assert decide(Moment(2.0), waited=120) == Verdict(True, "although no quiet moment came in 120 s: people wait for about 3.0 s")
