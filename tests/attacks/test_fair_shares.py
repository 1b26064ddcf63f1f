"""A tenant that takes what it can get of a server that it has in common with others: it is refused, they work on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest
from psycopg import OperationalError, errors, sql

from tests.fixtures.pool_platform import PoolPlatform, as_tenant, make_tenants, pool_platform

_LEAST_SESSION = 128 * 2**20  # bytes; the pool is too small for more
_CLIENTS = 40  # that a tenant may have of PgBouncer
#: Each would take gigabytes: a sort and a hash kept in memory, one value, an array that a function fills.
_GREEDY = {
    "sort": "SELECT count(*) FROM (SELECT g, repeat('x', 1000) FROM generate_series(1, 2000000) AS g ORDER BY 2, 1) AS sorted",
    "distinct": "SELECT count(DISTINCT md5(g::text) || repeat('y', 200)) FROM generate_series(1, 3000000) AS g",
    "value": "SELECT length(repeat('x', 900000000))",
    "array": "DO $$ DECLARE a text[]; BEGIN FOR i IN 1..900000 LOOP a[i] := repeat('z', 1000); END LOOP; END $$",
}


@pytest.fixture(scope="module")
def platform() -> Iterator[PoolPlatform]:
    with pool_platform() as made:
        yield made


@pytest.fixture(scope="module")
def tenants(platform: PoolPlatform) -> tuple[str, ...]:
    return make_tenants(platform)


@pytest.mark.parametrize("what", _GREEDY)
def test_a_session_that_takes_all_memory_ends_at_its_own(platform: PoolPlatform, tenants: tuple[str, ...], what: str) -> None:
    mine, other = tenants
    with as_tenant(platform, other, other, pooler=True) as neighbour:
        begun = neighbour.execute("SELECT pg_postmaster_start_time()").fetchone()
        for role_wide in ("ALTER ROLE {} SET work_mem = '8GB'", "ALTER ROLE {} SET max_parallel_workers_per_gather = 0"):
            with as_tenant(platform, mine, mine, pooler=False) as session:
                session.execute(sql.SQL(role_wide).format(sql.Identifier(mine)))
        with as_tenant(platform, mine, mine, pooler=False) as session, pytest.raises(errors.OutOfMemory):
            session.execute(_GREEDY[what].encode())
        assert neighbour.execute("SELECT pg_postmaster_start_time()").fetchone() == begun, "the server lost its sessions"


def test_what_a_session_may_have_is_said_to_each_process_of_the_server(platform: PoolPlatform) -> None:
    limits = Path(f"/proc/{platform.pid('postgres-pool-1')}/limits").read_text()
    (line,) = [line.split() for line in limits.splitlines() if line.startswith("Max data size")]
    assert line[3:5] == [str(_LEAST_SESSION)] * 2, "soft and hard"


@pytest.mark.parametrize(
    "how",
    [
        "SET temp_file_limit = -1",
        "ALTER ROLE CURRENT_USER SET temp_file_limit = -1",
        "ALTER DATABASE {} SET temp_file_limit = -1",
        "ALTER ROLE CURRENT_USER CONNECTION LIMIT -1",
        "ALTER SYSTEM SET temp_file_limit = -1",
    ],
)
def test_a_limit_is_not_lifted_by_whom_it_holds(platform: PoolPlatform, tenants: tuple[str, ...], how: str) -> None:
    with as_tenant(platform, tenants[0], tenants[0], pooler=False) as session:
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute(sql.SQL(how).format(sql.Identifier(tenants[0])))
        assert session.execute("SHOW temp_file_limit").fetchone() == ("5GB",)


@pytest.mark.systemd  # played on fresh machines, which have PgBouncer in different versions
def test_a_tenants_clients_keep_nobody_out(platform: PoolPlatform, tenants: tuple[str, ...]) -> None:
    mine, other = tenants
    told = subprocess.run(["/usr/sbin/pgbouncer", "--version"], capture_output=True, text=True, check=True).stdout
    bounded = tuple(map(int, told.split()[1].split(".")[:2])) >= (1, 24)
    with ExitStack() as clients:
        for _ in range(_CLIENTS):
            clients.enter_context(as_tenant(platform, mine, mine, pooler=True))
        with pytest.raises(OperationalError, match="max_user_client_connections") if bounded else nullcontext():
            as_tenant(platform, mine, mine, pooler=True).close()
        with as_tenant(platform, other, other, pooler=True) as neighbour:
            assert neighbour.execute("SELECT 1").fetchone() == (1,)
