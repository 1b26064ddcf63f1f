"""Two real tenants on one server behind a real PgBouncer: each its own, and neither hears the other."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import PlatformError, Unauthorized
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo.password import ROUNDS
from demo.odoo import Odoo, User
from tests.fixtures.odoo import Template, Tenant, generated_bundles, pooler, started
from tests.fixtures.odoo import tenants as make_tenants

CHANNEL = "a channel that both listen to"
PATIENCE = 30.0  # seconds; Odoo's cron would look by itself only after 60
SILENCE = 2.0  # seconds to wait for what must not come


@dataclass
class Pair:
    """Tenants A and B, their Odoos running."""

    a: Tenant
    b: Tenant


@pytest.fixture(scope="module")
def pair(odoo_template: Template) -> Iterator[Pair]:
    # Not below pytest's own folder: another pytest that starts meanwhile closes that to the service user.
    folder = Path(tempfile.mkdtemp(prefix="saasodoo-odoo-pair-", dir="/tmp"))
    tenants = make_tenants.__wrapped__(odoo_template)  # type: ignore[attr-defined]
    make: Callable[[], Tenant] = next(tenants)
    a, b = make(), make()
    with (
        pooler(folder / "pooler", [a, b]) as port,
        started(a, folder / "a", port),
        started(b, folder / "b", port),
    ):
        yield Pair(a, b)
    next(tenants, None)
    shutil.rmtree(folder, ignore_errors=True)


def test_each_has_an_identity_and_secrets_of_its_own(pair: Pair) -> None:
    keys = ["database.uuid", "database.secret", "web.base.url"]
    found = []
    for tenant in (pair.a, pair.b):
        with tenant.connect() as database:
            rows = database.execute("SELECT key, value FROM ir_config_parameter WHERE key = ANY(%s)", (keys,)).fetchall()
        found.append(dict(rows))
    assert sorted(found[0]) == sorted(keys)
    assert not set(found[0].values()) & set(found[1].values())


def test_the_administrator_logs_in_by_the_derived_password_only(pair: Pair) -> None:
    user = pair.a.odoo.log_in("admin", pair.a.password)
    record = user.create("res.partner", {"name": "Ada"})
    assert user.read("res.partner", record, ["name"])["name"] == "Ada"
    for wrong in ("admin", "", pair.b.password):
        with pytest.raises(Unauthorized):
            pair.a.odoo.log_in("admin", wrong)
    with pair.a.connect() as database:
        ((stored,),) = database.execute("SELECT password FROM res_users WHERE login = 'admin'").fetchall()
    assert int(stored.split("$")[2]) > ROUNDS  # Odoo's own number, from the first log-in on
    assert pair.a.odoo.log_in("admin", pair.a.password)


def test_the_version_is_the_one_the_role_reports(pair: Pair) -> None:
    assert pair.a.odoo.version().startswith(pair.a.template.runtime.version)


def test_databases_are_not_listed_and_no_other_one_is_served(pair: Pair) -> None:
    body = {"jsonrpc": "2.0", "method": "call", "params": {"service": "db", "method": "list", "args": []}}
    answer = requests.post(f"{pair.a.odoo.url}/jsonrpc", json=body, timeout=30).json()
    assert "AccessDenied" in answer["error"]["data"]["name"]
    with pytest.raises(PlatformError):
        Odoo(pair.a.odoo.url, pair.b.name).log_in("admin", pair.b.password)
    assert requests.get(f"{pair.a.odoo.url}/web/binary/company_logo?dbname={pair.b.name}", timeout=30).status_code < 500


def test_a_first_page_has_nothing_left_to_make(pair: Pair) -> None:
    if pair.a.template.runtime.version == "11.0":
        pytest.skip("Odoo 11.0 makes its small bundles when they are first asked for")
    browser = requests.Session()
    page = browser.get(f"{pair.a.odoo.url}/web/login", timeout=30)
    assert page.status_code == 200
    token = page.text.split('name="csrf_token" value="')[1].split('"')[0]
    form = {"login": "admin", "password": pair.a.password, "csrf_token": token}
    inside = browser.post(f"{pair.a.odoo.url}/web/login", data=form, timeout=30)
    assert "odoo.__session_info__" in inside.text or "session_info" in inside.text
    for address in {part.split('"')[0] for part in (page.text + inside.text).split('="/web/assets/')[1:]}:
        assert browser.get(f"{pair.a.odoo.url}/web/assets/{address}", timeout=30).status_code == 200, address
    assert generated_bundles(pair.a.log) == []


def test_a_message_is_heard_by_its_tenant_alone(pair: Pair) -> None:
    if pair.a.template.runtime.version == "11.0":
        _receive_by_long_polling(pair)
        return
    with _socket(pair.a) as at_a, _socket(pair.b) as at_b:
        _send(pair.a, "from a")
        assert _payloads(at_a, PATIENCE) == ["from a"]
        assert _payloads(at_b, SILENCE) == []
        _send(pair.b, "from b")
        assert _payloads(at_b, PATIENCE) == ["from b"]
        assert _payloads(at_a, SILENCE) == []


def test_notifications_stay_in_the_tenants_own_database(pair: Pair) -> None:
    """Whoever listens in postgres, or in the other's database, hears neither bus nor cron of a tenant."""
    with pair.a.connect() as own, pair.b.connect() as other, pair.a.connect("postgres") as shared:
        listeners = {"own": own, "other": other, "shared": shared}
        for connection in listeners.values():
            connection.execute("LISTEN imbus")
            connection.execute("LISTEN cron_trigger")
        _send(pair.a, "a secret")
        _wake_cron(pair.a, "saasodoo.test.woken")
        heard = {name: {n.channel for n in c.notifies(timeout=SILENCE)} for name, c in listeners.items()}
    assert heard == {"own": {"imbus", "cron_trigger"}, "other": set(), "shared": set()}


