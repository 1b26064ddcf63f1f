"""Each verb's playbook on a real platform: what it does, that it does it once, what it says when it can't."""

from __future__ import annotations

import http.server
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.database_server import ServerStatus
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Provisioning, Status
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry
from tests.contract.tenant_verbs import ALL_THERE, NOTHING, TenantVerbs
from tests.fixtures.ansible import run_tasks
from tests.fixtures.processes import frozen, seconds_to_stop, supervised
from tests.fixtures.registry import add_server
from tests.fixtures.tenants import Tenants

pytestmark = pytest.mark.timeout(900)  # many playbooks, perhaps on a busy machine

_SERVER_TYPE = """
SELECT server_type FROM database.allocations JOIN database.servers ON name = server_name WHERE tenant_id = %s
"""


class TestVerbs(TenantVerbs):
    """On one machine."""


@pytest.fixture(scope="module")
def tenant(tenants: Tenants) -> str:
    """A tenant that tests may stop and start, and leave running."""
    return tenants.made()


@pytest.mark.parametrize(
    "path",
    [
        "/web/database/manager",
        "/web/database/selector",
        "/web/database",
        "/web//database/manager",
        "/WEB/Database/manager",
        "/web/%64atabase/manager",
        "/web/./database/manager",
        "/web/login/../database/manager",
        "/xmlrpc/2/db",
        "/xmlrpc/db",
    ],
)
def test_the_database_manager_is_blocked(tenants: Tenants, tenant: str, path: str) -> None:
    assert tenants.ask(tenant, path).status_code == 403


def test_a_database_cannot_be_listed_or_dumped_by_the_api(tenants: Tenants, tenant: str) -> None:
    site = tenants.visit(tenant)
    for method, arguments in (("list", []), ("dump", ["guess", tenants.record(tenant).database_name, "zip"])):
        body = {"jsonrpc": "2.0", "method": "call", "id": 1, "params": {"service": "db", "method": method, "args": arguments}}
        with site as visited:
            answer = visited._http.post(f"{visited.url}/jsonrpc", json=body, timeout=30)
        assert "error" in answer.json(), f"{method}: {answer.text[:200]}"


def test_an_odoo_ends_in_time_although_its_database_is_frozen(tenants: Tenants, tenant: str) -> None:
    record, home = tenants.record(tenant), tenants.local.home
    with frozen(supervised(home, f"postgres-{tenants.server(tenant).name}")):
        visit = threading.Thread(target=tenants.visit(tenant).healthy, args=("/web/login",))
        visit.start()
        time.sleep(1)  # it waits for its database
        assert seconds_to_stop(home, f"odoo-{record.short_id}") < 10
        visit.join()
    tenants.do("restart", tenant)
    tenants.visit(tenant).wait_until_healthy(60)


def test_an_odoo_that_is_killed_comes_back_by_itself(tenants: Tenants, tenant: str) -> None:
    before = tenants.process(tenants.record(tenant))
    os.kill(before, signal.SIGKILL)
    tenants.visit(tenant).wait_until_healthy(60)
    assert tenants.process(tenants.record(tenant)) != before


@contextmanager
def occupied(port: int) -> Iterator[None]:
    """Let somebody else listen on a port, who knows no page of Odoo's."""

    class Stranger(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(418)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Stranger)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_odoo_that_does_not_come_up_is_an_error_that_shows_its_log(tenants: Tenants) -> None:
    name = tenants.name()
    words = {"tenant": name, "customer_id": "c1", "plan": "basic-monthly", "registry": tenants.registry}
    ports = {"http_port_first": tenants.proxy_port + 920, "http_port_last": tenants.proxy_port + 3919}
    run_tasks([{"saasodoo.platform.tenant": words | ports}])
    port = tenants.record(name).http_port
    assert port
    with occupied(port):
        run = tenants.run("provision", name, odoo_tenant_start_timeout=12)
    assert run.rc != 0
    record = tenants.record(name)
    assert (record.status, record.provisioning_status, record.operation) == (Status.ERROR, Provisioning.PROVISIONING, None)
    for word in ("was not ready after 12 s", "418", "ends with", "Address already in use"):
        assert word in record.status_message, record.status_message
    assert run.failure is not None
    assert "Address already in use" in json.dumps(run.failure)
    assert tenants.do("provision", name).changed > 0
    assert tenants.record(name).status is Status.RUNNING
    assert tenants.record(name).status_message == ""
    assert tenants.traces(tenants.record(name)) == ALL_THERE


def test_a_tenant_that_was_never_made_leaves_nothing(tenants: Tenants) -> None:
    name = tenants.name()
    assert tenants.kill_at(9, "provision", name, 0.1, customer="c1", plan="basic-monthly")
    record = tenants.record(name)
    tenants.do("terminate", name)
    assert tenants.traces(record) == NOTHING
    assert tenants.strays() == []


