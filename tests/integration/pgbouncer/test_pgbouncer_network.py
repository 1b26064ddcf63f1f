"""A PgBouncer that runs elsewhere: asked at its port, as its server's superuser; all else is as on this machine."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput, Unavailable
from ansible_collections.saasodoo.platform.plugins.module_utils.pgbouncer.databases import Entry, PgBouncer
from ansible_collections.saasodoo.platform.plugins.module_utils.pgbouncer.network import NetworkConsole, pgbouncer
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Address
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.server import SUPERUSER, superuser_verifier
from tests.fixtures.pooler import Pooler, make_tenant, verifier
from tests.fixtures.pools import KEY
from tests.fixtures.postgres import Cluster

_SERVER = "pool-7"
_numbers = itertools.count(1)


def at(pooler: Pooler, key: bytes = KEY) -> PgBouncer:
    """Return it as one that is elsewhere."""
    return PgBouncer(pooler.folder, NetworkConsole(pooler.folder, Address("127.0.0.1", pooler.port, _SERVER, key)))


@pytest.fixture
def elsewhere(pooler: Pooler, server_pair: tuple[Cluster, Cluster]) -> PgBouncer:
    """A PgBouncer that knows its server's superuser, as role postgres_pool makes it."""
    admin = superuser_verifier(KEY, _SERVER)
    entry = Entry("postgres", role=SUPERUSER, verifier=admin, port=server_pair[0].port, pool_mode="session")
    pooler.control.ensure(entry, present=True, must_run=True, check=False)
    return at(pooler)


@pytest.fixture
def tenant(server_pair: tuple[Cluster, Cluster], elsewhere: PgBouncer) -> str:
    """A tenant's database on both servers; the PgBouncer leads to the first."""
    name = f"odoo_far_{next(_numbers)}"
    for server in server_pair:
        make_tenant(server, name)
    entry = Entry(name, role=name, verifier=verifier(name), port=server_pair[0].port)
    elsewhere.ensure(entry, present=True, must_run=True, check=False)
    return name


def port_behind(pooler: Pooler, database: str) -> int:
    """Return the port of the server that a client ends at."""
    with pooler.connect(database) as connection:
        row = connection.execute("SHOW port").fetchone()
    assert row is not None
    return int(row[0])


def test_a_database_is_routed_elsewhere_while_clients_wait(
    server_pair: tuple[Cluster, Cluster], pooler: Pooler, elsewhere: PgBouncer, tenant: str
) -> None:
    assert elsewhere.destination(tenant) == ("127.0.0.1", server_pair[0].port)
    assert port_behind(pooler, tenant) == server_pair[0].port
    assert elsewhere.pause(tenant, 5)
    assert elsewhere.is_paused(tenant)
    found: list[int] = []
    waiting = threading.Thread(target=lambda: found.append(port_behind(pooler, tenant)))
    waiting.start()
    elsewhere.route(tenant, "127.0.0.1", server_pair[1].port, resume=True)
    waiting.join(30)
    assert found == [server_pair[1].port]
    assert not elsewhere.is_paused(tenant)


def test_a_wrong_key_is_refused_and_said(elsewhere: PgBouncer, pooler: Pooler) -> None:
    with pytest.raises(Unavailable, match=r"does not answer.*authentication failed"):
        at(pooler, b"another key" * 3).console.ask("SHOW VERSION", patience=0)


def test_one_that_does_not_run_is_unavailable(elsewhere: PgBouncer, pooler: Pooler) -> None:
    pooler.kill()
    with pytest.raises(Unavailable, match="does not answer"):
        elsewhere.console.ask("SHOW VERSION", patience=0)


def test_only_one_elsewhere_needs_the_key(tmp_path: Path) -> None:
    assert not isinstance(pgbouncer(tmp_path, "127.0.0.1", 6432, "/nowhere/key").console, NetworkConsole)
    with pytest.raises(InvalidInput, match="platform key"):
        pgbouncer(tmp_path, "pool-7-pooler.saasodoo.svc", 6432, "/nowhere/key")
