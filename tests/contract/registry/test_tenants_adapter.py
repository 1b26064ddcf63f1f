"""Tenants in a real registry: made, found, moved along the table, remembered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.plan import DatabaseType
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.lifecycle import transitions
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.operation import Details, Stage
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Billing, Desired, Provisioning, Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import VERBS, Verb
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict, InvalidInput, NotFound
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Connection
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import fleet, tenants
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import connect
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.tenant_name import NAME
from tests.fixtures.registry import add_server

PORTS = range(23150, 23153)


@pytest.fixture
def connection(registry: str) -> Iterator[Connection]:
    """The registry with two plans; each statement is its own transaction."""
    with connect(registry, cause="test", autocommit=True) as opened:
        for plan, kind in (("basic", "shared"), ("premium", "dedicated")):
            opened.execute(
                "INSERT INTO billing.plan_entitlements"
                " (plan_name, effective_date, cpu_limit, memory_limit, storage_limit, db_type)"
                " VALUES (%s, '2020-01-01', 2, '4GB', '10GB', %s)",
                (plan, kind),
            )
        yield opened


def make(connection: Connection, subdomain: str | None = "acme", **wanted: Any) -> Tenant:
    """Record a tenant of customer c1 with plan basic."""
    given = {"customer_id": "c1", "plan_name": "basic", "odoo_version": "19.0", "ports": PORTS, **wanted}
    return tenants.create(connection, subdomain=subdomain, **given)


def carry_out(connection: Connection, tenant: Tenant, verb: Verb) -> Tenant:
    tenants.operate(connection, tenant.id, verb, Stage.BEGUN)
    for step in VERBS[verb].path:
        tenants.operate(connection, tenant.id, verb, Stage(step))
    return tenants.operate(connection, tenant.id, verb, Stage.FINISHED).after


def place(connection: Connection, tenant: Tenant, name: str = "pool-1", kind: str = "shared") -> None:
    """Give the tenant a place on a server made for it."""
    size = 1 if kind == "dedicated" else 50
    add_server(connection, name, 23000 + int(name.rsplit("-", maxsplit=1)[1]) * 2, size, server_type=DatabaseType(kind))
    connection.execute(
        "INSERT INTO database.allocations (tenant_id, server_name, max_instances, slot, state) VALUES (%s, %s, %s, 1, 'in_use')",
        (tenant.id, name, size),
    )


@pytest.mark.parametrize("subdomain", ["acme", None])
def test_a_tenant_has_one_name_here_and_in_sql(connection: Connection, subdomain: str | None) -> None:
    made = make(connection, subdomain)
    found = connection.execute(f"SELECT {NAME} AS name FROM tenant.tenants t WHERE t.id = %s", (made.id,)).fetchone()
    assert found == {"name": made.name}


@pytest.mark.parametrize("subdomain", ["acme", None])
def test_a_tenants_reference_finds_it(connection: Connection, subdomain: str | None) -> None:
    made = make(connection, subdomain)
    assert tenants.find(connection, made.reference) == made


def test_a_new_tenant_is_what_was_asked_for_and_is_found_by_both_references(connection: Connection) -> None:
    made = make(connection)
    assert (made.status, made.provisioning_status, made.desired_state) == (Status.CREATING, Provisioning.PENDING, Desired.MANUAL)
    assert (made.http_port, made.database_name) == (23150, f"odoo_c1_{made.short_id}")
    for reference in ("acme", str(made.id), str(made.id).upper()):
        assert tenants.find(connection, reference).id == made.id


@pytest.mark.parametrize("reference", ["nobody", str(UUID(int=7)), "", "a'b"])
def test_an_unknown_tenant_is_named_with_what_to_do(connection: Connection, reference: str) -> None:
    with pytest.raises(NotFound, match=r"there is no tenant.*tenant_provision\.yml") as caught:
        tenants.find(connection, reference)
    assert f"'{reference}'" in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({"subdomain": "Ac me"}, InvalidInput),
        ({"subdomain": "www"}, InvalidInput),
        ({"customer_id": " "}, InvalidInput),
        ({"plan_name": "gold"}, NotFound),
        ({"ports": range(23150, 23150)}, Conflict),
    ],
)
def test_what_cannot_be_made_leaves_nothing(connection: Connection, wanted: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        make(connection, **wanted)
    assert not list(fleet.present(connection))


def test_a_taken_subdomain_names_its_holder_and_is_free_again_after_termination(connection: Connection) -> None:
    first = make(connection)
    with pytest.raises(Conflict, match=f"'acme' is taken; found: tenant {first.id} of customer c1, creating"):
        make(connection, customer_id="c2")
    carry_out(connection, first, Verb.TERMINATE)
    assert tenants.find(connection, "acme").id == first.id, "the one terminated last, while there is no other"
    second = make(connection, customer_id="c2")
    assert tenants.find(connection, "acme").id == second.id
    assert tenants.find(connection, str(first.id)).id == first.id
    assert second.http_port == first.http_port, "its port is free again too"


def test_ports_are_given_lowest_first_until_there_is_none(connection: Connection) -> None:
    ports = [make(connection, name).http_port for name in ("a", "b", "c")]
    assert ports == list(PORTS)
    with pytest.raises(Conflict, match=r"no port is free.*saasodoo_port_tenants"):
        make(connection, "d")
    carry_out(connection, tenants.find(connection, "b"), Verb.TERMINATE)
    assert make(connection, "d").http_port == 23151


def test_two_tenants_without_subdomain_live_side_by_side(connection: Connection) -> None:
    first, second = (make(connection, None, status_message="subdomain taken") for _ in range(2))
    assert first.name != second.name
    assert tenants.find(connection, str(first.id)).status_message == "subdomain taken"


def test_many_at_once_get_a_port_each_and_one_gets_the_subdomain(registry: str, connection: Connection) -> None:
    outcomes: list[object] = []

    def attempt(subdomain: str) -> None:
        with connect(registry) as own:
            try:
                outcomes.append(make(own, subdomain, ports=range(23150, 23190)).http_port)
            except Conflict as error:
                outcomes.append(error.what)

    threads = [threading.Thread(target=attempt, args=(name,)) for name in [*(f"t{n}" for n in range(10)), *["same"] * 6]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    ports = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert sorted(ports) == list(range(23150, 23161))
    assert outcomes.count("the subdomain 'same' is taken") == 5


def test_of_subscription_and_of_account_know_terminated_ones(connection: Connection) -> None:
    account, subscription = uuid4(), uuid4()
    made = make(connection, account_id=account, subscription_id=subscription, desired_state=Desired.WAITING)
    gone = carry_out(connection, made, Verb.TERMINATE)
    assert tenants.of_subscription(connection, subscription) == tenants.find(connection, str(gone.id))
    assert [each.id for each in tenants.of_account(connection, account)] == [made.id]
    assert tenants.of_subscription(connection, uuid4()) is None


def test_what_kill_bill_says_changes_only_that(connection: Connection) -> None:
    made = make(connection, desired_state=Desired.WAITING)
    end = datetime(2026, 3, 1, tzinfo=UTC)
    said: dict[str, Any] = {"desired_state": Desired.RUNNING, "plan_name": "premium", "cancel_at": end}
    change = tenants.record_desired(connection, made.id, billing_status=Billing.PAID, **said)
    after = tenants.find(connection, "acme")
    assert (after.desired_state, after.billing_status, after.plan_name, after.cancel_at) == ("running", "paid", "premium", end)
    assert (after.status, after.operation) == (change.before.status, None)
    again = tenants.record_desired(connection, made.id, billing_status=None, **said)
    assert again.before == again.after
    assert versions(connection, made) == 2, "saying it again leaves no trace"


def versions(connection: Connection, tenant: Tenant) -> int:
    row = connection.execute("SELECT count(*) AS n FROM tenant.tenant_versions WHERE tenant_id = %s", (tenant.id,)).fetchone()
    assert row is not None
    count: int = row["n"]
    return count


def test_a_verb_is_recorded_step_by_step_with_its_cause(connection: Connection) -> None:
    made = make(connection)
    ready = carry_out(connection, made, Verb.PROVISION)
    assert (ready.status, ready.provisioning_status, ready.operation) == (Status.RUNNING, Provisioning.READY, None)
    rows = connection.execute("SELECT verb, from_status, to_status, cause FROM tenant.transitions ORDER BY id").fetchall()
    assert [(row["verb"], row["from_status"], row["to_status"]) for row in rows] == [
        ("", None, "creating"),
        ("provision", "creating", "waiting_for_database"),
        ("provision", "waiting_for_database", "starting"),
        ("provision", "starting", "running"),
    ]
    assert {row["cause"] for row in rows} == {"test"}


def test_check_mode_says_the_same_and_writes_nothing(connection: Connection) -> None:
    made = make(connection)
    for stage, status in ((Stage.BEGUN, "creating"), (Stage.STARTING, "starting"), (Stage.FINISHED, "running")):
        change = tenants.operate(connection, made.id, Verb.PROVISION, stage, check=True)
        assert (change.before.status, change.after.status) == ("creating", status)
    assert make(connection, "other", check=True).http_port == 23151
    assert versions(connection, made) == 1
    assert len(list(fleet.present(connection))) == 1


def test_a_failure_keeps_its_message_until_the_next_begin(connection: Connection) -> None:
    made = make(connection)
    tenants.operate(connection, made.id, Verb.PROVISION, Stage.BEGUN)
    broken = tenants.operate(connection, made.id, Verb.PROVISION, Stage.FAILED, Details("Odoo did not come up")).after
    assert (broken.status, broken.status_message, broken.operation) == (Status.ERROR, "Odoo did not come up", None)
    assert tenants.operate(connection, made.id, Verb.PROVISION, Stage.BEGUN).after.status_message == ""
    assert carry_out(connection, made, Verb.PROVISION).status is Status.RUNNING


def test_a_lost_run_is_recorded_as_an_error_that_any_verb_may_follow(connection: Connection) -> None:
    ready = carry_out(connection, make(connection), Verb.PROVISION)
    tenants.operate(connection, ready.id, Verb.STOP, Stage.BEGUN)
    lost = tenants.mark_lost(connection, ready.id, "stop was killed").after
    assert (lost.status, lost.operation, lost.status_message) == (Status.ERROR, None, "stop was killed")
    assert carry_out(connection, lost, Verb.START).status is Status.RUNNING


def test_a_move_goes_where_it_began_and_its_dead_run_is_left_to_moves(connection: Connection) -> None:
    ready = carry_out(connection, make(connection), Verb.PROVISION)
    assert (ready.applied_plan, ready.failed_plan) == ("basic", None)
    tenants.operate(connection, ready.id, Verb.MIGRATE, Stage.BEGUN)
    tenants.operate(connection, ready.id, Verb.MIGRATE, Stage.MIGRATING)
    broken = tenants.operate(connection, ready.id, Verb.MIGRATE, Stage.FAILED, Details("the server went away")).after
    assert (broken.status, broken.operation, broken.status_message) == (Status.ERROR, Verb.MIGRATE, "the server went away")
    with pytest.raises(Conflict, match=r"cannot terminate a tenant with an unfinished migrate; found: error; run migrate again"):
        tenants.operate(connection, ready.id, Verb.TERMINATE, Stage.BEGUN)
    assert tenants.operate(connection, ready.id, Verb.MIGRATE, Stage.BEGUN).after.status is Status.MIGRATING
    after = tenants.operate(connection, ready.id, Verb.MIGRATE, Stage.UNDONE, Details("no room", Status.RUNNING)).after
    assert (after.status, after.operation, after.status_message) == (Status.RUNNING, None, "no room")
    rows = connection.execute("SELECT verb, to_status FROM tenant.transitions ORDER BY id DESC LIMIT 4").fetchall()
    assert [(row["verb"], row["to_status"]) for row in reversed(rows)] == [
        ("migrate", "migrating"),
        ("migrate", "error"),
        ("migrate", "migrating"),
        ("migrate", "running"),
    ]


def test_a_plan_that_failed_is_remembered_until_there_is_a_new_wish(connection: Connection) -> None:
    said: dict[str, Any] = {"desired_state": Desired.RUNNING, "billing_status": Billing.PAID, "cancel_at": None}
    made = make(connection, desired_state=Desired.RUNNING)
    carry_out(connection, made, Verb.PROVISION)
    tenants.record_desired(connection, made.id, plan_name="premium", **said)
    tenants.operate(connection, made.id, Verb.RESIZE, Stage.BEGUN)
    failed = tenants.operate(connection, made.id, Verb.RESIZE, Stage.UNDONE, Details("no room")).after
    assert (failed.status, failed.plan_name, failed.applied_plan, failed.failed_plan) == (
        "running",
        "premium",
        "basic",
        "premium",
    )
    assert tenants.record_desired(connection, made.id, plan_name="premium", **said).after.failed_plan == "premium"
    assert tenants.record_desired(connection, made.id, plan_name="basic", **said).after.failed_plan is None
    tenants.record_desired(connection, made.id, plan_name="premium", **said)
    assert carry_out(connection, made, Verb.RESIZE).applied_plan == "premium"


def test_a_superseded_verb_is_in_the_history_as_failed(connection: Connection) -> None:
    ready = carry_out(connection, make(connection), Verb.PROVISION)
    tenants.operate(connection, ready.id, Verb.STOP, Stage.BEGUN)
    tenants.operate(connection, ready.id, Verb.STOP, Stage.STOPPING)
    assert carry_out(connection, ready, Verb.SUSPEND).status is Status.PAUSED
    rows = connection.execute("SELECT verb, to_status, message FROM tenant.transitions ORDER BY id DESC LIMIT 4").fetchall()
    assert [(row["verb"], row["to_status"]) for row in reversed(rows)] == [
        ("stop", "stopping"),
        ("stop", "error"),
        ("suspend", "stopping"),
        ("suspend", "paused"),
    ]
    assert rows[2]["message"] == "stop was interrupted"


def test_the_registry_enforces_the_domains_table_and_no_other(connection: Connection) -> None:
    rows = connection.execute("SELECT from_status, to_status FROM tenant.allowed_transitions").fetchall()
    assert {(row["from_status"], row["to_status"]) for row in rows} == {(str(a), str(b)) for a, b in transitions()}


@pytest.mark.parametrize(("start", "to"), [("creating", "stopped"), ("stopped", "creating"), ("terminated", "running")])
def test_the_registry_refuses_a_status_off_the_table(connection: Connection, start: str, to: str) -> None:
    made = make(connection)
    path = {"creating": [], "stopped": ["running", "stopped"], "terminated": ["terminated"]}[start]
    for status in path:
        connection.execute("UPDATE tenant.tenants SET status = %s WHERE id = %s", (status, made.id))
    with pytest.raises(psycopg.errors.CheckViolation, match=f"cannot go from {start} to {to}"):
        connection.execute("UPDATE tenant.tenants SET status = %s WHERE id = %s", (to, made.id))


def test_the_fleet_leaves_out_what_is_terminated_and_can_be_asked_for_one(connection: Connection) -> None:
    kept, gone, other = (make(connection, name) for name in ("kept", "gone", "other"))
    carry_out(connection, gone, Verb.TERMINATE)
    place(connection, kept)
    found = {each.tenant.subdomain: (each.server, each.database_type) for each in fleet.present(connection)}
    assert found == {"kept": ("pool-1", "shared"), "other": (None, "shared")}
    for reference in ("other", str(other.id)):
        assert [each.tenant.id for each in fleet.present(connection, reference)] == [other.id]
    assert not list(fleet.present(connection, "gone"))


def test_the_fleet_can_be_read_as_of_any_moment(connection: Connection) -> None:
    def now() -> datetime:
        row = connection.execute("SELECT clock_timestamp() AS now").fetchone()
        assert row is not None
        moment: datetime = row["now"]
        return moment

    moments = [now()]
    made = make(connection)
    moments.append(now())
    place(connection, made)
    ready = carry_out(connection, made, Verb.PROVISION)
    moments.append(now())
    connection.execute("DELETE FROM database.allocations")
    place(connection, made, "dedicated-2", "dedicated")
    tenants.record_desired(
        connection, made.id, desired_state=Desired.SUSPENDED, billing_status=Billing.OVERDUE, plan_name="premium", cancel_at=None
    )
    moments.append(now())
    connection.execute("DELETE FROM database.allocations")
    carry_out(connection, ready, Verb.TERMINATE)
    moments.append(now())
    seen = [
        [(str(each.tenant.status), str(each.tenant.billing_status), each.server, each.database_type) for each in then]
        for then in (fleet.at(connection, moment) for moment in moments)
    ]
    assert seen == [
        [],
        [("creating", "payment_required", None, "shared")],
        [("running", "payment_required", "pool-1", "shared")],
        [("running", "overdue", "dedicated-2", "dedicated")],
        [],
    ]
    then = next(iter(fleet.at(connection, moments[2], "acme"))).tenant
    assert (then.id, then.http_port, then.created_at) == (made.id, made.http_port, ready.created_at)


def test_made_by_hand_twice_is_made_once(connection: Connection) -> None:
    wanted: dict[str, Any] = {"customer_id": "c1", "plan_name": "basic", "odoo_version": "19.0", "ports": PORTS}
    before, made = tenants.present(connection, "acme", **wanted)
    assert before is None
    assert (made.desired_state, made.billing_status) == (Desired.MANUAL, Billing.PAID)
    assert tenants.present(connection, "acme", **wanted) == (tenants.find(connection, "acme"),) * 2
    with pytest.raises(Conflict, match="taken"):
        tenants.present(connection, "acme", **{**wanted, "customer_id": "c2"})
    with pytest.raises(NotFound):
        tenants.present(connection, "other", **{**wanted, "plan_name": None})


def test_a_plan_changes_by_hand_only_where_kill_bill_has_no_say_and_the_database_may_stay(connection: Connection) -> None:
    wanted: dict[str, Any] = {"customer_id": "c1", "plan_name": "basic", "odoo_version": "19.0", "ports": PORTS}
    _, made = tenants.present(connection, "acme", **wanted)
    before, after = tenants.present(connection, "acme", **{**wanted, "plan_name": "premium"})
    assert before is not None
    assert (before.plan_name, after.plan_name) == ("basic", "premium")
    place(connection, made, "dedicated-1", "dedicated")
    with pytest.raises(Conflict, match="another type of database"):
        tenants.present(connection, "acme", **wanted)
    _, moving = tenants.present(connection, "acme", **wanted, may_move=True, check=True)
    assert (moving.plan_name, tenants.find(connection, "acme").plan_name) == ("basic", "premium")
    connection.execute("UPDATE tenant.tenants SET desired_state = 'running'")
    with pytest.raises(Conflict, match="what Kill Bill says"):
        tenants.present(connection, "acme", **wanted)
