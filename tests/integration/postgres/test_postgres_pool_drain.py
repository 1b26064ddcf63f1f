"""A server emptied by postgres_server_drain of two tenants at a time while they run: stopped midway, continued, retired."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.plan import DatabaseType
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.database_server import ServerStatus
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status
from ansible_collections.saasodoo.platform.plugins.module_utils.pgbouncer.databases import Entry, PgBouncer
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import servers
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.residents import residents
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.scram import make_verifier
from tests.fixtures.ansible import Run
from tests.fixtures.tenants import Tenants
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.timeout(900)

POOL = "pool-drain"
_SIZES = {"max_instances": 5, "cpu_limit": 1, "memory_limit": "1GB"}


def others(tenants: Tenants) -> list[str]:
    """Return the other shared servers in use."""
    with registry.connect(tenants.registry) as connection:
        fleet = servers.fleet(connection)
    in_use = {ServerStatus.ACTIVE, ServerStatus.DRAINING}
    return [
        each.name for each in fleet if each.server_type is DatabaseType.SHARED and each.status in in_use and each.name != POOL
    ]


def drain(tenants: Tenants, name: str = POOL, **more: Any) -> Run:
    return tenants.local.play("postgres_pool_drain", postgres_pool_name=name, **more)


def left(tenants: Tenants) -> dict[str, str]:
    """Return who has a database there, and as what."""
    with registry.connect(tenants.registry) as connection:
        return {each.name: str(each.purpose) for each in residents(connection, POOL)}


@pytest.fixture(scope="module")
def names(tenants: Tenants) -> Iterator[list[str]]:
    """Two tenants that live on a server of their own."""
    pools = [{"name": "pool-1", **_SIZES, "max_instances": 50}, {"name": POOL, **_SIZES}]
    assert tenants.local.play("postgres_pools", saasodoo_postgres_pools=pools).rc == 0
    for other in others(tenants):
        assert drain(tenants, other, move=False).rc == 0
    try:
        made = [tenants.made(), tenants.made()]
    finally:
        for other in others(tenants):
            assert drain(tenants, other, postgres_pool_state="active").rc == 0
    yield made


def test_it_tells_whom_it_would_move_and_moves_nobody(tenants: Tenants, names: list[str]) -> None:
    foretold = tenants.local.play("postgres_pool_drain", check=True, postgres_pool_name=POOL, parallel=2)
    assert foretold.failure is None
    (result,) = [each for each in foretold.results if "moved" in each]
    assert sorted(result["moved"]) == sorted(names)
    assert left(tenants) == dict.fromkeys(names, "home")


def test_stopped_in_its_middle_it_leaves_nothing_running_and_goes_on(
    tenants: Tenants, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def both_move() -> bool:
        return all(tenants.record(name).status is Status.MIGRATING for name in names)

    with tenants.started("postgres_pool_drain", postgres_pool_name=POOL, parallel=2) as run:
        eventually(both_move, seconds=120)
        run.terminate()
        run.wait(60)
    ids = [str(tenants.record(name).id) for name in names]
    eventually(lambda: not tenants.playing(ids), seconds=60)
    assert left(tenants).keys() == set(names)

    monkeypatch.setenv("SAASODOO_LOCK_WAIT", "30")  # of what was ended
    done = drain(tenants, parallel=2)
    assert done.rc == 0, done.failure
    (result,) = [each for each in done.results if "moved" in each]
    assert (sorted(result["moved"]), sorted(result["kept"])) == (sorted(names), sorted(names))
    assert left(tenants) == dict.fromkeys(names, "former")
    for name in names:
        assert tenants.record(name).status is Status.RUNNING
        assert tenants.log_in(name)


def test_it_is_retired_once_nothing_is_kept_there_and_nobody_comes_through_it(tenants: Tenants, names: list[str]) -> None:
    def retire() -> Run:
        return tenants.local.play("postgres_pool_retire", postgres_pool_name=POOL, postgres_pool_keep_data=False)

    assert "former database" in (retire().failure or {})["msg"]
    done = drain(tenants, parallel=2, let_go=True)
    assert done.rc == 0, done.failure
    (result,) = [each for each in done.results if "moved" in each]
    assert (sorted(result["settled"]), result["empty"]) == (sorted(names), True)

    pooler, database = PgBouncer(tenants.local.home / "pgbouncer" / POOL), tenants.record(names[0]).database_name
    entry = Entry(database, database, make_verifier("secret"), port=5432)
    pooler.ensure(entry, present=True, must_run=True, check=False)
    refused = retire()
    assert "come through the PgBouncer" in (refused.failure or {})["msg"]
    assert names[0] in (refused.failure or {})["msg"]
    pooler.ensure(entry, present=False, must_run=True, check=False)
    assert retire().rc == 0
    for name in names:
        assert tenants.log_in(name)
