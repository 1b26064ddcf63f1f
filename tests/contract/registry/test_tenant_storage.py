"""The noun tenant_storage: databases on real servers, measured against plans; what their roles may do then, also after a move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import errors

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import attention
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import connect
from tests.fixtures.ansible import run_tasks
from tests.fixtures.bare_moves import BareMoves, password_of
from tests.fixtures.registry import Registry

_PLANS = """
INSERT INTO billing.plan_entitlements (plan_name, effective_date, cpu_limit, memory_limit, storage_limit)
VALUES ('tiny', '2020-01-01', 2, '4GB', '1MB')
"""
_TABLE = "CREATE TABLE notes (note text)"
_WRITE = "INSERT INTO public.notes VALUES ('more')"
_JOURNAL = "SELECT action FROM ops.journal WHERE subject = %s AND action LIKE 'storage %%' ORDER BY seq"


@dataclass
class Ground:
    """A tenant with a database of some megabytes."""

    moves: BareMoves
    registry: Registry
    tenant: Tenant

    def watch(self, *, check: bool = False, **options: Any) -> dict[str, Any]:
        """Run the noun."""
        common = {"registry": self.registry.operator, "platform_key_file": str(self.moves.home / "platform.key")}
        (result,) = run_tasks([{"saasodoo.platform.tenant_storage": common | options}], check=check)
        assert not result.get("failed"), result
        return result

    def plan(self, name: str) -> None:
        """Give the tenant another plan."""
        with psycopg.connect(self.registry.admin) as admin:
            admin.execute("UPDATE tenant.tenants SET plan_name = %s WHERE id = %s", (name, self.tenant.id))

    def level(self, result: dict[str, Any]) -> str:
        """Return what the noun says of the tenant."""
        (found,) = [each for each in result["storage"] if each["tenant"] == self.tenant.subdomain] or [{"level": "within"}]
        return str(found["level"])

    def write(self) -> None:
        """Write a row as an Odoo does."""
        with self.moves.session(self.tenant) as session:
            session.execute(_WRITE)

    def journal(self) -> list[str]:
        """Return what the journal says of its storage."""
        with psycopg.connect(self.registry.admin) as admin:
            return [row[0] for row in admin.execute(_JOURNAL, (f"tenant:{self.tenant.id}",))]

    def needs(self) -> list[str]:
        """Return why it needs a person."""
        with connect(self.registry.operator) as connection:
            return [each.cause for each in attention.needs(connection) if each.tenant_id == self.tenant.id]


@pytest.fixture
def ground(bare_moves: BareMoves, registry_roles: Registry) -> Ground:
    made = Ground(bare_moves, registry_roles, bare_moves.tenant(_TABLE))
    with psycopg.connect(registry_roles.admin) as admin:
        admin.execute(_PLANS)
    return made


def test_who_is_over_for_too_long_only_reads(ground: Ground) -> None:
    assert (ground.watch()["changed"], ground.journal(), ground.needs()) == (False, [], [])
    ground.plan("tiny")
    foretold, told, again = ground.watch(check=True), ground.watch(), ground.watch()
    assert (foretold["changed"], ground.level(foretold)) == (told["changed"], ground.level(told)) == (True, "over")
    assert (again["changed"], ground.level(again)) == (False, "over")
    assert "of the 0.0 GB of its plan" in told["storage"][0]["message"]
    assert ground.needs() == []
    with ground.moves.session(ground.tenant) as session:
        session.execute(_WRITE)
        closed, still = ground.watch(grace_hours=0), ground.watch(grace_hours=0)
        assert (closed["changed"], ground.level(closed), still["changed"]) == (True, "read_only", False)
        with pytest.raises(errors.ReadOnlySqlTransaction):  # PgBouncer gave it another connection
            session.execute(_WRITE)
    (cause,) = ground.needs()
    assert "it can only be read until it has a larger plan" in cause

    ground.plan("basic")
    opened = ground.watch(grace_hours=0)
    name = ground.tenant.subdomain
    assert opened["diff"] == {"before": {name: "read_only"}, "after": {name: "within"}}
    assert (ground.level(opened), ground.needs()) == ("within", [])
    ground.write()
    assert ground.journal() == ["storage over", "storage read_only", "storage within"]


def test_the_platform_writes_where_the_tenant_only_reads(ground: Ground) -> None:
    ground.plan("tiny")
    ground.watch(grace_hours=0)
    name, address = ground.tenant.database_name, ground.moves.pools[0].address
    with address.log_in(name, password_of(ground.tenant), name) as database:
        database.execute(_WRITE)


def test_what_a_tenant_undoes_is_done_again_and_what_it_does_itself_is_left(ground: Ground) -> None:
    own = "ALTER ROLE CURRENT_USER SET default_transaction_read_only = on"
    with ground.moves.session(ground.tenant) as session:
        session.execute(own)
    assert not ground.watch()["changed"]
    with ground.moves.session(ground.tenant) as session, session.transaction():
        session.execute("SET TRANSACTION READ WRITE")
        session.execute("ALTER ROLE CURRENT_USER RESET default_transaction_read_only")
    ground.plan("tiny")
    ground.watch(grace_hours=0)
    with ground.moves.session(ground.tenant) as session, session.transaction():
        session.execute("SET TRANSACTION READ WRITE")
        session.execute("ALTER ROLE CURRENT_USER RESET default_transaction_read_only")
    foretold, again = ground.watch(check=True, grace_hours=0), ground.watch(grace_hours=0)
    name = ground.tenant.subdomain
    assert foretold["diff"] == again["diff"] == {"before": {name: "read_only, but writes"}, "after": {name: "read_only"}}
    with pytest.raises(errors.ReadOnlySqlTransaction):
        ground.write()


def test_whom_a_run_works_on_is_left_for_the_next_time(ground: Ground) -> None:
    ground.plan("tiny")
    with connect(ground.registry.operator, autocommit=True) as run:
        run.execute("SELECT pg_advisory_lock(hashtextextended('tenant:' || %s, 0))", (ground.tenant.subdomain,))
        assert ground.watch(grace_hours=0)["storage"] == []
    ground.write()
    assert ground.level(ground.watch(grace_hours=0)) == "read_only"


def test_a_move_takes_it_along_and_is_not_kept_from_its_work(ground: Ground) -> None:
    ground.plan("tiny")
    ground.watch(grace_hours=0)
    ground.moves.move(ground.tenant)
    with pytest.raises(errors.ReadOnlySqlTransaction), ground.moves.session(ground.tenant) as session:
        session.execute(_WRITE)
    assert not ground.watch(grace_hours=0)["changed"]


def test_a_server_that_is_away_is_named_and_nothing_is_said_of_its_tenants(ground: Ground) -> None:
    ground.plan("tiny")
    with psycopg.connect(ground.registry.admin) as admin:
        admin.execute(
            "UPDATE database.servers SET port = 1024, pooler_port = 1025 WHERE name = %s", (ground.moves.pools[0].address.name,)
        )
    told = ground.watch()
    assert (told["changed"], told["storage"]) == (False, [])
    assert ground.moves.pools[0].address.name in told["unanswered"]


@pytest.mark.parametrize("wrong", [{"near_percent": 0}, {"near_percent": 101}, {"grace_hours": -1}])
def test_limits_that_are_none_are_refused(ground: Ground, wrong: dict[str, Any]) -> None:
    common = {"registry": ground.registry.operator, "platform_key_file": str(ground.moves.home / "platform.key")}
    (result,) = run_tasks([{"saasodoo.platform.tenant_storage": common | wrong}])
    assert (result["failed"], result["code"]) == (True, "invalid_input")
