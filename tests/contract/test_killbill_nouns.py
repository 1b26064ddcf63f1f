"""The nouns of Kill Bill: create, again, change, check mode, diff, and no secret anywhere, against a real Kill Bill."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.killbill_api import Api, read_access
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.killbill_setup import read_callbacks, read_catalog
from tests.fixtures.ansible import run_tasks
from tests.fixtures.killbill import PLANS

_SECRET, _NEXT = "s3cret-" + "a" * 25, "s3cret-" + "b" * 25
_TENANT = {"configuration": {"org.killbill.billing.server.notifications.retries": "1m,5m"}}
_CATALOG = {"plans": PLANS["saasodoo_plans"], "currency": "USD"}
_OVERDUE = {"days": PLANS["saasodoo_overdue_days"]}
_CALLBACK = {"url": "http://127.0.0.1:9/api/billing/webhook", "secret": _SECRET}


def _task(noun: str, file: Path, options: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {f"saasodoo.platform.killbill_{noun}": {**options, "killbill_file": str(file), **more}}


def _changed(price: float) -> dict[str, Any]:
    plans = deepcopy(_CATALOG)
    plans["plans"][0]["price"] = price
    return plans


@pytest.fixture
def tenant(killbill_access: Path) -> Path:
    """The access file of a Kill Bill tenant with nothing in it but what Kill Bill starts with."""
    assert run_tasks([_task("tenant", killbill_access, {})])[0]["changed"]
    return killbill_access


def test_a_tenant_is_made_once_and_its_configuration_kept(killbill_access: Path) -> None:
    task = _task("tenant", killbill_access, _TENANT)
    foretold = run_tasks([task], check=True)[0]
    made, again = run_tasks([task, task])
    assert foretold["changed"]
    assert foretold["tenant_id"] is None
    assert made["changed"]
    assert made["diff"] == foretold["diff"]
    assert (again["changed"], again["tenant_id"]) == (False, made["tenant_id"])

    other = {"configuration": {"org.killbill.payment.plugin.timeout": "7s"}}
    more, first = run_tasks([_task("tenant", killbill_access, other), task])
    assert (more["changed"], first["changed"]) == (True, False)  # the first key is still there
    secret = read_access(killbill_access).api_secret
    assert secret not in json.dumps([foretold, made, again, more])


def test_another_secret_for_a_tenant_that_is_there_is_refused(tenant: Path) -> None:
    fields = json.loads(tenant.read_text())
    tenant.write_text(json.dumps(fields | {"api_secret": "another-secret"}))
    failed = run_tasks([_task("tenant", tenant, {})])[-1]
    assert (failed["failed"], failed["code"]) == (True, "unauthorized")
    assert "another-secret" not in json.dumps(failed)


def test_check_mode_without_kill_bill_says_what_will_be_made_only_when_told_to(tmp_path: Path) -> None:
    nouns = [("tenant", _TENANT), ("catalog", _CATALOG), ("overdue", _OVERDUE), ("push_notification", _CALLBACK)]
    for noun, options in nouns:
        task = _task(noun, tmp_path / "none.json", options)
        assert run_tasks([task], check=True)[0]["failed"]
        foretold = run_tasks([_task(noun, tmp_path / "none.json", options, predict_new=True)], check=True)[0]
        assert foretold["changed"], noun
        assert run_tasks([_task(noun, tmp_path / "none.json", options, predict_new=True)])[0]["failed"]


def test_the_catalog_gets_a_version_only_when_the_plans_changed(tenant: Path) -> None:
    task = _task("catalog", tenant, _CATALOG)
    foretold = run_tasks([task], check=True)[0]
    made, again = run_tasks([task, task])
    assert foretold["versions"] == []
    assert (made["changed"], again["changed"]) == (True, False)
    assert made["diff"] == foretold["diff"]
    assert made["versions"] == ["2020-01-01T00:00:00+00:00"]
    assert set(made["diff"]["after"]["plans"]) == {plan["name"] for plan in PLANS["saasodoo_plans"]}

    dearer = _task("catalog", tenant, _changed(12.50))
    foretold = run_tasks([dearer], check=True)[0]
    changed, again = run_tasks([dearer, dearer])
    assert (foretold["changed"], changed["changed"], again["changed"]) == (True, True, False)
    assert foretold["diff"] == changed["diff"]
    assert changed["diff"]["before"]["plans"]["basic-monthly"]["phases"][-1] == "evergreen unlimited usd 10.00 monthly"
    assert changed["diff"]["after"]["plans"]["basic-monthly"]["phases"][-1] == "evergreen unlimited usd 12.50 monthly"
    versions, now = read_catalog(Api(read_access(tenant)))
    assert len(versions) == 2
    assert versions[0].effective < versions[1].effective <= now


def test_plans_that_cannot_be_sold_never_reach_kill_bill(tenant: Path) -> None:
    failed = run_tasks([_task("catalog", tenant, _changed(-1))])[-1]
    assert (failed["failed"], failed["code"]) == (True, "invalid_input")
    assert "illegal price of plan 'basic-monthly'" in failed["msg"]
    assert read_catalog(Api(read_access(tenant)))[0] == ()


def test_overdue_states_are_set_once_and_changed(tenant: Path) -> None:
    task = _task("overdue", tenant, _OVERDUE)
    foretold = run_tasks([task], check=True)[0]
    made, again = run_tasks([task, task])
    assert (foretold["changed"], made["changed"], again["changed"]) == (True, True, False)
    assert made["diff"] == foretold["diff"]
    assert again["states"] == made["diff"]["after"]
    other = _task("overdue", tenant, {"days": {"warning": 1, "blocked": 2, "cancellation": 90}})
    changed, again = run_tasks([other, other])
    assert (changed["changed"], again["changed"]) == (True, False)
    assert again["states"]["CANCELLATION"].startswith("after 90 days")
    failed = run_tasks([_task("overdue", tenant, {"days": {"warning": 3, "blocked": 2, "cancellation": 90}})])[-1]
    assert (failed["failed"], failed["code"]) == (True, "invalid_input")


def test_the_callback_is_registered_replaced_and_removed_and_its_secret_never_shown(tenant: Path) -> None:
    api = Api(read_access(tenant))
    task = _task("push_notification", tenant, _CALLBACK)
    rotated = _task("push_notification", tenant, _CALLBACK | {"secret": _NEXT})
    removed = _task("push_notification", tenant, {"state": "absent"})
    foretold = run_tasks([task], check=True)
    assert read_callbacks(api) == ()
    results = run_tasks([task, task, rotated])
    assert [result["changed"] for result in (*foretold, *results)] == [True, True, False, True]
    assert foretold[0]["diff"] == results[0]["diff"]
    assert read_callbacks(api) == (f"{_CALLBACK['url']}/{_NEXT}",)
    before, after = (results[2]["diff"][which]["callbacks"][0] for which in ("before", "after"))
    assert before != after
    assert before.startswith(f"{_CALLBACK['url']}/sha256:")
    gone = run_tasks([removed, removed])
    assert [result["changed"] for result in gone] == [True, False]
    assert read_callbacks(api) == ()
    told = json.dumps([*foretold, *results, *gone])
    assert _SECRET not in told
    assert _NEXT not in told


def test_a_short_secret_is_refused_and_not_told(tenant: Path) -> None:
    failed = run_tasks([_task("push_notification", tenant, _CALLBACK | {"secret": "sh0rt-one"})])[-1]
    assert (failed["failed"], failed["code"]) == (True, "invalid_input")
    assert "sh0rt-one" not in json.dumps(failed)


def test_the_clock_is_read_moved_and_not_moved_back(tenant: Path) -> None:
    read = run_tasks([_task("clock", tenant, {})])[0]
    assert not read["changed"]
    day = read["moment"][:10]
    foretold = run_tasks([_task("clock", tenant, {"days": 1})], check=True)[0]
    assert foretold["changed"]
    assert foretold["diff"]["after"]["moment"][:10] > day
    moved = run_tasks([_task("clock", tenant, {"days": 1})])[0]
    assert moved["changed"]
    assert moved["moment"][:10] > day
    again = run_tasks([_task("clock", tenant, {"at_least": read["moment"]})])[0]
    assert not again["changed"]
    assert again["moment"] >= moved["moment"]


def test_an_access_file_open_to_others_is_refused(tenant: Path) -> None:
    tenant.chmod(0o644)
    failed = run_tasks([_task("overdue", tenant, _OVERDUE)])[-1]
    assert (failed["failed"], failed["code"]) == (True, "invalid_input")
    assert "0644" in failed["msg"]
