"""Forty processes ask for places at once on a real registry, and are killed in the middle: still exact.

Each process dies by SIGKILL before or after a statement chosen by the seed, so every step of the transaction is hit; the
verdict does not depend on the order in which the machine runs them.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.plan import DatabaseType
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.allocation import Kind, Request
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.allocation_settings import AllocationSettings
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.database_server import Purpose
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import allocations
from tests.fixtures.registry import add_server

PROCESSES = 40
ATTEMPTS = 12  # rounds after which a process is let live, so that the test ends
PATIENCE = timedelta(seconds=90)
LEASE_SECONDS = 2  # short, so that the builds of killed processes are taken over within the test
# name, type, status, health, places, taken: 4 + 3 + 6 places are left where tenants may go.
SERVERS = [
    ("pool-1", "active", "healthy", 10, 6),
    ("pool-2", "active", "unknown", 5, 2),
    ("pool-3", "active", "healthy", 6, 0),
    ("pool-4", "active", "healthy", 3, 3),
    ("pool-5", "draining", "healthy", 9, 1),
    ("pool-6", "active", "unhealthy", 9, 1),
]
PLACES_LEFT = 4 + 3 + 6


def tenant_id(number: int) -> UUID:
    """Return an id whose first digits, the short id, differ too."""
    return UUID(int=number << 80)


class Mortal(psycopg.Connection[dict[str, Any]]):
    """A connection that kills its process with SIGKILL at one of its statements, commits and rollbacks included."""

    statements_left: int | None = None

    @classmethod
    def step(cls) -> None:
        if cls.statements_left is not None:
            cls.statements_left -= 1
            if cls.statements_left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        self.step()
        result = super().execute(*args, **kwargs)
        self.step()
        return result

    @contextmanager
    def transaction(self, *args: Any, **kwargs: Any) -> Iterator[psycopg.Transaction]:
        with super().transaction(*args, **kwargs) as transaction:
            yield transaction
            self.step()
        self.step()


def ask_for_a_place(conninfo: str, request: Request, settings: AllocationSettings, dies_at: int | None, start: Barrier) -> str:
    """Do what a run does: ask, build the server if told to, ask again; then take the place into use."""
    start.wait(60)
    Mortal.statements_left = dies_at
    with Mortal.connect(conninfo, autocommit=True, row_factory=dict_row) as connection:
        end = time.monotonic() + PATIENCE.total_seconds()
        while time.monotonic() < end:
            try:
                decision = allocations.allocate(connection, request, settings).decision
            except Conflict:
                return "refused"
            assert decision is not None
            if decision.kind is Kind.PLACED:
                allocations.confirm(connection, request.tenant_id, request.purpose)
                return "placed"
            if decision.kind is Kind.BUILD and decision.server is not None:
                connection.execute("UPDATE database.servers SET status = 'active' WHERE name = %s", (decision.server.name,))
            time.sleep(0.05)
    return "timeout"


def request(tenant: int, purpose: Purpose) -> Request:
    """Return what a tenant asks for."""
    return Request(tenant_id(tenant), DatabaseType.SHARED, purpose)


def work(results: str, tenant: int, *arguments: Any) -> None:
    """Run one process and leave its answer in a file; one that is killed leaves none."""
    Path(results, str(tenant)).write_text(ask_for_a_place(*arguments))


@pytest.fixture
def fleet(registry: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """The servers above with their tenants, and forty tenants without a place."""
    with psycopg.connect(registry, autocommit=True) as owner:
        for number, (name, status, health, places, taken) in enumerate(SERVERS):
            add_server(owner, name, 23300 + 2 * number, places, status=status, health_status=health)
            for slot in range(1, taken + 1):
                add_tenant(owner, 1000 * (number + 1) + slot)
                owner.execute(
                    "INSERT INTO database.allocations (tenant_id, server_name, max_instances, slot, state)"
                    " VALUES (%s, %s, %s, %s, 'in_use')",
                    (tenant_id(1000 * (number + 1) + slot), name, places, slot),
                )
        for tenant in range(1, PROCESSES + 1):
            add_tenant(owner, tenant)
        yield owner


def add_tenant(owner: psycopg.Connection[tuple[Any, ...]], number: int) -> None:
    owner.execute(
        "INSERT INTO tenant.tenants (id, customer_id, plan_name, database_name, odoo_version) VALUES (%s, %s, 'p', %s, '19.0')",
        (tenant_id(number), f"c{number}", f"odoo_{number}"),
    )


def settings(**changes: int) -> AllocationSettings:
    limits = {"port_first": 23300, "port_last": 23399, "max_instances": 9, "lease_seconds": LEASE_SECONDS}
    return AllocationSettings(**{**limits, **changes})  # type: ignore[arg-type]


def rounds(seed: int, kills: bool) -> Iterator[Callable[[], int | None]]:
    """Give, for each round, when the next process dies; in the last rounds none does."""
    chance = random.Random(seed)
    for attempt in range(ATTEMPTS):
        yield (lambda: chance.randrange(34)) if kills and attempt < ATTEMPTS - 1 else (lambda: None)


def run_until_done(
    registry: str, limits: AllocationSettings, results: Path, seed: int, *, kills: bool, purpose: Purpose = Purpose.HOME
) -> tuple[Counter[str], int]:
    """Start every process that has no answer yet, all at once, until each has one. Returns the answers and the deaths."""
    context = multiprocessing.get_context("fork")
    deaths = 0
    for dies_at in rounds(seed, kills):
        waiting = [tenant for tenant in range(1, PROCESSES + 1) if not (results / str(tenant)).exists()]
        if not waiting:
            break
        start = context.Barrier(len(waiting))
        running = [
            context.Process(
                target=work, args=(str(results), tenant, registry, request(tenant, purpose), limits, dies_at(), start)
            )
            for tenant in waiting
        ]
        for process in running:
            process.start()
        for process in running:
            process.join(PATIENCE.total_seconds() + 60)
            assert process.exitcode in {0, -signal.SIGKILL}, f"a process ended with {process.exitcode}"
            deaths += process.exitcode == -signal.SIGKILL
    return Counter(file.read_text() for file in results.iterdir()), deaths


def state_of(owner: psycopg.Connection[tuple[Any, ...]]) -> dict[str, tuple[int, int]]:
    """Return places taken and places by server."""
    query = (
        "SELECT s.name, count(a.tenant_id), s.max_instances FROM database.servers s"
        " LEFT JOIN database.allocations a ON a.server_name = s.name GROUP BY s.name, s.max_instances"
    )
    return {name: (taken, places) for name, taken, places in owner.execute(query)}


@pytest.mark.parametrize("kills", [False, True], ids=["undisturbed", "killed at random"])
def test_the_last_places_are_filled_exactly_and_the_rest_is_refused(
    registry: str, fleet: psycopg.Connection[tuple[Any, ...]], tmp_path: Path, kills: bool
) -> None:
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(10**6)))
    sys.stdout.write(f"SEED={seed}\n")  # pytest shows it when the test fails
    (tmp_path / "results").mkdir()
    answers, deaths = run_until_done(registry, settings(max_servers=len(SERVERS)), tmp_path / "results", seed, kills=kills)
    assert answers == {"placed": PLACES_LEFT, "refused": PROCESSES - PLACES_LEFT}
    assert state_of(fleet) == {
        name: (taken if i > 2 else places, places) for i, (name, _, _, places, taken) in enumerate(SERVERS)
    }
    check_each_once(fleet, PLACES_LEFT)
    assert (deaths > 0) == kills


def test_new_servers_are_built_once_each_and_filled_exactly(
    registry: str, fleet: psycopg.Connection[tuple[Any, ...]], tmp_path: Path
) -> None:
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(10**6)))
    sys.stdout.write(f"SEED={seed}\n")  # pytest shows it when the test fails
    (tmp_path / "results").mkdir()
    answers, deaths = run_until_done(registry, settings(), tmp_path / "results", seed, kills=True)
    assert answers == {"placed": PROCESSES}
    new = {name: counts for name, counts in state_of(fleet).items() if name not in {server[0] for server in SERVERS}}
    assert new == {"pool-7": (9, 9), "pool-8": (9, 9), "pool-9": (9, 9)}, "27 tenants need three servers of nine places"
    check_each_once(fleet, PROCESSES)
    assert deaths > 0


def test_a_server_is_emptied_by_all_its_tenants_at_once(
    registry: str, fleet: psycopg.Connection[tuple[Any, ...]], tmp_path: Path
) -> None:
    """Each takes a target elsewhere and keeps its home meanwhile."""
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(10**6)))
    sys.stdout.write(f"SEED={seed}\n")  # pytest shows it when the test fails
    (tmp_path / "results").mkdir()
    add_server(fleet, "pool-50", 23298, PROCESSES + 1, status="draining")
    for tenant in range(1, PROCESSES + 1):
        fleet.execute(
            "INSERT INTO database.allocations (tenant_id, server_name, max_instances, slot, state)"
            " VALUES (%s, 'pool-50', %s, %s, 'in_use')",
            (tenant_id(tenant), PROCESSES + 1, tenant),
        )
    answers, deaths = run_until_done(registry, settings(), tmp_path / "results", seed, kills=True, purpose=Purpose.TARGET)
    assert answers == {"placed": PROCESSES}
    assert state_of(fleet)["pool-50"] == (PROCESSES, PROCESSES + 1)
    check_each_once(fleet, PROCESSES, Purpose.TARGET)
    assert deaths > 0


def check_each_once(owner: psycopg.Connection[tuple[Any, ...]], expected: int, purpose: Purpose = Purpose.HOME) -> None:
    """Each of the forty has one such place in use, and the journal agrees that nothing was given twice."""
    mine = [tenant_id(tenant) for tenant in range(1, PROCESSES + 1)]
    count = "SELECT state, count(*) FROM database.allocations WHERE tenant_id = ANY(%s) AND purpose = %s GROUP BY state"
    rows = owner.execute(count, (mine, purpose))
    assert dict(rows.fetchall()) == {"in_use": expected}
    entries = owner.execute(
        "SELECT subject, detail FROM ops.journal WHERE action = 'allocation insert' AND detail ->> 'state' = 'reserved'"
    ).fetchall()
    given = Counter(subject for subject, _ in entries)
    assert set(given.values()) == {1}
    assert len(given) == expected
    assert all(any(row["chosen"] for row in detail["explanation"]) for _, detail in entries), json.dumps(entries, default=str)
