"""The registry's nouns through the real ansible-playbook: create, again, change, each foretold by check mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.fixtures.ansible import run_tasks
from tests.fixtures.postgres import Cluster
from tests.fixtures.registry import FILES, Registry, connections, fresh_database

Task = dict[str, Any]


def foretold_then_done(task: Task) -> dict[str, Any]:
    """Run a task in check mode, twice, and for real, and return its result; hold check mode to what then happened."""
    foretold, again, done = run_tasks([{**task, "check_mode": True}, {**task, "check_mode": True}, task])
    for result in (foretold, again):
        assert (result["changed"], result["diff"]) == (done["changed"], done["diff"])
    return done


def plans(registry: str, *rows: Task, name: str = "basic") -> Task:
    return {"saasodoo.platform.plan": {"registry": registry, "plans": [{"name": name, "entitlements": list(rows)}]}}


def row(date: str, **fields: object) -> Task:
    return {"effective_date": date, "cpu_limit": 2, "memory_limit": "4GB", "storage_limit": "10GB", **fields}


def test_plan(registry_roles: Registry) -> None:
    registry = registry_roles.operator
    old, future = row("2020-01-01"), row("2999-01-01T00:00:00Z", db_type="dedicated")

    created = foretold_then_done(plans(registry, old, future))
    assert created["changed"]
    assert created["diff"] == {
        "before": {},
        "after": {
            "basic from 2020-01-01T00:00:00+00:00": "2.00 CPU, 4GB, 10GB, shared",
            "basic from 2999-01-01T00:00:00+00:00": "2.00 CPU, 4GB, 10GB, dedicated",
        },
    }
    assert not foretold_then_done(plans(registry, old, future))["changed"]
    assert not foretold_then_done(plans(registry, old))["changed"]  # what is not given stays

    changed = foretold_then_done(plans(registry, old, {**future, "cpu_limit": 3}))
    assert changed["changed"]
    with psycopg.connect(registry) as connection:
        rows = connection.execute("SELECT cpu_limit, db_type FROM billing.plan_entitlements ORDER BY effective_date").fetchall()
    assert [(float(limit), kind) for limit, kind in rows] == [(2.0, "shared"), (3.0, "dedicated")]


@pytest.mark.parametrize("check", [True, False])
def test_a_plan_in_force_is_not_changed(registry_roles: Registry, check: bool) -> None:
    registry = registry_roles.operator
    run_tasks([plans(registry, row("2020-01-01"))])
    (refused,) = run_tasks([plans(registry, row("2020-01-01", memory_limit="8GB"), row("2030-01-01"))], check=check)
    assert refused["failed"]
    assert refused["code"] == "invalid_input"
    assert "new effective_date" in refused["msg"]
    with psycopg.connect(registry) as connection:
        assert connection.execute("SELECT memory_limit FROM billing.plan_entitlements").fetchall() == [("4GB",)]


def test_plan_says_what_is_wrong_with_a_plan(registry_roles: Registry) -> None:
    (refused,) = run_tasks([plans(registry_roles.operator, row("2020-01-01", memory_limit="much"), name="premium")])
    assert refused["failed"]
    assert "premium" in refused["msg"]
    assert "much" in refused["msg"]


@pytest.mark.parametrize("component", ["runner", "inventory"])
def test_other_components_keep_no_plans(registry_roles: Registry, component: str) -> None:
    (refused,) = run_tasks([plans(getattr(registry_roles, component), row("2020-01-01"))])
    assert refused["failed"]
    assert refused["code"] == "unauthorized"
    assert f"saasodoo_{component}" in refused["msg"]


def test_a_component_without_its_own_user_and_password_refuses_to_start(registry_roles: Registry, tmp_path: Path) -> None:
    base = f"host=127.0.0.1 dbname={registry_roles.name}"
    conninfos = [base, f"{base} user=saasodoo_operator", f"{base} user=saasodoo_operator passfile={tmp_path}/none",
                 f"{base} passfile={tmp_path}/operator.pgpass", f"{base} user=saasodoo_operator password=x"]  # fmt: skip
    results = run_tasks([{**plans(conninfo, row("2020-01-01")), "ignore_errors": True} for conninfo in conninfos])
    assert [(result["failed"], result["code"]) for result in results] == [(True, "invalid_input")] * len(conninfos)


def test_registry_clock(registry_roles: Registry) -> None:
    def clock(**options: object) -> Task:
        return {"saasodoo.platform.registry_clock": {"registry": registry_roles.operator, **options}}

    moved = foretold_then_done(clock(offset=86400))
    assert moved["diff"] == {"before": {"offset": 0}, "after": {"offset": 86400}}
    with psycopg.connect(registry_roles.inventory) as connection:
        assert connection.execute("SELECT ops.now() - now() = '1 day'").fetchone() == (True,)
        assert connection.execute("SELECT detail FROM ops.journal WHERE subject = 'clock'").fetchall() == [({"offset": 86400},)]
    assert not foretold_then_done(clock(offset=86400))["changed"]
    assert foretold_then_done(clock())["diff"]["after"] == {"offset": 0}


def test_registry_schema(registry_cluster: Cluster, key_file: Path, tmp_path: Path) -> None:
    with fresh_database(registry_cluster) as name:
        owner = connections(registry_cluster, name, tmp_path).owner

        def schema(version: str) -> Task:
            options = {"owner": owner, "folder": str(FILES), "platform_key_file": str(key_file), "version": version}
            return {"saasodoo.platform.registry_schema": options}

        assert foretold_then_done(schema("latest"))["changed"]
        assert not foretold_then_done(schema("latest"))["changed"]
        assert foretold_then_done(schema("0004"))["diff"]["after"]["steps"][-1] == "0004-database"
        assert foretold_then_done(schema("latest"))["diff"]["after"]["grants"] == "as shipped"


def test_before_the_first_run_check_mode_foretells_what_cannot_be_asked(tmp_path: Path) -> None:
    conninfo = f"host=127.0.0.1 port=1 dbname=saasodoo user=saasodoo_owner passfile={tmp_path}/none"
    key = {"platform_key_file": f"{tmp_path}/none", "predict_new": True}
    tasks: list[Task] = [
        {"saasodoo.platform.registry_schema": {"owner": conninfo, "folder": str(FILES), **key}},
        {"saasodoo.platform.plan": {**plans(conninfo, row("2020-01-01"))["saasodoo.platform.plan"], "predict_new": True}},
    ]
    assert [result["changed"] for result in run_tasks(tasks, check=True)] == [True, True]
    assert run_tasks(tasks[1:])[0]["failed"]  # for real, there has to be a registry
