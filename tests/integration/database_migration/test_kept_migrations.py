"""A tenant whose former database is kept after a move: its verbs work as before, and its end leaves nothing behind."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import journal, replication, replication_slot
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.record import Migration
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.database_server import ServerStatus
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.pgbouncer.databases import PgBouncer
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Address
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import servers
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.platform_key import read_platform_key
from tests.fixtures.ansible import Run
from tests.fixtures.pools import superuser
from tests.fixtures.tenants import Tenants

pytestmark = pytest.mark.timeout(600)


def kept(tenants: Tenants, tenant: Tenant) -> Migration | None:
    with registry.connect(tenants.registry) as connection:
        return journal.open_of(connection, tenant.id)


def remains(tenants: Tenants, tenant: Tenant) -> list[str]:
    """Name what migrations made of the tenant on any server, its databases, and the PgBouncers that lead to it."""
    key, found = read_platform_key(tenants.platform_key_file), []
    with registry.connect(tenants.registry) as connection:
        fleet = [each for each in servers.fleet(connection) if each.status is not ServerStatus.RETIRED]
    for server in fleet:
        address = Address(server.host, server.port, server.name, key)
        found += [each.kind for each in replication.strays(address) if tenant.short_id in each.name + each.database]
        with address.connect() as admin:
            statement = "SELECT 1 FROM pg_database WHERE datname LIKE %s"
            found += ["database"] * len(admin.execute(statement, (f"%{tenant.short_id}%",)).fetchall())
        pooler = tenants.local.home / "pgbouncer" / server.name / "databases.ini"
        found += ["entry"] * pooler.read_text().count(f"{tenant.database_name} = ")
    return sorted(found)


def routes(tenants: Tenants, name: str) -> dict[str, tuple[str, int]]:
    """Return where each PgBouncer that knows the tenant routes those who come through it."""
    database = tenants.record(name).database_name
    found = {folder.name: PgBouncer(folder).databases() for folder in (tenants.local.home / "pgbouncer").iterdir()}
    return {server: places[database] for server, places in found.items() if database in places}


def home(tenants: Tenants, name: str) -> tuple[str, int]:
    """Return (host, port) of the server that the registry says it lives on."""
    server = tenants.server(name)
    return server.host, server.port


@pytest.fixture(scope="module")
def tenant(tenants: Tenants) -> str:
    """A tenant whose story the tests tell, in their order."""
    return tenants.made()


def test_the_verbs_work_as_before_and_what_is_kept_goes_while_the_tenant_is_suspended(tenants: Tenants, tenant: str) -> None:
    note = tenants.log_in(tenant).create("res.partner", {"name": "written before"})
    tenants.do("migrate", tenant)
    for verb in ("stop", "start", "suspend"):
        tenants.do(verb, tenant)
    found = kept(tenants, tenants.record(tenant))
    assert found is not None
    assert found.way_back_until is not None

    before = tenants.record(tenant)
    assert tenants.do("settle", tenant).changed == 0, "nothing is over yet"
    tenants.do("settle", tenant, let_go=True)
    assert tenants.record(tenant) == before, "it is suspended as it was"
    assert remains(tenants, before) == ["database", "entry"]
    tenants.do("resume", tenant)
    assert tenants.log_in(tenant).read("res.partner", note, ["name"])["name"] == "written before"
    assert tenants.traces(tenants.record(tenant))["databases"] == 1


def test_provisioning_again_leaves_a_moved_tenant_where_it_is(tenants: Tenants, tenant: str) -> None:
    tenants.do("migrate", tenant)
    found = kept(tenants, tenants.record(tenant))
    again = tenants.do("provision", tenant)
    assert all("configuration" in task for task in again.changes), "the way to its database, for its next start"
    assert tenants.do("provision", tenant).changed == 0
    assert kept(tenants, tenants.record(tenant)) == found
    assert tenants.ask(tenant).status_code == 200


def test_an_odoo_that_was_restarted_goes_back_through_the_pgbouncer_it_came_by(tenants: Tenants, tenant: str) -> None:
    tenants.do("restart", tenant)
    tenants.do("migrate_back", tenant)
    assert remains(tenants, tenants.record(tenant)) == ["database", "entry"]
    assert tenants.log_in(tenant)


@pytest.mark.parametrize("keep_data", [True, False])
def test_what_a_move_keeps_ends_with_the_tenant(tenants: Tenants, tenant: str, keep_data: bool) -> None:
    name = tenant if keep_data else tenants.made()
    tenants.do("migrate", name)
    record = tenants.record(name)
    foretold = tenants.run("terminate", name, check=True, odoo_tenant_keep_data=keep_data)
    assert foretold.failure is None
    assert kept(tenants, record) is not None
    tenants.do("terminate", name, odoo_tenant_keep_data=keep_data)
    assert kept(tenants, record) is None
    assert remains(tenants, record) == (["database"] if keep_data else [])
    assert (tenants.local.home / "backups" / record.short_id).is_dir() is keep_data
    assert tenants.record(str(record.id)).status is Status.TERMINATED
    assert tenants.do("terminate", str(record.id), odoo_tenant_keep_data=keep_data).changed == 0


def test_a_move_lost_while_it_was_copied_is_undone_and_the_tenant_says_so(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = tenants.made()
    assert tenants.killed_when("migrate", name, lambda: _is_copying(tenants, name))
    assert tenants.record(name).status is Status.MIGRATING
    assert routes(tenants, name) == {server: home(tenants, name) for server in ("pool-1", "pool-2")}
    monkeypatch.setenv("SAASODOO_LOCK_WAIT", "30")  # of the dead one
    tenants.do("settle", name)
    record = tenants.record(name)
    assert (record.status, record.operation) == (Status.RUNNING, None)
    assert "died" in record.status_message
    assert remains(tenants, record) == ["database", "entry"]
    assert tenants.log_in(name)


def test_leftovers_are_told_and_a_way_back_that_a_module_broke_is_closed(tenants: Tenants) -> None:
    """By migration_strays, in the health check."""
    name = tenants.made()
    tenants.do("migrate", name)
    record, slot = tenants.record(name), "saasodoo_aaaaaaaaaaaa_fwd"
    found = kept(tenants, record)
    assert found is not None
    fine = tenants.local.play("postgres_pool_health")
    assert _survey(fine)["broken_ways_back"] == {}, fine.text
    assert not [stray for stray in _survey(fine)["strays"] if name in stray]

    with superuser(_server(tenants, found.target), record.database_name) as home:
        home.execute("CREATE TABLE of_a_module (id int PRIMARY KEY)")
    with superuser(_server(tenants, found.source), record.database_name) as former:
        former.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (slot,))
    try:
        foretold, done = tenants.local.play("postgres_pool_health", check=True), tenants.local.play("postgres_pool_health")
        assert _survey(foretold) == _survey(done)
        assert "table public.of_a_module is new" in _survey(done)["broken_ways_back"][name]
        assert [stray for stray in _survey(done)["strays"] if slot in stray and "of no tenant" in stray]
    finally:
        with _server(tenants, found.source).connect() as server:
            replication_slot.drop_slot(server, slot)

    refused = tenants.run("migrate_back", name)
    assert "there is no way back" in (refused.failure or {})["msg"]
    tenants.do("settle", name)
    found = kept(tenants, record)
    assert found is not None
    assert found.way_back_until is None
    assert "of_a_module" in found.message
    assert "slot" not in remains(tenants, record), "which would hold back the log"
    assert _survey(tenants.local.play("postgres_pool_health"))["broken_ways_back"] == {}
    tenants.do("terminate", name, odoo_tenant_keep_data=False)


def _survey(run: Run) -> dict[str, Any]:
    (result,) = [each for each in run.results if "broken_ways_back" in each]
    return {word: result[word] for word in ("strays", "broken_ways_back", "unanswered")}


def _server(tenants: Tenants, name: str) -> Address:
    with registry.connect(tenants.registry) as connection:
        (server,) = [each for each in servers.fleet(connection) if each.name == name]
    return Address(server.host, server.port, server.name, read_platform_key(tenants.platform_key_file))


def _is_copying(tenants: Tenants, name: str) -> bool:
    found = kept(tenants, tenants.record(name))
    if found is None:
        return False
    with registry.connect(tenants.registry) as connection:
        return any(entry.step == "load" for entry in journal.entries(connection, found.id))
