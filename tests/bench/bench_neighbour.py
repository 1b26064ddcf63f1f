"""A tenant that takes all it can of a Postgres server: what a neighbour there feels of it.

The limit is the neighbour alone, in the same run. SAASODOO_NEIGHBOUR is how many writes of each kind are measured (200).
"""

from __future__ import annotations

import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import quantiles
from typing import Any

import psycopg

from tests.bench.comparison import Comparison, seconds_of
from tests.fixtures.platform import LocalPlatform
from tests.fixtures.tenants import Tenants
from tests.fixtures.writers import Load, Writer

_WRITES = int(os.environ.get("SAASODOO_NEIGHBOUR", "200"))
_POOL = [{"name": "pool-1", "max_instances": 50, "cpu_limit": 1, "memory_limit": "1GB"}]
_SESSIONS = 8  # as many as PgBouncer gives one tenant
#: What its sessions do again and again, each with as much memory as it likes.
_GREEDY = (
    "SELECT count(*) FROM (SELECT g, repeat('x', 1000) FROM generate_series(1, 2000000) AS g ORDER BY 2, 1) AS sorted",
    "SELECT count(*) FROM generate_series(1, 5000000) AS g WHERE md5(g::text) LIKE 'a%'",
    "SELECT count(DISTINCT md5(g::text)) FROM generate_series(1, 2000000) AS g",
)


def run(platform: LocalPlatform) -> Iterator[Comparison | str]:
    """Measure a write by Odoo and a row through PgBouncer, alone and beside the greedy one."""
    pools = platform.play("postgres_pools", saasodoo_postgres_pools=_POOL)
    assert pools.rc == 0, pools.text
    tenants = Tenants(platform)
    greedy, neighbour = (Load(tenants, tenants.made(), lambda text: None) for _ in range(2))
    with ExitStack() as stack:
        user = tenants.log_in(neighbour.name)
        stack.enter_context(user.odoo)
        rows = stack.enter_context(neighbour.through_pgbouncer())
        rows.execute("CREATE TABLE IF NOT EXISTS bench_rows (note text)")
        acts: dict[str, Callable[[], object]] = {
            "a row through PgBouncer": lambda: rows.execute("INSERT INTO bench_rows VALUES (%s)", (str(uuid.uuid4()),)),
            "a partner made in Odoo": lambda: user.create("res.partner", {"name": f"bench {uuid.uuid4()}"}),
        }
        alone = {what: [seconds_of(act) for _ in range(_WRITES)] for what, act in acts.items()}
        with _taking_all(greedy) as sessions:
            beside = {what: [seconds_of(act) for _ in range(_WRITES)] for what, act in acts.items()}
        for what in acts:
            yield Comparison(f"{what}, beside a tenant that takes all it can", beside[what], "alone", alone[what])
            yield f"  p99 {_p99(beside[what]):.1f} ms, alone {_p99(alone[what]):.1f} ms"
        (since,) = rows.execute("SELECT now() - pg_postmaster_start_time()").fetchone() or (None,)
        ended = Counter(failure.split()[1] for each in sessions for failure in each.failures)
        done = sum(len(each.acknowledged) for each in sessions)
        yield f"  the greedy one's queries: {done} done, {dict(ended)}; the server has run for {since}"


@contextmanager
def _taking_all(greedy: Load) -> Iterator[list[Writer]]:
    """Let it take all it can during the block."""
    with ExitStack() as stack:
        connections = [stack.enter_context(greedy.through_pgbouncer()) for _ in range(_SESSIONS)]
        writers = [Writer(f"greedy {n}", _taking(each, n), between=0.001) for n, each in enumerate(connections)]
        for writer in writers:
            writer.start()
        try:
            yield writers
        finally:
            for writer in writers:
                writer.end()


def _taking(connection: psycopg.Connection[Any], number: int) -> Callable[[], object]:
    def take() -> None:
        with connection.transaction():
            connection.execute("SET LOCAL work_mem = '8GB'")
            connection.execute("SET LOCAL max_parallel_workers_per_gather = 0")
            connection.execute(_GREEDY[number % len(_GREEDY)].encode())

    return take


def _p99(seconds: list[float]) -> float:
    """Return it in milliseconds."""
    return quantiles(seconds, n=100)[98] * 1000
