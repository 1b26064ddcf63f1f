"""The nouns tenant and tenant_operation, through the real ansible-playbook: create, again, change, check, diff, errors."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import connect
from tests.fixtures.ansible import run_tasks
from tests.fixtures.registry import Registry

TENANT = "saasodoo.platform.tenant"
OPERATION = "saasodoo.platform.tenant_operation"
PORTS = {"http_port_first": 23150, "http_port_last": 23151}


@pytest.fixture
def registry(registry_roles: Registry) -> str:
    """The registry as playbooks use it: with what the operator may do, and no more."""
    return registry_roles.operator


@pytest.fixture(autouse=True)
def plans(registry: str) -> None:
    with psycopg.connect(registry) as connection:
        connection.execute(
            "INSERT INTO billing.plan_entitlements (plan_name, effective_date, cpu_limit, memory_limit, storage_limit, db_type)"
            " VALUES ('basic', '2020-01-01', 2, '4GB', '10GB', 'shared')"
        )


def run(
    registry: str, *tasks: tuple[str, dict[str, Any]], check: bool = False, lock: str | None = "acme"
) -> list[dict[str, Any]]:
    """Run the nouns; ``lock`` is the extra variable that makes the play hold a tenant's lock."""
    extra = {"saasodoo_registry": registry} | ({"tenant": lock} if lock else {})
    return run_tasks([{noun: {"registry": registry, **options}} for noun, options in tasks], check=check, extra_vars=extra)


def made(tenant: str = "acme", **options: Any) -> tuple[str, dict[str, Any]]:
    return TENANT, {"tenant": tenant, "customer_id": "c1", "plan": "basic", **PORTS, **options}


def operation(verb: str, state: str, **options: Any) -> tuple[str, dict[str, Any]]:
    return OPERATION, {"tenant": "acme", "verb": verb, "state": state, **options}


PROVISION = [operation("provision", state) for state in ("begun", "waiting_for_database", "starting", "finished")]


def test_a_tenant_is_predicted_then_made_then_found(registry: str) -> None:
    predicted = run(registry, made(), check=True)[-1]
    first = run(registry, made())[-1]
    again = run(registry, made(), (TENANT, {"tenant": "acme"}))
    assert (predicted["changed"], first["changed"], again[0]["changed"], again[1]["changed"]) == (True, True, False, False)
    assert predicted["diff"] == first["diff"]
    assert first["diff"]["before"] == {}
    assert first["diff"]["after"]["status"] == "creating"
    tenant = first["tenant"]
    assert tenant["data_directory"] == f"odoo_data_odoo_c1_{tenant['short_id']}_{tenant['short_id']}"
    assert again[1]["tenant"] == tenant
    assert first["entitlement"] == {
        "cpu_limit": 2.0,
        "memory_limit": "4GB",
        "memory_bytes": 4 * 2**30,
        "storage_limit": "10GB",
        "storage_bytes": 10 * 2**30,
        "db_type": "shared",
    }
    assert first["server"] is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"plan": "gold"}, ["unknown plan 'gold'", "one of basic"]),
        ({"tenant": "Ac me"}, ["illegal subdomain", "Ac me"]),
        ({"customer_id": " "}, ["illegal customer id", "not blank"]),
        ({"tenant": "www"}, ["reserved subdomain"]),
        ({"plan": None}, ["there is no tenant 'acme'", "-e customer=CUSTOMER -e plan=PLAN"]),
    ],
)
def test_what_cannot_be_made_says_why(registry: str, options: dict[str, Any], words: list[str]) -> None:
    failure = run(registry, made(**options))[-1]
    assert failure["failed"]
    for word in words:
        assert word in failure["msg"]


def test_a_verb_goes_through_its_stages_and_a_second_run_changes_nothing(registry: str) -> None:
    first = run(registry, made(), *PROVISION)
    assert [result["changed"] for result in first] == [True] * 5
    assert [result["tenant"]["status"] for result in first] == [
        "creating",
        "creating",
        "waiting_for_database",
        "starting",
        "running",
    ]
    assert first[-1]["diff"]["before"]["operation"] == "provision"
    assert first[-1]["diff"]["after"]["operation"] is None
    second = run(registry, made(), *PROVISION)
    assert [result["changed"] for result in second] == [False] * 5


def test_check_mode_predicts_a_first_run_and_leaves_nothing(registry: str) -> None:
    predicted = run(registry, made(), *PROVISION, check=True, lock=None)
    assert [result["changed"] for result in predicted] == [True] * 5
    with psycopg.connect(registry) as connection:
        assert connection.execute("SELECT count(*) FROM tenant.tenants").fetchone() == (0,)
    run(registry, made())
    predicted = run(registry, made(), *PROVISION, check=True)
    assert [result["changed"] for result in predicted] == [False, *[True] * 4]
    with psycopg.connect(registry) as connection:
        assert connection.execute("SELECT status, operation FROM tenant.tenants").fetchone() == ("creating", None)


