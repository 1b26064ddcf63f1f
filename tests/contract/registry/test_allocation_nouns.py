"""The nouns database_allocation and database_spare: create, again, change, check, diff, errors; the registry's operator."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.fixtures.ansible import run_tasks
from tests.fixtures.registry import Registry, add_server

ALLOCATION = "saasodoo.platform.database_allocation"
SPARE = "saasodoo.platform.database_spare"
SETTINGS = {"port_first": 23200, "port_last": 23203, "max_instances": 2, "spare_places": 1}
TENANT = "saasodoo.platform.tenant"


@pytest.fixture
def registry(registry_roles: Registry) -> str:
    """The registry as playbooks use it, with one plan and the tenant ``acme``."""
    with psycopg.connect(registry_roles.operator) as connection:
        connection.execute(
            "INSERT INTO billing.plan_entitlements (plan_name, effective_date, cpu_limit, memory_limit, storage_limit, db_type)"
            " VALUES ('basic', '2020-01-01', 2, '4GB', '10GB', 'shared')"
        )
    made = run(registry_roles.operator, (TENANT, {"tenant": "acme", "customer_id": "c1", "plan": "basic"}))
    assert made[-1]["changed"]
    return registry_roles.operator


def run(registry: str, *tasks: tuple[str, dict[str, Any]], check: bool = False) -> list[dict[str, Any]]:
    return run_tasks([{noun: {"registry": registry, **options}} for noun, options in tasks], check=check)


def place(state: str = "allocated", **options: Any) -> tuple[str, dict[str, Any]]:
    settings = {"settings": SETTINGS} if state == "allocated" else {}
    return ALLOCATION, {"tenant": "acme", "state": state, **settings, **options}


def spare(server_type: str = "shared") -> tuple[str, dict[str, Any]]:
    return SPARE, {"server_type": server_type, "settings": SETTINGS}


def make_server(registry: str, name: str, port: int) -> None:
    with psycopg.connect(registry) as connection:
        add_server(connection, name, port, 2)


def test_a_place_is_predicted_reserved_taken_and_given_back(registry: str) -> None:
    make_server(registry, "pool-9", 23210)
    predicted = run(registry, place(), check=True)[-1]
    first, again, taken, taken_again, gone, gone_again = run(
        registry, place(), place(), place("in_use"), place("in_use"), place("absent"), place("absent")
    )
    assert predicted["diff"] == first["diff"]
    assert first["allocation"]["server"] == {
        "name": "pool-9",
        "host": "127.0.0.1",
        "port": 23210,
        "pooler_host": "127.0.0.1",
        "pooler_port": 23211,
    }
    assert first["allocation"]["explanation"][0]["chosen"]
    assert again["allocation"]["server"] == first["allocation"]["server"]
    changed = [each["changed"] for each in (predicted, first, again, taken, taken_again, gone, gone_again)]
    assert changed == [True, True, False, True, False, True, False]


def test_a_place_is_reserved_and_taken_at_once(registry: str) -> None:
    make_server(registry, "pool-9", 23210)
    at_once = place("in_use", settings=SETTINGS)
    predicted = run(registry, at_once, check=True)[-1]
    first, again, taken = run(registry, at_once, at_once, place("in_use"))
    assert predicted["diff"] == first["diff"]
    assert first["diff"]["after"]["state"] == "in_use"
    assert (first["allocation"]["state"], first["allocation"]["server"]["name"]) == ("allocated", "pool-9")
    assert [each["changed"] for each in (predicted, first, again, taken)] == [True, True, False, False]
    with psycopg.connect(registry) as connection:
        assert connection.execute("SELECT state, expires_at FROM database.allocations").fetchall() == [("in_use", None)]


def test_a_target_is_found_on_another_server_as_wished_or_refused(registry: str) -> None:
    for number, port in ((7, 23212), (8, 23214), (9, 23210)):
        make_server(registry, f"pool-{number}", port)
    run(registry, place(server="pool-9"), place("in_use"))
    target: dict[str, Any] = {"purpose": "target", "avoid": ["pool-7"]}
    predicted = run(registry, place(**target), check=True)[-1]
    first, again, refused = run(registry, place(**target), place(**target), place(**target, server="pool-9"))
    assert predicted["diff"] == first["diff"]
    assert (first["allocation"]["server"]["name"], again["changed"]) == ("pool-8", False)
    assert refused["failed"]
    assert "pool-9: has the tenant's home already" in refused["msg"]
    taken, gone, gone_again = run(
        registry, place("in_use", purpose="target"), place("absent", purpose="target"), place("absent", purpose="target")
    )
    assert [each["changed"] for each in (taken, gone, gone_again)] == [True, True, False]
    assert run(registry, place())[-1]["allocation"]["server"]["name"] == "pool-9"
    assert "no place is given to a former database" in run(registry, place(purpose="former"))[-1]["msg"]


def test_without_a_place_the_build_of_a_server_is_leased(registry: str) -> None:
    predicted = run(registry, place(), check=True)[-1]
    first, again = run(registry, place(), place())
    assert predicted["diff"] == first["diff"]
    assert (predicted["changed"], first["changed"], again["changed"]) == (True, True, False)
    assert first["allocation"]["state"] == "provisioning"
    assert first["allocation"]["server"] is None
    assert (first["allocation"]["build"]["port"], first["allocation"]["build"]["max_instances"]) == (23200, 2)


def test_no_place_and_no_room_is_an_error_that_says_why(registry: str) -> None:
    make_server(registry, "pool-9", 23210)
    with psycopg.connect(registry) as connection:
        connection.execute("UPDATE database.servers SET status = 'draining'")
    failure = run(registry, place(settings=SETTINGS | {"max_servers": 1}))[-1]
    assert failure["failed"]
    assert "pool-9" in failure["msg"]


def test_a_spare_is_leased_once_and_only_when_places_run_short(registry: str) -> None:
    predicted, short = run(registry, spare(), check=True)[-1], run(registry, spare())[-1]
    assert predicted["diff"] == short["diff"]
    assert short["changed"]
    assert short["build"]["server_type"] == "shared"
    with psycopg.connect(registry) as connection:
        connection.execute("UPDATE database.servers SET status = 'active'")
    enough = run(registry, spare())[-1]
    assert (enough["changed"], enough["build"]) == (False, None)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (place(tenant="nobody"), "nobody"),
        ((ALLOCATION, {"tenant": "acme"}), "settings"),
        (place(settings={"port_first": 1}), "port_last"),
        (place(settings=SETTINGS | {"lease_seconds": 400}), "lease_seconds"),
        (spare("huge"), "huge"),
    ],
)
def test_what_is_wrong_is_refused(registry: str, task: tuple[str, dict[str, Any]], words: str) -> None:
    failure = run(registry, task)[-1]
    assert failure["failed"]
    assert words in failure["msg"]


def test_the_first_spare_is_foretold_before_there_is_a_registry() -> None:
    nowhere = "host=127.0.0.1 port=1 dbname=saasodoo user=saasodoo_operator passfile=/nonexistent"
    noun, options = spare("dedicated")
    foretold = run(nowhere, (noun, {**options, "settings": {**SETTINGS, "spare_dedicated": 1}, "predict_new": True}), check=True)[
        -1
    ]
    assert (foretold["changed"], foretold["build"]["name"]) == (True, "dedicated-1")
    refused = run(nowhere, (noun, {**options, "predict_new": True}))[-1]
    assert refused["code"] == "invalid_input", "outside check mode it is asked, and says what is missing"
