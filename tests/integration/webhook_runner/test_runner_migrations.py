"""The round that looks for moves of databases with something left to do: a run for each tenant, only a look where nothing is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import journal
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.record import Strategy
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.operation import Details, Stage
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import Verb
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Connection
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import tenant_lock, tenants
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import connect
from tests.fixtures.registry import Registry
from tests.fixtures.runner import process, rows, with_playbook, write_inventory
from tests.fixtures.waiting import eventually
from webhook_runner.converge import retry
from webhook_runner.services import Services
from webhook_runner.settings import Settings
from webhook_runner.settling import pause_after, settle, settle_all

_DEFERRED = "SELECT defer_timestamp FROM procrastinate_periodic_defers WHERE task_name = 'migrations'"
_RUNS = "SELECT id, kind, playbook, tenant_id, cause, status FROM ops.runs ORDER BY queued_at"
_JOBS = "SELECT lock, args FROM procrastinate_jobs WHERE task_name = 'settle_tenant' AND status = 'todo' ORDER BY id"
_TAKE_JOBS = "DELETE FROM procrastinate_jobs WHERE task_name = 'settle_tenant' RETURNING id"
#: What the product's playbook does, as far as the registry is concerned.
_ENDS = """
- name: Begin
  saasodoo.platform.tenant_operation: {tenant: "{{ tenant }}", verb: migrate, state: begun, registry: "{{ saasodoo_registry }}"}
- name: End
  ansible.builtin.debug:
- name: Finish
  saasodoo.platform.tenant_operation:
    {tenant: "{{ tenant }}", verb: migrate, state: finished, registry: "{{ saasodoo_registry }}"}
