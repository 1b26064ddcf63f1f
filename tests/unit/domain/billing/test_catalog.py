"""The catalog and the overdue states: they say what the plans say, read back as the same, and refuse what can't be sold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.catalog import (
    PricedPlan,
    Version,
    catalog_change,
    catalog_xml,
    read_moment,
    read_priced_plans,
    read_versions,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.overdue import overdue_xml, read_days, read_states
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.plan import read_plan
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput

_INVENTORY = yaml.safe_load((Path(__file__).parents[4] / "inventories/local/group_vars/all/plans.yml").read_text())
_SHIPPED = _INVENTORY["saasodoo_plans"]
_FIRST, _NOW = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)

names = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
products = st.from_regex(r"[A-Z][A-Za-z0-9]{0,20}", fullmatch=True)
prices = st.decimals(min_value=Decimal("0.01"), max_value=Decimal("99999"), places=2)
plan_lists = st.lists(
    st.builds(PricedPlan, names, products, prices, st.integers(0, 365)),
    min_size=1,
    max_size=5,
    unique_by=(lambda plan: plan.name, lambda plan: plan.product),
)


def _plan(**changes: Any) -> dict[str, Any]:
    return {**_SHIPPED[0], **changes}


def test_the_catalog_has_the_plans_that_have_entitlements() -> None:
    sold = read_versions(catalog_xml(read_priced_plans(_SHIPPED), "USD", _FIRST))[0].content
    entitled = {row.plan_name for plan in _SHIPPED for row in read_plan(plan)}
    assert set(sold["plans"]) == entitled
    assert set(sold["price_list"]) == entitled
    assert len({plan["product"] for plan in sold["plans"].values()}) == len(entitled)


@pytest.mark.parametrize("plan", _SHIPPED, ids=lambda plan: str(plan["name"]))
def test_a_trial_is_as_long_as_the_plan_says(plan: dict[str, Any]) -> None:
    phases = read_versions(catalog_xml(read_priced_plans([plan]), "USD", _FIRST))[0].content["plans"][plan["name"]]["phases"]
    trial = [f"trial {plan['trial_days']} days usd 0.00 once"] if plan["trial_days"] else []
    assert phases == [*trial, f"evergreen unlimited usd {plan['price']:.2f} monthly"]


@given(plan_lists)
def test_what_was_uploaded_is_found_unchanged(plans: list[PricedPlan]) -> None:
    present = read_versions(catalog_xml(plans, "EUR", _FIRST))
    change = catalog_change(present, plans, "EUR", first=_FIRST, at=_NOW)
    assert (change.upload, change.before) == ("", change.after)


@given(plan_lists, plan_lists)
def test_a_new_version_says_what_is_wanted_and_comes_later(old: list[PricedPlan], new: list[PricedPlan]) -> None:
    present = read_versions(catalog_xml(old, "USD", _FIRST))
    change = catalog_change(present, new, "USD", first=_FIRST, at=_NOW)
    if change.upload:
        (version,) = read_versions(change.upload)
        assert (version.content, version.effective) == (change.after, _NOW)
        assert change.before != change.after
    else:
        assert sorted(old, key=lambda plan: plan.name) == sorted(new, key=lambda plan: plan.name)


def test_the_way_kill_bill_writes_a_catalog_makes_no_difference() -> None:
    ours = catalog_xml([PricedPlan("basic", "Basic", Decimal("10.00"), 0)], "USD", _FIRST)
    theirs = (
        ours.replace("<catalog>", "<catalogs><versions><version>")
        .replace("</catalog>", "</version></versions></catalogs>")
        .replace('<product name="Basic">', '<product name="Basic" prettyName="Basic">')
        .replace("<unit>UNLIMITED</unit>", "<unit>UNLIMITED</unit><number>-1</number>")
        .replace("<value>10.00</value>", "<value>10.0</value>")
        .replace("</product>\n    <recurring", "</product><initialPhases/>\n    <recurring")
    )
    assert theirs != ours
    assert read_versions(theirs) == read_versions(ours)


def test_the_empty_catalog_kill_bill_begins_with_is_not_counted() -> None:
    empty = "<catalog><effectiveDate>2026-11-20T04:20:23Z</effectiveDate><catalogName>DEFAULT</catalogName><plans/></catalog>"
    assert read_versions(empty) == ()
    change = catalog_change((), read_priced_plans(_SHIPPED), "USD", first=_FIRST, at=_NOW)
    assert (change.before, change.effective) == ({}, _FIRST)


def test_a_version_to_come_is_not_overtaken() -> None:
    present = [Version(_NOW + timedelta(days=1), {"plans": {"old": {}}})]
    with pytest.raises(InvalidInput, match="not in force yet"):
        catalog_change(present, read_priced_plans(_SHIPPED), "USD", first=_FIRST, at=_NOW)


@pytest.mark.parametrize(
    ("plans", "message"),
    [
        ([], "no plans"),
        ([_plan(), _plan(product="Other")], "share a name"),
        ([_plan(), _plan(name="other")], "share a product"),
        ([_plan(price=0)], "illegal price of plan 'basic-monthly'"),
        ([_plan(price="ten")], "illegal price"),
        ([_plan(price=1.005)], "illegal price"),
        ([_plan(price=True)], "illegal price"),
        ([_plan(price="NaN")], "illegal price"),
        ([_plan(price="Infinity")], "illegal price"),
        ([_plan(price=None)], "illegal price"),
        ([_plan(trial_days=-1)], "illegal trial_days"),
        ([_plan(trial_days=True)], "illegal trial_days"),
        ([_plan(trial_days=1.5)], "illegal trial_days"),
        ([_plan(product="A & B")], "illegal product"),
        ([_plan(product=None)], "illegal product"),
        ([_plan(name="Basic Monthly")], "illegal plan name"),
        ([_plan(entitlements=[])], "entitles to nothing"),
    ],
)
def test_what_cannot_be_sold_is_refused(plans: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_priced_plans(plans)


@pytest.mark.parametrize("currency", ["", "usd", "US", "DOLLAR"])
def test_a_currency_is_three_letters(currency: str) -> None:
    with pytest.raises(InvalidInput, match="illegal currency"):
        catalog_xml(read_priced_plans(_SHIPPED), currency, _FIRST)


@pytest.mark.parametrize("text", ["not xml", "<a>", "<!DOCTYPE a><a/>", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
def test_what_is_no_plain_xml_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_versions(text)


def test_moments() -> None:
    assert read_moment("2020-01-01") == read_moment("2020-01-01T01:00:00+01:00") == _FIRST
    with pytest.raises(InvalidInput, match="not a moment"):
        read_moment("tomorrow")


@given(st.lists(st.integers(1, 1000), min_size=3, max_size=3, unique=True).map(sorted))
def test_overdue_states_begin_when_they_should(days: list[int]) -> None:
    warning, blocked, cancellation = days
    given_days = {"warning": warning, "blocked": blocked, "cancellation": cancellation}
    states = read_states(overdue_xml(read_days(given_days)))
    assert list(states) == ["CANCELLATION", "BLOCKED", "WARNING"]  # the worst first, as Kill Bill looks them up
    for name, day in given_days.items():
        assert states[name.upper()].startswith(f"after {day} days")
    assert ["blocks entitlements" in states[name] for name in states] == [True, True, False]
    assert ["cancels" in states[name] for name in states] == [True, False, False]


@pytest.mark.parametrize(
    "days",
    [
        {},
        {"warning": 1, "blocked": 2},
        {"warning": 0, "blocked": 2, "cancellation": 3},
        {"warning": 2, "blocked": 2, "cancellation": 3},
        {"warning": 3, "blocked": 2, "cancellation": 4},
        {"warning": "1", "blocked": 2, "cancellation": 3},
        {"warning": True, "blocked": 2, "cancellation": 3},
        {"warning": 1, "blocked": 2, "cancellation": 3, "shouting": 4},
    ],
)
def test_illegal_overdue_days_are_refused(days: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="illegal overdue days"):
        read_days(days)
