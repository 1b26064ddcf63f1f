"""The nouns of Kill Bill: create, again, change, check mode, diff, and no secret anywhere, against a real Kill Bill."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.killbill.api import Api, read_access
from ansible_collections.saasodoo.platform.plugins.module_utils.killbill.setup import read_callbacks, read_catalog
from tests.fixtures.ansible import run_tasks
from tests.fixtures.killbill import PLANS, KillBillServer
from tests.fixtures.postgres import free_port

_SECRET, _NEXT = "s3cret-" + "a" * 25, "s3cret-" + "b" * 25
_TENANT = {"configuration": {"org.killbill.billing.server.notifications.retries": "1m,5m"}}
_CATALOG = {"plans": PLANS["saasodoo_plans"], "currency": "USD"}
_OVERDUE = {"days": PLANS["saasodoo_overdue_days"]}
_CALLBACK = {"url": "http://127.0.0.1:9/api/billing/webhook", "secret": _SECRET}


def _task(noun: str, file: Path, options: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {f"saasodoo.platform.{noun}": {**options, "killbill_file": str(file), **more}}


def _changed(price: float) -> dict[str, Any]:
    plans = deepcopy(_CATALOG)
    plans["plans"][0]["price"] = price
    return plans


@pytest.fixture
def tenant(killbill_access: Path) -> Path:
    """The access file of a Kill Bill tenant with nothing in it but what Kill Bill starts with."""
    assert run_tasks([_task("killbill_tenant", killbill_access, {})])[0]["changed"]
    return killbill_access


def test_a_tenant_is_made_once_and_its_configuration_kept(killbill_access: Path) -> None:
    task = _task("killbill_tenant", killbill_access, _TENANT)
    foretold = run_tasks([task], check=True)[0]
    made, again = run_tasks([task, task])
    assert foretold["changed"]
    assert foretold["tenant_id"] is None
    assert made["changed"]
    assert made["diff"] == foretold["diff"]
    assert (again["changed"], again["tenant_id"]) == (False, made["tenant_id"])

    other = {"configuration": {"org.killbill.payment.plugin.timeout": "7s"}}
    more, first = run_tasks([_task("killbill_tenant", killbill_access, other), task])
    assert (more["changed"], first["changed"]) == (True, False)  # the first key is still there
    secret = read_access(killbill_access).api_secret
    assert secret not in json.dumps([foretold, made, again, more])


def test_another_secret_for_a_tenant_that_is_there_is_refused(tenant: Path) -> None:
    fields = json.loads(tenant.read_text())
    tenant.write_text(json.dumps(fields | {"api_secret": "another-secret"}))
    failed = run_tasks([_task("killbill_tenant", tenant, {})])[-1]
    assert (failed["failed"], failed["code"]) == (True, "unauthorized")
    assert "another-secret" not in json.dumps(failed)


def test_check_mode_without_kill_bill_says_what_will_be_made_only_when_told_to(tmp_path: Path) -> None:
    nouns = [
        ("killbill_tenant", _TENANT),
        ("killbill_catalog", _CATALOG),
        ("killbill_overdue", _OVERDUE),
        ("killbill_push_notification", _CALLBACK),
    ]
    for noun, options in nouns:
        task = _task(noun, tmp_path / "none.json", options)
        assert run_tasks([task], check=True)[0]["failed"]
        foretold = run_tasks([_task(noun, tmp_path / "none.json", options, predict_new=True)], check=True)[0]
        assert foretold["changed"], noun
        assert run_tasks([_task(noun, tmp_path / "none.json", options, predict_new=True)])[0]["failed"]


def test_the_catalog_gets_a_version_only_when_the_plans_changed(tenant: Path) -> None:
    task = _task("killbill_catalog", tenant, _CATALOG)
    foretold = run_tasks([task], check=True)[0]
    made, again = run_tasks([task, task])
    assert foretold["versions"] == []
    assert (made["changed"], again["changed"]) == (True, False)
    assert made["diff"] == foretold["diff"]
    assert made["versions"] == ["2020-01-01T00:00:00+00:00"]
    assert set(made["diff"]["after"]["plans"]) == {plan["name"] for plan in PLANS["saasodoo_plans"]}

    dearer = _task("killbill_catalog", tenant, _changed(12.50))
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
    failed = run_tasks([_task("killbill_catalog", tenant, _changed(-1))])[-1]
    assert (failed["failed"], failed["code"]) == (True, "invalid_input")
    assert "illegal price of plan 'basic-monthly'" in failed["msg"]
    assert read_catalog(Api(read_access(tenant)))[0] == ()


def test_overdue_states_are_set_once_and_changed(tenant: Path) -> None:
    task = _task("killbill_overdue", tenant, _OVERDUE)
    foretold = run_tasks([task], check=True)[0]
    made, again = run_tasks([task, task])
    assert (foretold["changed"], made["changed"], again["changed"]) == (True, True, False)
    assert made["diff"] == foretold["diff"]
    assert again["states"] == made["diff"]["after"]
    other = _task("killbill_overdue", tenant, {"days": {"warning": 1, "blocked": 2, "cancellation": 90}})
    changed, again = run_tasks([other, other])
    assert (changed["changed"], again["changed"]) == (True, False)
    assert again["states"]["CANCELLATION"].startswith("after 90 days")
    failed = run_tasks([_task("killbill_overdue", tenant, {"days": {"warning": 3, "blocked": 2, "cancellation": 90}})])[-1]
    assert (failed["failed"], failed["code"]) == (True, "invalid_input")


def test_the_callback_is_registered_replaced_and_removed_and_its_secret_never_shown(tenant: Path) -> None:
    api = Api(read_access(tenant))
    task = _task("killbill_push_notification", tenant, _CALLBACK)
    rotated = _task("killbill_push_notification", tenant, _CALLBACK | {"secret": _NEXT})
    removed = _task("killbill_push_notification", tenant, {"state": "absent"})
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
    shown = json.dumps([*foretold, *results, *gone])
    assert _SECRET not in shown
    assert _NEXT not in shown


def test_a_short_secret_is_refused_and_not_told(tenant: Path) -> None:
    failed = run_tasks([_task("killbill_push_notification", tenant, _CALLBACK | {"secret": "sh0rt-one"})])[-1]
    assert (failed["failed"], failed["code"]) == (True, "invalid_input")
    assert "sh0rt-one" not in json.dumps(failed)


def test_the_clock_is_read_moved_and_not_moved_back(tenant: Path) -> None:
    read = run_tasks([_task("killbill_clock", tenant, {})])[0]
    assert not read["changed"]
    day = read["moment"][:10]
    foretold = run_tasks([_task("killbill_clock", tenant, {"days": 1})], check=True)[0]
    assert foretold["changed"]
    assert foretold["diff"]["after"]["moment"][:10] > day
    moved = run_tasks([_task("killbill_clock", tenant, {"days": 1})])[0]
    assert moved["changed"]
    assert moved["moment"][:10] > day
    again = run_tasks([_task("killbill_clock", tenant, {"at_least": read["moment"]})])[0]
    assert not again["changed"]
    assert again["moment"] >= moved["moment"]


def test_an_access_file_open_to_others_is_refused(tenant: Path) -> None:
    tenant.chmod(0o644)
    failed = run_tasks([_task("killbill_overdue", tenant, _OVERDUE)])[-1]
    assert (failed["failed"], failed["code"]) == (True, "invalid_input")
    assert "0644" in failed["msg"]


def test_the_database_is_there_and_one_that_is_not_is_foretold(killbill_server: KillBillServer) -> None:
    folder = killbill_server.home / "killbill"
    options = {
        "war": str(next(folder.glob("lib/*.war"))),
        "plugins": [str(file) for file in folder.glob("bundles/plugins/java/*/*/*.jar")],
        "server": {"name": "registry", "port": killbill_server.variables["saasodoo_port_registry"]},
        "platform_key_file": str(killbill_server.home / "secrets/platform.key"),
    }
    again = run_tasks([{"saasodoo.platform.killbill_database": options}])[0]
    assert not again["changed"]
    assert again["tables"] == again["diff"]["after"]["tables"] > 60
    away = options | {"server": {"name": "registry", "port": free_port()}}
    assert run_tasks([{"saasodoo.platform.killbill_database": away}], check=True)[0]["failed"]
    foretold = run_tasks([{"saasodoo.platform.killbill_database": away | {"predict_new": True}}], check=True)[0]
    assert foretold["changed"]
    assert foretold["diff"]["after"] == again["diff"]["after"]
    assert run_tasks([{"saasodoo.platform.killbill_database": away | {"predict_new": True}}])[0]["failed"]


def test_secrets_follow_from_the_platform_key(tmp_path: Path) -> None:
    key = tmp_path / "platform.key"
    key.touch(mode=0o600)
    key.write_text("ab" * 32)

    def look_up(purpose: str, generation: int = 1, file: Path = key, *, check: bool = False) -> dict[str, Any]:
        lookup = f"lookup('saasodoo.platform.killbill_secret', '{purpose}', generation={generation}, platform_key_file='{file}')"
        return run_tasks([{"ansible.builtin.debug": {"msg": f"{{{{ {lookup} }}}}"}}], check=check)[0]

    secrets = {look_up(*arguments)["msg"] for arguments in (("admin",), ("callback",), ("callback", 2))}
    assert len(secrets) == 3
    assert all(len(secret) == 32 for secret in secrets)  # what Kill Bill's log masks
    assert look_up("admin")["msg"] in secrets
    assert "unknown purpose; found: adm1n" in look_up("adm1n")["msg"]
    assert look_up("admin", file=tmp_path / "none")["failed"]
    assert not look_up("admin", file=tmp_path / "none", check=True).get("failed")
