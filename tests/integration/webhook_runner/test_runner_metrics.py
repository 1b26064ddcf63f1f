"""The metrics: totals that the end of a run keeps, a scrape that costs the same however many there were, what was refused."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.fixtures.postgres import Cluster
from tests.fixtures.registry import Registry
from tests.fixtures.runner import SECRET, Web
from tests.fixtures.waiting import eventually
from webhook_runner import runs
from webhook_runner.ending import Result
from webhook_runner.kinds import Maintenance
from webhook_runner.metrics import STATE, Metrics
from webhook_runner.services import Services

_MANY = 100_000
_RUNS = """
INSERT INTO ops.runs (kind, playbook, status, queued_at, started_at, finished_at)
SELECT 'health', 'postgres_pool_health.yml', 'succeeded', m.at, m.at, m.at + interval '2 seconds'
FROM generate_series(1, %s) AS n CROSS JOIN LATERAL (SELECT now() - n * interval '1 second' AS at) AS m
"""


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    value: float | None = metrics.collectors.get_sample_value(name, labels)
    return value


def ended(services: Services, status: str, *, seconds: float = 2) -> None:
    """Let a run begin that far back, and end so."""
    run_id = uuid4()
    with services.registry.transaction() as connection:
        run = runs.begin(connection, Maintenance.HEALTH, None, cause="test", correlation_id="", run_id=run_id)
        moved = "UPDATE ops.runs SET started_at = clock_timestamp() - make_interval(secs => %s) WHERE id = %s"
        connection.execute(moved, (seconds, run_id))
    tries, given_up = services.settings.tries(), services.stopping
    assert runs.finish(services.registry, run, Result(status, 0, ""), tries, given_up)
    assert not runs.finish(services.registry, run, Result("lost", -1, ""), tries, given_up), "a run ends once"


def test_the_end_of_a_run_is_counted_with_its_seconds_once(services: Services) -> None:
    metrics = Metrics(services.registry)
    assert sample(metrics, "saasodoo_runs_total", kind="health", status="succeeded") is None
    for _ in range(3):
        ended(services, "succeeded", seconds=2)
    ended(services, "lost", seconds=7)
    with services.registry.transaction() as connection:
        runs.begin(connection, Maintenance.HEALTH, None, cause="test", correlation_id="", run_id=uuid4())
    assert sample(metrics, "saasodoo_runs_total", kind="health", status="succeeded") == 3
    assert sample(metrics, "saasodoo_runs_total", kind="health", status="lost") == 1
    assert sample(metrics, "saasodoo_run_seconds_total", kind="health", status="succeeded") == pytest.approx(6, abs=2)
    assert sample(metrics, "saasodoo_run_seconds_total", kind="health", status="lost") == pytest.approx(7, abs=2)
    assert sample(metrics, "saasodoo_runs_open", kind="health", status="running") == 1


def test_totals_outlive_the_runs(services: Services, registry_roles: Registry) -> None:
    ended(services, "succeeded")
    with psycopg.connect(registry_roles.owner) as connection:
        connection.execute("DELETE FROM ops.runs")
    assert sample(Metrics(services.registry), "saasodoo_runs_total", kind="health", status="succeeded") == 1


def test_the_runner_cannot_write_totals(services: Services) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), services.registry.transaction() as connection:
        connection.execute("INSERT INTO ops.run_totals VALUES ('health', 'succeeded', 1, 1)")


def test_a_scrape_costs_the_same_with_many_runs(services: Services, registry_roles: Registry) -> None:
    for _ in range(3):
        ended(services, "succeeded")
    few = _cost(registry_roles)
    with psycopg.connect(registry_roles.owner, autocommit=True) as connection:
        connection.execute(_RUNS, (_MANY,))
        connection.execute("VACUUM ANALYZE ops.runs")
    assert _cost(registry_roles) <= few + 10


def _cost(registry: Registry) -> int:
    """Return how many pages of 8 kB the statements of a scrape look at."""
    pages = 0
    with psycopg.connect(registry.runner, options="-c search_path=public") as connection:
        for statement in {statement for _, _, statement, _ in STATE.values()}:
            row = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}").fetchone()
            assert row is not None
            plan: dict[str, Any] = row[0][0]["Plan"]
            pages += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return pages


def test_what_became_of_each_webhook_is_counted(web: Web, postgres: Cluster) -> None:
    def counted(outcome: str) -> str:
        lines = web.get("/metrics").text.splitlines()
        return next(
            line.rpartition(" ")[2] for line in lines if line.startswith(f'saasodoo_webhooks_total{{outcome="{outcome}"}}')
        )

    outcomes = ("stored", "invalid", "too_large", "unauthorized", "held_back", "unavailable", "failed")
    assert {counted(outcome) for outcome in outcomes} == {"0.0"}, "each is there from the beginning, so that it can be compared"
    good = '{"eventType": "ACCOUNT_CREATION"}'
    assert web.post(good).status_code == 202
    assert [web.post(body).status_code for body in ("no JSON", '{"eventType": "A", "x": "\\ud800"}')] == [400, 400]
    assert web.post("x" * (web.settings.body_limit + 1)).status_code == 413
    assert [web.post(good, secret=f"{SECRET}-{n}").status_code for n in range(12)] == [401] * 10 + [429] * 2
    postgres.kill()
    try:
        assert web.post(good).status_code == 503
    finally:
        postgres.start()
    eventually(lambda: web.post(good).status_code == 202)
    numbers = {outcome: counted(outcome) for outcome in outcomes}
    assert int(float(numbers.pop("unavailable"))) >= 1
    assert numbers == {
        "stored": "2.0", "invalid": "2.0", "too_large": "1.0", "unauthorized": "10.0", "held_back": "2.0", "failed": "0.0"
    }  # fmt: skip