def test_cron_is_woken_through_the_pooler(pair: Pair) -> None:
    _wake_cron(pair.b, "saasodoo.test.cron")
    end = time.monotonic() + PATIENCE
    with pair.b.connect() as database:
        query = "SELECT value FROM ir_config_parameter WHERE key = 'saasodoo.test.cron'"
        while (row := database.execute(query).fetchone()) is None:
            assert time.monotonic() < end, pair.b.log[-2000:]
            time.sleep(0.2)
    assert row == ("done",)


def test_no_session_of_a_tenant_is_in_another_database(pair: Pair) -> None:
    with pair.a.connect("postgres") as server:
        rows = server.execute("SELECT DISTINCT usename, datname FROM pg_stat_activity WHERE usename LIKE 'odoo_t_%'").fetchall()
    assert set(rows) == {(pair.a.name, pair.a.name), (pair.b.name, pair.b.name)}


def test_a_tenants_role_may_not_connect_elsewhere(pair: Pair) -> None:
    names = [pair.b.name, pair.a.template.facts["name"]]
    for name in names:
        with pytest.raises(psycopg.OperationalError, match=r"permission denied|not currently accepting"):
            psycopg.connect(pair.a.template.cluster.conninfo(name, user=pair.a.name))


def _administrator(tenant: Tenant) -> User:
    return tenant.odoo.log_in("admin", tenant.password)


def _run_code(user: User, code: str) -> None:
    model = user.search("ir.model", [("model", "=", "res.partner")])[0]
    action = {"name": "test", "model_id": model, "state": "code", "code": code}
    user.execute("ir.actions.server", "run", [[user.create("ir.actions.server", action)]])


def _send(tenant: Tenant, word: str) -> None:
    """Send ``word`` on the channel by the bus."""
    send = "sendone" if tenant.template.runtime.version == "11.0" else "_sendone"
    arguments = f"{CHANNEL!r}, {word!r}" if send == "sendone" else f"{CHANNEL!r}, 'test', {word!r}"
    _run_code(_administrator(tenant), f"env['bus.bus'].{send}({arguments})")


def _wake_cron(tenant: Tenant, key: str) -> None:
    """Make a cron job that sets a parameter, and trigger it: it runs at once only if the cron thread hears it."""
    user = _administrator(tenant)
    model = user.search("ir.model", [("model", "=", "res.partner")])[0]
    job: dict[str, Any] = {
        "name": key,
        "model_id": model,
        "state": "code",
        "code": f"env['ir.config_parameter'].set_param({key!r}, 'done')",
        "interval_number": 1,
        "interval_type": "days",
        "nextcall": "2099-01-01 00:00:00",
    }
    if tenant.template.runtime.version == "11.0":
        pytest.skip("Odoo 11.0 has no cron triggers: its cron looks every minute")
    cron = user.create("ir.cron", job)
    _run_code(user, f"env['ir.cron'].browse({cron})._trigger()")


def _socket(tenant: Tenant) -> Connection:
    """Open the bus of a tenant and subscribe to the channel."""
    session = requests.get(f"{tenant.odoo.url}/web/login", timeout=30).cookies["session_id"]
    address = tenant.odoo.url.replace("http", "ws", 1) + "/websocket"
    headers = {"Cookie": f"session_id={session}", "Origin": tenant.odoo.url}
    connection = connect(address, additional_headers=headers, user_agent_header=None, proxy=None)
    subscription = {"event_name": "subscribe", "data": {"channels": [CHANNEL], "last": 0}}
    connection.send(json.dumps(subscription))
    _wait_for_listener(tenant)
    _payloads(connection, 0.5)  # what was said before
    return connection


def _wait_for_listener(tenant: Tenant) -> None:
    """Wait until the tenant's Odoo listens to its bus: what was sent before that would not be heard."""
    end = time.monotonic() + PATIENCE
    query = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND (query ILIKE 'listen imbus%%' OR query = 'COMMIT')"
    with tenant.connect("postgres") as server:
        while server.execute(query, (tenant.name,)).fetchone() is None:
            assert time.monotonic() < end, tenant.log[-2000:]
            time.sleep(0.1)


def _payloads(connection: Connection, seconds: float) -> list[str]:
    """Return what came within ``seconds``; the first message ends the wait."""
    try:
        message = connection.recv(timeout=seconds)
    except TimeoutError:
        return []
    return [each["message"]["payload"] for each in json.loads(message)]


def _receive_by_long_polling(pair: Pair) -> None:
    """Do the same with Odoo 11.0, whose bus is polled."""
    with ThreadPoolExecutor(2) as threads:
        polls = [threads.submit(_poll, tenant) for tenant in (pair.a, pair.b)]
        for tenant in (pair.a, pair.b):
            _wait_for_listener(tenant)
        _send(pair.a, "from a")
        assert polls[0].result(PATIENCE) == ["from a"]
        time.sleep(SILENCE)
        assert not polls[1].done()
        _send(pair.b, "from b")
        assert polls[1].result(PATIENCE) == ["from b"]


def _poll(tenant: Tenant) -> list[str]:
    body = {"jsonrpc": "2.0", "method": "call", "params": {"channels": [CHANNEL], "last": 0}}
    browser = requests.Session()
    browser.get(f"{tenant.odoo.url}/web/login", timeout=30)
    answer = browser.post(f"{tenant.odoo.url}/longpolling/poll", json=body, timeout=60).json()
    return [each["message"] for each in answer["result"]]