@contextmanager
def no_room(tenants: Tenants, *, being_made: bool) -> Iterator[None]:
    """Let every server be full as allocation sees it; with ``being_made``, somebody else holds the lease of another."""
    with registry.connect(tenants.registry) as connection:
        names = [row["name"] for row in connection.execute("SELECT name FROM database.servers WHERE status = 'active'")]
        connection.execute("UPDATE database.servers SET status = 'draining' WHERE name = ANY(%s)", (names,))
        if being_made:
            lease = registry.clock(connection) + timedelta(hours=1)
            add_server(
                connection, "other-1", 1998, status=ServerStatus.PROVISIONING, builder="somebody else", builder_lease=lease
            )
    try:
        yield
    finally:
        with registry.connect(tenants.registry) as connection:
            connection.execute("UPDATE database.servers SET status = 'retired' WHERE name = 'other-1'")
            connection.execute("UPDATE database.servers SET status = 'active' WHERE name = ANY(%s)", (names,))


def allocation(tenants: Tenants, **changes: object) -> dict[str, object]:
    first = tenants.proxy_port - 80
    known = {"port_first": first + 200, "port_last": first + 999, "shared_memory_limit": "1GB", "dedicated_memory_limit": "1GB"}
    return {**known, **changes}


def test_waiting_for_a_database_ends_with_its_message(tenants: Tenants) -> None:
    name = tenants.name()
    settings = allocation(tenants, retries=3, retry_after=1, lease_seconds=2)
    with no_room(tenants, being_made=True):
        run = tenants.run("provision", name, customer="c1", plan="basic-monthly", saasodoo_allocation=settings)
    assert run.failure is not None
    record = tenants.record(name)
    assert record.status is Status.ERROR
    assert record.status_message == "Database allocation timeout after 3 seconds"
    assert [tenants.traces(record)[what] for what in ("databases", "roles", "processes", "routes")] == [0, 0, 0, 0]
    tenants.do("provision", name)
    assert tenants.ask(name).status_code == 200


def test_no_place_and_no_room_for_a_server_says_why(tenants: Tenants) -> None:
    name = tenants.name()
    with no_room(tenants, being_made=False):
        run = tenants.run(
            "provision", name, customer="c1", plan="basic-monthly", saasodoo_allocation=allocation(tenants, max_servers=1)
        )
    assert run.failure is not None
    assert "pool-1" in run.failure["msg"]
    assert tenants.record(name).status is Status.ERROR


def test_a_new_server_is_made_where_all_are_full(tenants: Tenants) -> None:
    name = tenants.name()
    with no_room(tenants, being_made=False):
        tenants.do("provision", name, customer="c1", plan="basic-monthly", saasodoo_allocation=allocation(tenants))
    with registry.connect(tenants.registry) as connection:
        places = {str(row["tenant_id"]): row["server_name"] for row in connection.execute("SELECT * FROM database.allocations")}
    assert places[str(tenants.record(name).id)] not in ("pool-1", "dedicated-1")
    assert tenants.log_in(name).read("res.users", 2, ["login"])["login"] == "admin"


def test_a_plan_with_a_database_of_its_own_gets_one(tenants: Tenants) -> None:
    name = tenants.name()
    tenants.do("provision", name, customer="c1", plan="premium-monthly")
    with registry.connect(tenants.registry) as connection:
        row = connection.execute(_SERVER_TYPE, (tenants.record(name).id,)).fetchone()
    assert row is not None
    assert row["server_type"] == "dedicated"


def test_a_run_killed_at_every_task_and_run_again_makes_exactly_one_tenant(tenants: Tenants) -> None:
    name = tenants.name()
    killed = 0
    for task in range(2, 30):
        if not tenants.kill_at(task, "provision", name, 0.05 * (task % 5), customer="c1", plan="basic-monthly"):
            break
        killed += 1
    assert killed >= 12
    tenants.do("provision", name, customer="c1", plan="basic-monthly")
    record = tenants.record(name)
    assert (record.status, record.provisioning_status, record.operation) == (Status.RUNNING, Provisioning.READY, None)
    assert tenants.traces(record) == ALL_THERE
    assert tenants.strays() == []
    assert tenants.log_in(name).read("res.users", 2, ["login"])["login"] == "admin"
    assert tenants.do("provision", name).changed == 0


@pytest.mark.parametrize("task", ["Make the database and its role", "Wait until Odoo answers"])
def test_postgres_killed_while_a_tenant_is_made_leaves_one_tenant_after_another_run(
    tenants: Tenants, tenant: str, task: str
) -> None:
    name = tenants.name()

    def kill() -> None:
        pid = (tenants.local.home / "postgres/pool-1/data/postmaster.pid").read_text().split()[0]
        os.kill(int(pid), signal.SIGKILL)

    tenants.disturb(task, kill, "provision", name, customer="c1", plan="basic-monthly")
    tenants.visit(tenant).wait_until_healthy(60)
    again(tenants, name)
    record = tenants.record(name)
    assert record.status is Status.RUNNING
    assert tenants.traces(record) == ALL_THERE
    assert tenants.strays() == []
    assert tenants.log_in(tenant).read("res.users", 2, ["login"])["login"] == "admin", "its neighbour goes on"


def again(tenants: Tenants, name: str) -> None:
    """Provision until the server has recovered."""
    end = time.monotonic() + 120
    while (run := tenants.run("provision", name, customer="c1", plan="basic-monthly")).rc:
        assert time.monotonic() < end, run.failure
