"""The noun database_migration: states in the wrong order, tenants that can't be moved, and what check mode tells of the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import journal
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.operation import Stage
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import Verb
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo.database import remove
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Connection
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import tenants
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import connect
from tests.fixtures.ansible import run_tasks
from tests.fixtures.pools import KEY, Pool
from tests.fixtures.registry import Registry, add_server

_PLACE = """
INSERT INTO database.allocations (tenant_id, purpose, server_name, max_instances, slot, state)
VALUES (%s, %s, %s, 9, 1, 'in_use')
"""
_PLAN = """
INSERT INTO billing.plan_entitlements (plan_name, effective_date, cpu_limit, memory_limit, storage_limit)
VALUES ('basic', '2020-01-01', 2, '4GB', '10GB')
"""


class Noun:
    """The noun on a tenant that runs on the first of two servers."""

    def __init__(self, registry: str, pools: tuple[Pool, Pool], tenant: Tenant, home: Path) -> None:
        self.registry, self.pools, self.tenant, self.home = registry, pools, tenant, home

    def do(self, *states: str, check: bool = False, tenant: str = "acme", **options: Any) -> list[dict[str, Any]]:
        common = {
            "tenant": tenant,
            "registry": self.registry,
            "home": str(self.home),
            "platform_key_file": str(self.home / "platform.key"),
            "target": "pool-b",
            "message": "by a test",
        }
        tasks = [{"saasodoo.platform.database_migration": {**common, "state": state, **options}} for state in states]
        return run_tasks(tasks, check=check, extra_vars={"tenant": tenant, "saasodoo_registry": self.registry})

    def operate(self, verb: str, *states: str) -> list[dict[str, Any]]:
        common = {"tenant": "acme", "verb": verb, "registry": self.registry}
        tasks = [{"saasodoo.platform.tenant_operation": {**common, "state": state}} for state in states]
        return run_tasks(tasks, extra_vars={"tenant": "acme", "saasodoo_registry": self.registry})

    def traces(self) -> list[str]:
        """Name what there is of a migration: in the registry, in the database, on the other server, on the disk."""
        name = self.tenant.database_name
        with connect(self.registry, autocommit=True) as connection:
            found = [f"migration {each.status}" for each in journal.history(connection, self.tenant.id)]
        with self.pools[0].superuser(name) as database:
            found += [row["nspname"] for row in database.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ '^saasodoo'")]
        for pool in self.pools:
            with pool.address.connect() as server:
                found += [row["slot_name"] for row in server.execute("SELECT slot_name FROM pg_replication_slots")]
        with self.pools[1].address.connect() as server:
            found += [row["datname"] for row in server.execute("SELECT datname FROM pg_database WHERE datname = %s", (name,))]
        return found + [each.name for each in self.home.glob("backups/*")]


def _provisioned(connection: Connection) -> Tenant:
    made = tenants.create(
        connection, subdomain="acme", customer_id="c1", plan_name="basic", odoo_version="19.0", ports=range(23160, 23161)
    )
    tenants.operate(connection, made.id, Verb.PROVISION, Stage.BEGUN)
    tenants.operate(connection, made.id, Verb.PROVISION, Stage.STARTING)
    return tenants.operate(connection, made.id, Verb.PROVISION, Stage.FINISHED).after


@pytest.fixture
def noun(registry_roles: Registry, pools: tuple[Pool, Pool], tmp_path: Path) -> Iterator[Noun]:
    key = tmp_path / "platform.key"
    key.touch(mode=0o600)
    key.write_text(KEY.hex())
    with connect(registry_roles.operator, autocommit=True) as connection:
        connection.execute(_PLAN)
        tenant = _provisioned(connection)
        for pool, purpose in zip(pools, ("home", "target"), strict=True):
            where = pool.address
            (tmp_path / "pgbouncer" / where.name).mkdir(parents=True)
            add_server(connection, where.name, where.port, 9)
            connection.execute(_PLACE, (tenant.id, purpose, where.name))
    name = sql.Identifier(tenant.database_name)
    with pools[0].address.connect() as server:
        server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'secret'").format(name))
        server.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(name))
    with pools[0].session(tenant.database_name) as database:
        database.execute("CREATE TABLE partner (id int PRIMARY KEY, name text)")
    try:
        yield Noun(registry_roles.operator, pools, tenant, tmp_path)
    finally:
        with pools[0].address.connect() as server:
            remove(server, tenant.database_name)


def test_check_mode_tells_the_plan_and_changes_nothing(noun: Noun) -> None:
    foretold = noun.do("planned", check=True)[-1]
    assert foretold["changed"]
    plan = foretold["diff"]["after"]
    assert (plan["strategy"], plan["source"], plan["target"]) == ("online", "pool-a", "pool-b")
    assert [step.partition(":")[0] for step in plan["steps"]][-3:] == ["switch", "thaw", "verify"]
    assert {"estimated_seconds", "estimated_pause_seconds", "size_bytes"} <= plan.keys()
    assert noun.traces() == []


def test_check_mode_names_all_obstacles_and_changes_nothing(noun: Noun) -> None:
    with noun.pools[0].session(noun.tenant.database_name) as database:
        database.execute("CREATE UNLOGGED TABLE fast (id int PRIMARY KEY)")
        database.execute("SELECT lo_create(0)")
    for check in (True, False):
        refused = noun.do("planned", check=check, strategy="online")[-1]
        assert refused["failed"]
        assert "can't be moved online from pool-a to pool-b" in refused["msg"]
        assert "fast" in refused["msg"]
        assert "large object" in refused["msg"]
        assert noun.traces() == []
    assert noun.do("planned", check=True)[-1]["diff"]["after"]["strategy"] == "offline", "auto finds the way there is"


def test_without_a_migration_there_is_nothing_to_go_on_with_and_nothing_to_end(noun: Noun) -> None:
    for state in ("copied", "switched", "verified", "switched_back", "way_back_closed"):
        failed = noun.do(state)[-1]
        assert failed["failed"], state
        assert "tenant acme has no migration" in failed["msg"]
    for result in noun.do("taken_up", "kept", "undone", "settled"):
        assert (result["changed"], result["migration"]) == (False, None)
    foretold = noun.do("settled", check=True)[-1]
    assert (foretold["changed"], foretold["migration"]) == (False, None)


def test_a_state_out_of_order_is_refused_and_what_was_begun_can_be_undone(noun: Noun) -> None:
    begun, again = noun.do("planned", "planned")
    assert (begun["changed"], again["changed"]) == (True, False)
    assert begun["migration"]["status"] == "under_way"
    for state in ("switched_back", "settled"):
        refused = noun.do(state)[-1]
        assert refused["failed"], state
        assert "under_way" in refused["msg"], refused["msg"]
    undone, nothing = noun.do("undone", "undone")
    assert (undone["changed"], undone["migration"]["status"], undone["migration"]["message"]) == (True, "undone", "by a test")
    assert (nothing["changed"], nothing["migration"]) == (False, None)
    assert noun.traces() == ["migration undone"]


def test_an_unknown_tenant_and_server_are_told(noun: Noun) -> None:
    assert "there is no tenant 'nobody'" in noun.do("planned", tenant="nobody")[-1]["msg"]
    assert "there is no server pool-c" in noun.do("planned", target="pool-c")[-1]["msg"]
    assert noun.traces() == []


@pytest.mark.parametrize("verb", ["migrate", "resize"])
def test_only_what_runs_or_stands_still_is_moved_and_the_conflict_names_the_state(noun: Noun, verb: str) -> None:
    assert not noun.operate("suspend", "begun", "stopping", "finished")[-1].get("failed")
    refused = noun.operate(verb, "begun")[-1]
    assert refused["failed"]
    assert f"cannot {verb} a tenant that is paused" in refused["msg"]
    assert "running, stopped" in refused["msg"]
