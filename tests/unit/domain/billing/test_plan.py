"""Plans and entitlements: what is in force, what sizes mean, what may change."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.plan import (
    DatabaseType,
    Entitlement,
    in_force,
    parse_size,
    plan_change,
    read_plan,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput, NotFound

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.sampled_from([UTC, timezone(timedelta(hours=9))]))
SIZES = st.builds("{}{}".format, st.integers(1, 999), st.sampled_from(["KB", "MB", "G", "GB", "GiB", "T"]))
ENTITLEMENTS = st.builds(
    Entitlement,
    plan_name=st.sampled_from(["basic", "standard", "premium"]),
    effective_date=MOMENTS,
    cpu_limit=st.decimals("0.01", "99.99", places=2),
    memory_limit=SIZES,
    storage_limit=SIZES,
    db_type=st.sampled_from(DatabaseType),
    description=st.text(max_size=5),
)
ROWS = st.lists(ENTITLEMENTS, max_size=12, unique_by=lambda row: (row.plan_name, row.effective_date))


@given(ROWS, st.sampled_from(["basic", "standard", "premium"]), MOMENTS)
def test_in_force_is_the_newest_not_after_the_moment(rows: list[Entitlement], plan: str, at: datetime) -> None:
    effective = [row for row in rows if row.plan_name == plan and row.effective_date <= at]
    if not effective:
        with pytest.raises(NotFound, match=f"unknown plan '{plan}'"):
            in_force(rows, plan, at)
        return
    found = in_force(rows, plan, at)
    assert found in effective
    assert not any(found.effective_date < row.effective_date for row in effective)


@given(ROWS, MOMENTS)
def test_in_force_does_not_depend_on_the_order(rows: list[Entitlement], at: datetime) -> None:
    for plan in {row.plan_name for row in rows if row.effective_date <= at}:
        assert in_force(rows, plan, at) == in_force(reversed(rows), plan, at)


def test_an_unknown_plan_names_itself_and_the_known_ones() -> None:
    row = Entitlement("basic", NOW, Decimal(1), "1G", "1G", DatabaseType.SHARED)
    with pytest.raises(NotFound) as caught:
        in_force([row], "gold", NOW)
    assert "gold" in str(caught.value)
    assert "basic" in str(caught.value)


@given(st.integers(1, 10**6), st.sampled_from(["", "K", "M", "G", "T"]), st.sampled_from(["", "B", "iB"]), st.booleans())
def test_a_size_is_a_number_times_a_power_of_1024(number: int, unit: str, suffix: str, lower: bool) -> None:
    text = f"{number}{unit}{suffix}"
    assert parse_size(text.lower() if lower else text) == number * 1024 ** " KMGT".index(unit or " ")


@pytest.mark.parametrize("text", ["", "0", "0GB", "-1G", "1.5G", "G", "4 GB GB", "4X", "4GBs", "four", "1e3", "4G\n5G"])
def test_what_is_not_a_size_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="not a size"):
        parse_size(text)


@given(st.text())
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    with suppress(InvalidInput):
        assert parse_size(text) > 0


@given(ROWS)
def test_a_plan_is_read_as_it_is_written(rows: list[Entitlement]) -> None:
    for plan in {row.plan_name for row in rows}:
        own = [row for row in rows if row.plan_name == plan]
        data = {"name": plan, "price": 10, "entitlements": [_written(row) for row in own]}
        assert read_plan(data) == own


def _written(row: Entitlement) -> dict[str, Any]:
    fields = {name: value for name, value in vars(row).items() if name != "plan_name"}
    return {
        **fields,
        "effective_date": row.effective_date.isoformat(),
        "db_type": row.db_type.value,
        "cpu_limit": float(row.cpu_limit),
    }


def plan(**changes: object) -> dict[str, Any]:
    row = {"effective_date": "2020-01-01", "cpu_limit": 2, "memory_limit": "4GB", "storage_limit": "10GB"}
    return {"name": "basic", "entitlements": [{name: value for name, value in {**row, **changes}.items() if value is not None}]}


def test_defaults_are_shared_and_utc() -> None:
    (row,) = read_plan(plan())
    assert row == Entitlement("basic", datetime(2020, 1, 1, tzinfo=UTC), Decimal("2.00"), "4GB", "10GB", DatabaseType.SHARED)


@pytest.mark.parametrize(
    "data",
    [
        {}, {"name": "Basic", "entitlements": []}, {"name": 7}, {"name": "basic"}, {"name": "basic", "entitlements": []},
        {"name": "basic", "entitlements": ["x"]}, {"name": "basic", "entitlements": {"a": 1}},
        {"name": "basic", "entitlements": plan()["entitlements"] * 2},
        plan(cpu_limit=0), plan(cpu_limit=-1), plan(cpu_limit=100), plan(cpu_limit="99.999"), plan(cpu_limit="nan"),
        plan(cpu_limit="inf"), plan(cpu_limit="many"), plan(cpu_limit=None), plan(memory_limit="much"), plan(storage_limit=0),
        plan(db_type="private"), plan(effective_date="soon"), plan(effective_date=None), plan(colour="red"),
    ],
)  # fmt: skip
def test_a_plan_that_cannot_be_meant_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        read_plan(data)


@given(ROWS, ROWS, MOMENTS)
def test_history_is_never_rewritten(existing: list[Entitlement], wanted: list[Entitlement], at: datetime) -> None:
    present = {(row.plan_name, row.effective_date): row for row in existing}
    try:
        change = plan_change(existing, wanted, at)
    except InvalidInput:
        return
    for row in change.writes:
        old = present.get((row.plan_name, row.effective_date))
        assert old is None or old.effective_date > at
    after = present | {(row.plan_name, row.effective_date): row for row in change.writes}
    assert all(after[row.plan_name, row.effective_date] == row for row in wanted)
    assert not plan_change(after.values(), wanted, at).writes
    assert bool(change.writes) == (change.before != change.after)


@given(ENTITLEMENTS)
def test_a_row_in_force_may_be_given_again_but_not_changed(row: Entitlement) -> None:
    later = row.effective_date + timedelta(seconds=1)
    assert plan_change([row], [row], later).writes == ()
    other = replace(row, storage_limit=f"1{row.storage_limit}")
    with pytest.raises(InvalidInput, match="new effective_date"):
        plan_change([row], [other], later)
    assert plan_change([row], [other], row.effective_date - timedelta(seconds=1)).writes == (other,)
