"""Before a move: the way it goes, what stands in it, how long it takes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.preflight import (
    Findings,
    ServerFindings,
    choose,
    estimate,
    obstacles,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.record import Strategy

_GB = 2**30
_FREE = 1000 * _GB
_SOURCE = ServerFindings("pool-1", 150018, "logical", 5, 5, 5, _FREE)
_TARGET = replace(_SOURCE, name="pool-2")
_FINE = Findings("odoo_a", _SOURCE, _TARGET, 10 * _GB, 2 * _GB, 600, _FREE)

_bytes = st.integers(0, 100 * _GB)
_space = st.none() | _bytes
_sentences = st.lists(st.sampled_from(["table a is unlogged", "there are 3 large objects", "foreign table b"])).map(tuple)
_servers = st.builds(
    ServerFindings, st.sampled_from(["pool-1", "pool-2"]), st.sampled_from([150018, 160004, 180001]),
    st.sampled_from(["logical", "replica"]), *[st.integers(0, 2)] * 3, _space,
)  # fmt: skip
_findings = st.builds(
    Findings, st.just("odoo_a"), _servers, _servers, _bytes, _bytes, st.integers(0, 2000), _space, st.booleans(),
    unreplicable=_sentences, longest_transaction_seconds=st.floats(0, 1000), prepared_transactions=st.integers(0, 2),
    module_operation=st.sampled_from(["", "sale is to install"]), altered=_sentences, missing_extensions=_sentences,
    missing_locale=st.sampled_from(["", "de_DE.UTF-8"]), missing_roles=_sentences, writing=_sentences,
)  # fmt: skip


def found(findings: Findings, strategy: Strategy = Strategy.ONLINE, *, running: bool = True) -> tuple[str, ...]:
    return obstacles(findings, strategy, 60, running=running)


def side(name: str, **changes: Any) -> Findings:
    server: ServerFindings = getattr(_FINE, name)
    changed: dict[str, Any] = {name: replace(server, **changes)}
    return replace(_FINE, **changed)


@pytest.mark.parametrize("strategy", Strategy)
def test_nothing_stands_in_the_way_of_what_is_fine(strategy: Strategy) -> None:
    assert found(_FINE, strategy) == ()


@pytest.mark.parametrize(
    ("findings", "words", "offline_too"),
    [
        (side("target", version=140010), ["pool-2 is older", "found: PostgreSQL 14", "15 or newer"], True),
        (side("source", wal_level="replica"), ["pool-1 can't replicate", "wal_level replica", "restart"], False),
        (side("target", wal_level="replica"), ["pool-2 can't replicate"], False),
        (side("source", free_slots=0), ["pool-1 has no free replication slot", "found: 0"], False),
        (side("target", free_senders=0), ["pool-2 has no free WAL sender"], False),
        (side("source", free_workers=0), ["pool-1 has no free subscription worker"], False),
        (side("target", free_bytes=12 * _GB), ["too little space for server pool-2", "12.0 GB free", "13.5 GB"], True),
        (side("source", free_bytes=2**20), ["too little space for server pool-1", "1 MB free", "make room"], True),
        (replace(_FINE, backup_free_bytes=10 * _GB), ["the backup", "10.0 GB free", "10.5 GB, of which 512 MB"], True),
        (replace(_FINE, missing_extensions=("postgis", "a", "b", "c", "d")), ["postgis, a, b and 2 more"], True),
        (replace(_FINE, missing_locale="de_DE.UTF-8"), ["lacks the database's locale", "no de_DE.UTF-8"], True),
        (replace(_FINE, missing_roles=("reports",)), ["pool-2 lacks roles", "reports", "CREATE ROLE"], True),
        (replace(_FINE, module_operation="sale is to install"), ["change its modules", "sale is to install", "wait"], True),
        (replace(_FINE, altered=("public.a",)), ["being altered", "public.a"], True),
        (replace(_FINE, prepared_transactions=2), ["prepared", "found: 2", "ROLLBACK PREPARED"], True),
        (replace(_FINE, longest_transaction_seconds=61), ["run for 61 s", "longer than 60 s", "or end it"], False),
        (replace(_FINE, unreplicable=("table a is unlogged",)), ["table a is unlogged", "move it offline"], False),
    ],
)
def test_each_obstacle_says_what_was_found_and_expected_and_what_to_do(
    findings: Findings, words: list[str], offline_too: bool
) -> None:
    (sentence,) = found(findings)
    for word in [*words, "; found: ", "; expected: "]:
        assert word in sentence
    assert found(findings, Strategy.OFFLINE) == ((sentence,) if offline_too else ())


def test_backup_and_database_on_one_disk_need_both_their_places() -> None:
    one_disk = replace(side("target", free_bytes=20 * _GB), backup_free_bytes=20 * _GB)
    assert found(one_disk) == ()
    (sentence,) = found(replace(one_disk, backup_on_target_disk=True))
    assert "23.5 GB" in sentence


def test_what_can_not_be_seen_is_no_obstacle() -> None:
    assert found(replace(side("target", free_bytes=None), backup_free_bytes=None, backup_on_target_disk=True)) == ()


def test_a_stopped_tenants_unfinished_module_operation_goes_with_it() -> None:
    left = replace(_FINE, module_operation="sale is to install", altered=("public.a",))
    assert found(left, Strategy.OFFLINE, running=False) == ()


@given(_findings, st.booleans())
def test_offline_is_never_harder_than_online(findings: Findings, running: bool) -> None:
    assert set(found(findings, Strategy.OFFLINE, running=running)) <= set(found(findings, running=running))
    assert set(found(findings, running=False)) <= set(found(findings))
    json.dumps(findings.as_dict())


@given(_findings, st.booleans())
def test_what_is_chosen_is_never_impossible(findings: Findings, running: bool) -> None:
    strategy, reason = choose("auto", findings, running=running)
    assert reason
    if strategy is Strategy.ONLINE:
        assert running
        assert not any("replicate" in sentence for sentence in found(findings, strategy))
    for asked in Strategy:
        assert choose(asked, findings, running=running) == (asked, "it was asked for")


@pytest.mark.parametrize(
    ("findings", "running", "strategy", "word"),
    [
        (_FINE, True, "online", "people work on"),
        (_FINE, False, "offline", "stopped"),
        (replace(_FINE, unreplicable=("there are 3 large objects",)), True, "offline", "3 large objects"),
        (side("target", wal_level="replica"), True, "offline", "pool-2"),
        (side("target", free_slots=0), True, "online", "people work on"),
    ],
)
def test_the_choice_has_its_reason(findings: Findings, running: bool, strategy: str, word: str) -> None:
    chosen, reason = choose("auto", findings, running=running)
    assert chosen == strategy
    assert word in reason


@given(_findings, st.booleans())
def test_estimates_grow_with_size_and_people_never_wait_longer_than_it_takes(findings: Findings, running: bool) -> None:
    larger = replace(findings, size_bytes=findings.size_bytes + _GB, largest_table_bytes=findings.largest_table_bytes + _GB)
    for strategy in Strategy:
        now, then = (estimate(each, strategy, running=running) for each in (findings, larger))
        assert 0 <= now.pause_seconds < now.seconds < then.seconds
    assert estimate(findings, Strategy.ONLINE, running=running) == estimate(findings, Strategy.ONLINE, running=not running)
    assert estimate(findings, Strategy.OFFLINE, running=False).pause_seconds == 0


@pytest.mark.parametrize(("megabytes", "online", "offline_pause"), [(100, (8, 12), (9, 13)), (1024, (19, 26), (20, 26))])
def test_estimates_are_what_was_measured(megabytes: int, online: tuple[float, float], offline_pause: tuple[float, float]) -> None:
    """8.7 and 19.3 s for the online move of 100 MB and 1 GB, and dump, load, comparison and start one after the other."""
    findings = replace(_FINE, size_bytes=megabytes * 2**20, largest_table_bytes=megabytes * 2**18)
    moved = estimate(findings, Strategy.ONLINE, running=True)
    assert online[0] <= moved.seconds <= online[1]
    assert moved.pause_seconds == 0.1
    stopped = estimate(findings, Strategy.OFFLINE, running=True)
    assert offline_pause[0] <= stopped.pause_seconds <= offline_pause[1]