def test_an_illegal_transition_is_refused_and_changes_nothing(registry: str) -> None:
    failure = run(registry, made(), operation("resume", "begun"))[-1]
    assert failure["failed"]
    assert "cannot resume a tenant that is creating" in failure["msg"]
    failure = run(registry, operation("provision", "begun"), operation("provision", "stopping"))[-1]
    assert "stopping is no step of provision" in failure["msg"]


@pytest.mark.parametrize(("verb", "to"), [("provision", "waiting_for_database"), ("migrate", "migrating")])
def test_a_registry_that_was_away_says_nothing_about_the_tenant(registry: str, verb: str, to: str) -> None:
    run(registry, made(), *(PROVISION if verb != "provision" else []), operation(verb, "begun"), operation(verb, to))
    away = operation(verb, "failed", message="the registry went away in the middle", code="registry_unavailable")
    left = run(registry, away)[-1]
    assert not left["changed"]
    assert (left["tenant"]["status"], left["tenant"]["operation"]) == (to, verb)
    failed = run(registry, operation(verb, "failed", message="no disk", code="unavailable"))[-1]
    assert failed["tenant"]["status"] == "error"


def test_a_failure_needs_a_message_and_keeps_it(registry: str) -> None:
    assert "message" in run(registry, made(), operation("provision", "failed"))[-1]["msg"]
    results = run(registry, operation("provision", "begun"), operation("provision", "failed", message="no disk"))
    assert (results[-1]["tenant"]["status"], results[-1]["tenant"]["status_message"]) == ("error", "no disk")


def test_a_move_ends_where_it_began_and_what_was_undone_says_why(registry: str) -> None:
    stop = [operation("stop", state) for state in ("begun", "finished")]
    move = [operation("resize", state) for state in ("begun", "migrating")]
    moving = run(registry, made(), *PROVISION, *stop, *move)[-1]["tenant"]
    assert (moving["status"], moving["returns_to"], moving["rest"]) == ("migrating", "stopped", "stopped")
    assert "message" in run(registry, operation("resize", "undone"))[-1]["msg"]
    predicted = run(registry, operation("resize", "undone", message="no room", plan="p"), check=True)[-1]
    undone = run(registry, operation("resize", "undone", message="no room", plan="p"))[-1]
    assert predicted["diff"] == undone["diff"]
    shown = undone["diff"]["after"]
    assert (shown["status"], shown["status_message"], shown["failed_plan"]) == ("stopped", "no room", "p")
    assert (undone["tenant"]["returns_to"], undone["tenant"]["rest"]) == (None, "stopped")


def test_a_tenant_of_an_unknown_plan_can_be_terminated_and_nothing_else(registry: str) -> None:
    run(registry, made())
    with connect(registry, autocommit=True) as connection:
        connection.execute("UPDATE tenant.tenants SET plan_name = 'golden'")
    assert "unknown plan 'golden'" in run(registry, operation("provision", "begun"))[-1]["msg"]
    ended = run(registry, *(operation("terminate", state) for state in ("begun", "stopping", "finished")))[-1]
    assert (ended["tenant"]["status"], ended["entitlement"]) == ("terminated", None)


def test_without_the_lock_nothing_is_recorded(registry: str) -> None:
    failure = run(registry, made(), operation("provision", "begun"), lock=None)[-1]
    assert failure["failed"]
    assert "does not hold the lock of tenant acme; found: held by nobody" in failure["msg"]
    failure = run(registry, operation("provision", "begun"), lock="another")[-1]
    assert "does not hold the lock of tenant acme" in failure["msg"]


def test_the_tenant_may_be_named_by_its_id(registry: str) -> None:
    tenant = run(registry, made())[-1]["tenant"]
    by_id = (OPERATION, {"tenant": tenant["id"], "verb": "provision", "state": "begun"})
    assert run(registry, by_id, lock=tenant["id"])[-1]["tenant"]["operation"] == "provision"
    assert not run(registry, by_id, lock="acme")[-1].get("failed"), "both references stand for the same lock"


def test_an_unknown_tenant_and_an_unknown_verb_say_what_there_is(registry: str) -> None:
    assert "there is no tenant 'acme'" in run(registry, operation("suspend", "begun"))[-1]["msg"]
    assert "provision" in run(registry, operation("explode", "begun"))[-1]["msg"]
