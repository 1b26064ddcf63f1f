"""The nouns postgres_server and postgres_server_health against a real registry."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import connect
from tests.fixtures.ansible import run_tasks

_PORTS = {"port_first": 23240, "port_last": 23243}


class Nouns:
    """Runs the nouns on one registry."""

    def __init__(self, registry: str) -> None:
        self.registry = registry

    def task(self, name: str, state: str = "present", **options: Any) -> dict[str, Any]:
        return {
            "saasodoo.platform.postgres_server": {"name": name, "state": state, "registry": self.registry, **_PORTS, **options}
        }

    def run(self, *tasks: dict[str, Any], check: bool = False) -> list[dict[str, Any]]:
        return run_tasks(list(tasks), check=check)

    def one(self, name: str, state: str = "present", *, check: bool = False, **options: Any) -> dict[str, Any]:
        (result,) = self.run(self.task(name, state, **options), check=check)
        return result


@pytest.fixture
def nouns(registry: str) -> Nouns:
    return Nouns(registry)


def test_create_again_change_each_with_check_and_diff(nouns: Nouns) -> None:
    check = nouns.one("pool-1", check=True)
    made, again = nouns.run(nouns.task("pool-1"), nouns.task("pool-1"))
    assert (check["changed"], made["changed"], again["changed"]) == (True, True, False)
    assert check["diff"] == made["diff"]
    assert (made["server"]["port"], made["server"]["pooler_port"], made["server"]["status"]) == (23240, 23241, "active")
    check = nouns.one("pool-1", check=True, max_instances=60)
    larger = nouns.one("pool-1", max_instances=60)
    assert (check["changed"], larger["changed"], check["diff"]) == (True, True, larger["diff"])
    assert larger["server"]["max_instances"] == 60


def test_a_life_from_its_making_to_its_end(nouns: Nouns) -> None:
    steps = ("provisioning", "provisioning", "present", "draining", "present", "active", "draining", "retired", "retired")
    results = nouns.run(*(nouns.task("pool-1", state) for state in steps))
    assert [result["changed"] for result in results] == [True, False, True, True, False, True, True, True, False]
    statuses = [result["server"]["status"] for result in results]
    assert statuses == ["provisioning"] * 2 + ["active", "draining", "draining", "active", "draining", "retired", "retired"]
    with connect(nouns.registry) as connection:
        entries = connection.execute("SELECT action FROM ops.journal WHERE subject = 'server:pool-1'").fetchall()
    assert len(entries) >= 6


def test_a_server_is_not_retired_under_any_database_of_a_tenant(nouns: Nouns) -> None:
    nouns.one("pool-1")
    with connect(nouns.registry) as connection:
        for slot, purpose in enumerate(("home", "target", "former", "kept"), start=1):
            tenant = connection.execute(
                "INSERT INTO tenant.tenants (subdomain, customer_id, plan_name, database_name, odoo_version)"
                " VALUES (%(name)s, 'c', 'p', 'odoo_' || %(name)s, '19.0') RETURNING id",
                {"name": purpose},
            ).fetchone()
            assert tenant is not None
            connection.execute(
                "INSERT INTO database.allocations (tenant_id, purpose, server_name, max_instances, slot, state)"
                " SELECT %s, %s, name, max_instances, %s, 'in_use' FROM database.servers",
                (tenant["id"], purpose, slot),
            )
        connection.execute(
            "INSERT INTO ops.migrations (tenant_id, database_name, strategy, source, target, tenant_status, status, keep_until)"
            " SELECT id, database_name, 'online', 'pool-1', 'pool-2', 'running', 'kept', '2026-01-31 12:00'"
            " FROM tenant.tenants WHERE subdomain = 'former'"
        )
    refused = nouns.one("pool-1", "retired")
    assert (refused["failed"], refused["code"]) == (True, "conflict")
    former, kept = "former (former database, kept until 2026-01-31 12:00)", "kept (terminated, its data is kept)"
    assert f"tenants {former}, home, {kept}, target (is being moved there)" in refused["msg"]


@pytest.mark.parametrize("state", ["provisioning", "present", "active", "draining"])
def test_a_retired_server_never_comes_back(nouns: Nouns, state: str) -> None:
    *_, result = nouns.run(nouns.task("pool-1"), nouns.task("pool-1", "retired"), nouns.task("pool-1", state))
    assert (result["failed"], result["code"]) == (True, "conflict")
    assert "retired" in result["msg"]


def test_ports_are_given_once_and_run_out(nouns: Nouns) -> None:
    first, second, third = nouns.run(nouns.task("pool-1"), nouns.task("pool-2"), nouns.task("pool-3"))
    assert [server["server"]["port"] for server in (first, second)] == [23240, 23242]
    assert (third["code"], "no ports" in third["msg"]) == ("conflict", True)
    taken = nouns.one("pool-3", port=23250, pooler_port=23241)
    assert (taken["code"], "pool-1 has it" in taken["msg"]) == ("conflict", True)


@pytest.mark.parametrize("changed", [{"port": 23250, "pooler_port": 23251}, {"server_type": "dedicated", "max_instances": 1}])
def test_what_can_not_change_is_refused(nouns: Nouns, changed: dict[str, Any]) -> None:
    *_, result = nouns.run(nouns.task("pool-1"), nouns.task("pool-1", **changed))
    assert (result["code"], "can't be changed" in result["msg"]) == ("conflict", True)


def test_an_unknown_server_and_wrong_sizes_are_refused(nouns: Nouns) -> None:
    assert nouns.one("nobody", "draining")["code"] == "not_found"
    assert nouns.one("d", server_type="dedicated", max_instances=2)["code"] == "invalid_input"
    assert nouns.one("d", memory_limit="much")["code"] == "invalid_input"


def test_before_there_is_a_registry_check_mode_predicts_and_real_mode_says_what_to_do(tmp_path: Path) -> None:
    nouns = Nouns(f"host=127.0.0.1 port=1 dbname=saasodoo user=saasodoo_operator passfile={tmp_path}/missing")
    assert nouns.one("pool-1", check=True)["server"]["port"] == 23240
    real = nouns.one("pool-1")
    assert (real["code"], "playbooks/registry.yml" in real["msg"]) == ("invalid_input", True)


def test_health_of_what_does_not_answer_is_recorded_once(nouns: Nouns, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_text(secrets.token_hex(32))
    health = {
        "saasodoo.platform.postgres_server_health": {"registry": nouns.registry, "platform_key_file": str(key), "patience": 0}
    }
    idle = nouns.task("pool-2", "provisioning")
    _, _, first, again = nouns.run(nouns.task("pool-1", port=1024, pooler_port=1025), idle, health, health)
    assert (first["changed"], again["changed"], first["unhealthy"]) == (True, False, ["pool-1"])
    (check,) = nouns.run(health, check=True)
    assert not check["changed"]
    with connect(nouns.registry) as connection:
        row = connection.execute("SELECT * FROM database.servers WHERE name = 'pool-1'").fetchone()
    assert row is not None
    assert (row["health_status"], row["health_checked_at"] is not None) == ("unhealthy", True)
    assert "does not answer at 127.0.0.1:1024" in row["health_message"]
