"""Twenty customers within seconds, fourteen kills -9 of anything in a minute: all are served, and nobody touches anything.

SAASODOO_TEST_SEED draws the same kills again; SAASODOO_CROWD_SEEDS is how many seeds are tried, one after the other (1).
"""

from __future__ import annotations

import os
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Unavailable
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry
from demo.platform import Platform
from demo.timeline import DemoFailed, wait_until
from tests.acceptance.crowd import KILLS, SECONDS, carry_out, drawn
from tests.acceptance.evidence import gather, stray
from tests.fixtures.customers import subscribe
from tests.fixtures.platform import LocalPlatform
from tests.fixtures.reporting import Report

pytestmark = pytest.mark.timeout(1800)

_CUSTOMERS = 20
_SEEDS = int(os.environ.get("SAASODOO_CROWD_SEEDS", "1"))
_FIRST = int(os.environ.get("SAASODOO_TEST_SEED") or time.time_ns() % 1_000_000)
_PATIENCE = 900  # seconds: an event that was lost waits for the sweep, and pauses between tries grow
_LOOK = 1  # second between looks at all of them
_CROWD = """
SELECT t.subdomain, t.status, t.operation, t.desired_state, t.http_port, t.database_name, t.short_id, t.status_message
FROM tenant.tenants t WHERE t.subdomain = ANY(%s) ORDER BY t.subdomain
"""
_OPEN = """
SELECT (SELECT count(*) FROM ops.runs WHERE status IN ('queued', 'running') OR next_try_at IS NOT NULL)
    + (SELECT count(*) FROM ops.events WHERE handled_at IS NULL) AS count
"""
_TRIED = """
SELECT count(*) FILTER (WHERE r.status <> 'succeeded') AS interrupted, coalesce(max(r.attempt), 0) AS most
FROM ops.runs r JOIN tenant.tenants t ON t.id = r.tenant_id WHERE t.subdomain = ANY(%s)
"""


@pytest.mark.parametrize("turn", range(_SEEDS))
def test_a_crowd_is_served_whatever_is_killed(platform: LocalPlatform, turn: int, report: Report) -> None:
    seed = _FIRST + turn
    report(f"{_CUSTOMERS} customers, {KILLS} kills in {SECONDS:.0f} s (SAASODOO_TEST_SEED={seed})")
    shop = Platform.here(platform.environment)
    names = [f"crowd-{seed}-{number}-{uuid.uuid4().hex[:4]}" for number in range(_CUSTOMERS)]
    with ThreadPoolExecutor(_CUSTOMERS) as customers:
        begun = time.monotonic()
        subscribing = customers.map(
            lambda name: subscribe(Platform.here(platform.environment).customer, "basic-monthly", name), names
        )
        carry_out(drawn(seed), platform.home, report)
        subscriptions = [subscription for _, subscription in subscribing]
    try:
        wait_until("all are served", lambda: served(shop, names), _PATIENCE)
    except DemoFailed:
        report("\n".join(map(str, crowd(shop, names))))
        raise
    tried = rows(shop, _TRIED, names)[0]
    took, load = time.monotonic() - begun, os.getloadavg()[0]
    report(f"all served after {took:.0f} s, load {load:.1f}; {tried['interrupted']} runs ended early, {tried['most']} tries")
    wait_until("nobody works any more", lambda: at_rest(shop), _PATIENCE)
    nothing_twice(platform, shop, names)

    for subscription in subscriptions:
        shop.customer.cancel(subscription, "IMMEDIATE")
    wait_until("all are terminated", lambda: {row["status"] for row in crowd(shop, names)} == {"terminated"}, _PATIENCE)
    assert stray(gather(shop, platform.home)) == []


def nothing_twice(platform: LocalPlatform, shop: Platform, names: list[str]) -> None:
    """Judge that each tenant has one of everything, that nothing is there without an owner, and that the journal is whole."""
    found, seen = crowd(shop, names), gather(shop, platform.home)
    assert [row["subdomain"] for row in found] == sorted(names)
    assert stray(seen) == []
    databases, roles = Counter(seen.databases), Counter(seen.roles)
    assert [(databases[row["database_name"]], roles[row["database_name"]]) for row in found] == [(1, 1)] * len(names)
    expected = [f"{row['subdomain']}.localhost/open-{row['http_port']}-{row['short_id']}" for row in found]
    assert [each for each in seen.routes if each.startswith(tuple(f"{name}." for name in names))] == sorted(expected)
    assert len({row["http_port"] for row in found}) == len(names)
    health = platform.play("postgres_pool_health", check=False)
    results = {result["task"]: result for result in health.results}
    assert health.rc == 0, health.text
    assert results["Check every server"]["unhealthy"] == []
    assert results["Look for what moves of databases have left"]["strays"] == []
    assert rows(shop, "SELECT * FROM ops.journal_breaks()") == []


def served(shop: Platform, names: list[str]) -> bool:
    """Whether all run, nothing is under way, and each shows its first page; what was killed last may be away yet."""
    time.sleep(_LOOK)
    try:
        found = crowd(shop, names)
        rest = [row["subdomain"] for row in found if (row["status"], row["operation"]) == ("running", None)]
        return len(rest) == len(names) and all(shop.status_of(name) == 200 for name in rest)
    except Unavailable:
        return False


def at_rest(shop: Platform) -> bool:
    """Whether no run is open or to come, and every event is handled."""
    return bool(rows(shop, _OPEN)[0]["count"] == 0)


def crowd(shop: Platform, names: list[str]) -> list[dict[str, Any]]:
    """Return the tenants of these names."""
    return rows(shop, _CROWD, names)


def rows(shop: Platform, statement: str, *values: object) -> list[dict[str, Any]]:
    """Ask the registry, as the test's own user."""
    with registry.connect(shop.registry, autocommit=True) as connection:
        return connection.execute(statement, values).fetchall()