"""
_FAILS = "- name: Look at the server\n  ansible.builtin.fail:\n    msg: it does not answer\n"


@pytest.fixture
def settings(runner_settings: Settings, registry_roles: Registry) -> Settings:
    """A round every second, and a playbook for what it finds."""
    write_inventory(runner_settings.inventory, saasodoo_registry=registry_roles.operator)
    return with_playbook(runner_settings, "settle", _ENDS, migrations_cron="* * * * * *")  # the seconds are last


@pytest.fixture
def operator(registry_roles: Registry) -> Iterator[Connection]:
    with connect(registry_roles.operator, autocommit=True) as connection:
        yield connection


def interrupted(operator: Connection, name: str = "acme", port: int = 22000) -> Tenant:
    """Make a tenant whose move was begun by a run that is dead."""
    made = tenants.create(
        operator, subdomain=name, customer_id=name, plan_name="basic-monthly", odoo_version="19.0", ports=range(port, port + 1)
    )
    tenants.operate(operator, made.id, Verb.PROVISION, Stage.BEGUN)
    tenants.operate(operator, made.id, Verb.PROVISION, Stage.STARTING)
    tenants.operate(operator, made.id, Verb.PROVISION, Stage.FINISHED)
    tenants.operate(operator, made.id, Verb.MIGRATE, Stage.BEGUN)
    tenants.operate(operator, made.id, Verb.MIGRATE, Stage.MIGRATING)
    journal.start(
        operator,
        tenant_id=made.id, database_name=made.database_name, strategy=Strategy.ONLINE, source="pool-1", target="pool-2",
        tenant_status=Status.RUNNING,
    )  # fmt: skip
    return tenants.find(operator, name)


def rounds(settings: Settings) -> int:
    (row,) = rows(settings, _DEFERRED) or [{"defer_timestamp": 0}]
    return int(row["defer_timestamp"])


def ago(admin: str, seconds: float) -> None:
    """Let all runs have ended so long ago."""
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(
            "UPDATE ops.runs SET queued_at = queued_at - make_interval(secs => %(s)s),"
            " finished_at = clock_timestamp() - make_interval(secs => %(s)s)",
            {"s": seconds},
        )


def test_nothing_due_is_no_run_and_each_tenant_with_something_due_gets_one(
    settings: Settings, operator: Connection, registry_roles: Registry, tmp_path: Path
) -> None:
    with (
        connect(registry_roles.operator, autocommit=True) as by_hand,
        process(settings, "worker", tmp_path / "worker.log"),
    ):
        first = eventually(lambda: rounds(settings))
        tenant_lock.take(by_hand, "acme", 0)  # somebody works on it: nothing is due
        tenant = interrupted(operator)
        seen = rounds(settings)
        eventually(lambda: rounds(settings) > seen + 2)
        assert rounds(settings) > first
        assert rows(settings, _RUNS) == []
        by_hand.close()
        eventually(lambda: [run for run in rows(settings, _RUNS) if run["status"] == "succeeded"])
        seen = rounds(settings)
        eventually(lambda: rounds(settings) > seen + 2)
        (run,) = rows(settings, _RUNS)
    assert (run["kind"], run["playbook"], run["tenant_id"]) == ("settle", "tenant_settle.yml", tenant.id)
    assert run["cause"] == "interrupted"
    assert tenants.find(operator, "acme").status is Status.RUNNING
    assert "Traceback" not in (tmp_path / "worker.log").read_text()


def test_a_tenant_is_settled_by_a_job_that_excludes_its_other_runs(
    settings: Settings, services: Services, operator: Connection
) -> None:
    both = {interrupted(operator, "acme", 22000).id, interrupted(operator, "beta", 22001).id}
    assert settle_all(services) == "2 tenants"
    assert {(row["lock"], UUID(row["args"]["tenant_id"])) for row in rows(settings, _JOBS)} == {
        (f"tenant:{each}", each) for each in both
    }
    assert settle_all(services) == "0 tenants", "they wait already"


def test_what_another_run_has_ended_meanwhile_is_not_run(services: Services, operator: Connection) -> None:
    assert settle(services, uuid4(), cause="interrupted") == "nothing due"
    assert rows(services.settings, _RUNS) == []


def test_one_that_fails_is_left_alone_for_longer_each_time_and_harms_nobody(
    settings: Settings, services: Services, operator: Connection, registry_roles: Registry
) -> None:
    with_playbook(settings, "settle", _FAILS)
    failing = interrupted(operator)
    for tries in range(1, 4):
        assert settle_all(services) == "1 tenants"
        rows(settings, _TAKE_JOBS)
        assert settle(services, failing.id, cause="interrupted") == "failed"
        assert settle_all(services) == "0 tenants", f"after {tries}"
        ago(registry_roles.admin, pause_after(tries) - 20)
        assert settle_all(services) == "0 tenants", f"after {tries}"
        ago(registry_roles.admin, pause_after(tries) + 1)
    found = tenants.find(operator, "acme")
    assert (found.status, found.operation) == (Status.MIGRATING, Verb.MIGRATE), "its journal says how it goes on"
    assert "it does not answer" in found.status_message
    run = rows(settings, _RUNS)[-1]
    with services.registry.transaction() as connection, pytest.raises(Conflict, match=r"tried again by itself.*tenant_settle"):
        retry(connection, run["id"], cause="by hand")


def test_one_that_failed_before_it_began_a_verb_leaves_the_tenant_as_it_was(
    settings: Settings, services: Services, operator: Connection
) -> None:
    """What is kept of a suspended tenant's move is taken down without a verb."""
    with_playbook(settings, "settle", _FAILS)
    tenant = interrupted(operator)
    tenants.operate(operator, tenant.id, Verb.MIGRATE, Stage.UNDONE, Details("no room", Status.RUNNING))
    tenants.operate(operator, tenant.id, Verb.SUSPEND, Stage.BEGUN)
    tenants.operate(operator, tenant.id, Verb.SUSPEND, Stage.STOPPING)
    tenants.operate(operator, tenant.id, Verb.SUSPEND, Stage.FINISHED)
    before = tenants.find(operator, "acme")
    assert settle(services, tenant.id, cause="interrupted") == "failed"
    assert tenants.find(operator, "acme") == before


@pytest.mark.parametrize(("tries", "seconds"), [(0, 0), (1, 120), (2, 240), (3, 480), (20, 6 * 3600), (10_000, 6 * 3600)])
def test_the_pause_doubles_up_to_six_hours(tries: int, seconds: int) -> None:
    assert pause_after(tries) == seconds
