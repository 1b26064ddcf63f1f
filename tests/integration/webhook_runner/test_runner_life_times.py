"""What is over and past its time goes, in batches; what is not stays, whoever asks; the journal is not touched."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest

from tests.fixtures.registry import Registry
from tests.fixtures.runner import rows
from webhook_runner import life_times, runs
from webhook_runner.ending import Result
from webhook_runner.kinds import Maintenance
from webhook_runner.life_times import remove_expired
from webhook_runner.run_events import RunEvent
from webhook_runner.services import Services

_TENANT = """
INSERT INTO tenant.tenants (subdomain, customer_id, plan_name, status, database_name, odoo_version)
VALUES (%s, 'c', 'basic-monthly', %s, %s, '19.0') RETURNING id
"""
_RUN = """
INSERT INTO ops.runs (tenant_id, kind, playbook, status, worker, queued_at, started_at, finished_at)
SELECT %(tenant)s, %(verb)s, 'x.yml', CASE WHEN %(ended)s THEN 'failed' ELSE 'running' END, 'w', at, at,
    CASE WHEN %(ended)s THEN at END
FROM (SELECT now() - make_interval(days => %(days)s) AS at) AS moment RETURNING id
"""
_EVENT = """
INSERT INTO ops.events (event_type, body, received_at, handled_at)
SELECT %(name)s, '{}', at, CASE WHEN %(handled)s THEN at END FROM (SELECT now() - make_interval(days => %(days)s) AS at) AS moment
"""
_JOB = """
INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('sync', %s) RETURNING id
"""


class Past:
    """Writes what happened so many days ago, as the superuser."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.connection = connection

    def tenant(self, name: str, status: str = "running") -> UUID:
        return self._id(_TENANT, (name, status, f"odoo_{name}"))

    def run(self, days: int, *, tenant: UUID | None = None, verb: str = "start", ended: bool = True) -> UUID:
        run_id = self._id(_RUN, {"tenant": tenant, "verb": verb, "days": days, "ended": ended})
        self.connection.execute("INSERT INTO ops.run_events (run_id, seq, event) VALUES (%s, 1, 'runner_on_failed')", (run_id,))
        return run_id

    def event(self, name: str, days: int, *, handled: bool = True) -> None:
        self.connection.execute(_EVENT, {"name": name, "days": days, "handled": handled})

    def job(self, name: str, days: int, status: str) -> None:
        job = self._id(_JOB, (name,))
        course = {"failed": ("doing", "failed"), "cancelled": ("cancelled",), "todo": ()}[status]
        for step in course:
            self.connection.execute("UPDATE procrastinate_jobs SET status = %s WHERE id = %s", (step, job))
        past = "UPDATE procrastinate_events SET at = now() - make_interval(days => %s) WHERE job_id = %s"
        self.connection.execute(past, (days, job))

    def _id(self, statement: LiteralString, values: tuple[object, ...] | dict[str, object]) -> UUID:
        row = self.connection.execute(statement, values).fetchone()
        assert row is not None
        found: UUID = row[0]
        return found


@pytest.fixture
def past(registry_roles: Registry) -> Iterator[Past]:
    with psycopg.connect(registry_roles.admin, autocommit=True, options="-c search_path=public,pg_catalog") as connection:
        yield Past(connection)


def test_what_is_past_its_time_goes_and_nothing_else(services: Services, past: Past) -> None:
    settings = services.settings
    lives, dead = past.tenant("lives"), past.tenant("dead", "terminated")
    old, very_old = settings.detail_days + 1, settings.run_days + 1
    last, settled = past.run(very_old, tenant=lives), past.run(very_old - 1, tenant=lives, verb="settle")
    others = [past.run(very_old + 1, tenant=lives), past.run(very_old, tenant=dead), past.run(old)]
    recent = [past.run(settings.detail_days - 1), past.run(settings.run_days - 1, tenant=dead)]
    open_run = past.run(very_old, ended=False)
    past.event("old", settings.event_days + 1)
    past.event("open", settings.event_days + 1, handled=False)
    past.event("recent", settings.event_days - 1)
    for status in ("failed", "cancelled", "todo"):
        past.job(f"old {status}", old, status)
    past.job("recent failed", 1, "failed")
    journal = rows(settings, "SELECT max(seq) AS seq FROM ops.journal")

    removed = remove_expired(services)

    left = {row["id"] for row in rows(settings, "SELECT id FROM ops.runs")}
    assert left == {last, settled, *recent, open_run}, others
    detailed = {row["run_id"] for row in rows(settings, "SELECT run_id FROM ops.run_events")}
    assert detailed == {recent[0], open_run}
    assert {row["event_type"] for row in rows(settings, "SELECT event_type FROM ops.events")} == {"open", "recent"}
    jobs = "SELECT task_name FROM public.procrastinate_jobs"
    assert {row["task_name"] for row in rows(settings, jobs)} == {"old todo", "recent failed"}
    assert removed == "1 events, 6 run events, 1 platform runs, 2 tenant runs, 2 failed jobs"
    assert rows(settings, "SELECT max(seq) AS seq FROM ops.journal") == journal
    assert remove_expired(services) == "nothing"


def test_it_goes_in_batches_and_stops_when_asked(services: Services, past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life_times, "_BATCH", 3)
    for number in range(8):
        past.event(f"e{number}", 1000)
    services.stopping.set()
    assert remove_expired(services) == "nothing"
    services.stopping.clear()
    assert remove_expired(services) == "8 events"


@pytest.mark.parametrize("component", ["runner", "operator", "inventory"])
def test_nobody_but_the_runner_removes_and_not_before_a_week(registry_roles: Registry, past: Past, component: str) -> None:
    past.event("recent", 5)
    past.run(5)
    with psycopg.connect(getattr(registry_roles, component), autocommit=True) as connection:
        refusal = psycopg.errors.InvalidParameterValue if component == "runner" else psycopg.errors.InsufficientPrivilege
        for what in ("events", "run_events", "platform_runs", "tenant_runs"):
            for days in (6, 0, -1000, None):
                with pytest.raises(refusal):
                    connection.execute("SELECT ops.remove_expired(%s, %s, 10)", (what, days))
        for table in ("events", "run_events", "runs", "journal"):
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
                connection.execute(f"DELETE FROM ops.{table}")


def test_folders_of_runs_and_logs_of_dead_tenants_go(services: Services, past: Past, tmp_path: Path) -> None:
    settings = replace(services.settings, logs=str(tmp_path / "log"))
    services = Services(settings, services.registry, services.billing)
    dead, lives = past.tenant("dead", "terminated"), past.tenant("lives")
    past.connection.execute("ALTER TABLE tenant.tenants DISABLE TRIGGER USER")
    past.connection.execute("UPDATE tenant.tenants SET updated_at = now() - interval '90 days'")
    of_dead, of_living = f"odoo-{dead.hex[:12]}.log", f"odoo-{lives.hex[:12]}.log"
    names = (of_dead, f"{of_dead}.1", of_living, "registry.log", "odoo-0123456789ab.log")
    files = [tmp_path / "log" / name for name in names]
    (tmp_path / "log").mkdir()
    for file in files:
        file.write_text("x")
    for name in ("old", "new"):
        (settings.home / "runs" / name / "env").mkdir(parents=True)
    past_time = time.time() - (settings.detail_days + 1) * 24 * 3600
    for path in (*files, settings.home / "runs/old"):
        os.utime(path, (past_time, past_time))
    assert remove_expired(services) == "1 run folders, 2 logs"
    assert sorted((tmp_path / "log").iterdir()) == sorted(files[2:])
    assert [path.name for path in (settings.home / "runs").iterdir()] == ["new"]


def test_an_idle_platform_writes_no_events_of_its_rounds(services: Services) -> None:
    """Of a round of the platform's only what changed, failed or told its progress is kept; of a tenant's run all."""
    said = [
        RunEvent(1, "playbook_on_play_start", "Check"),
        RunEvent(2, "playbook_on_task_start", "Look"),
        RunEvent(3, "runner_on_ok", "Look", "local", 0.1, changed=False),
        RunEvent(4, "runner_on_skipped", "Skip", "local", 0.1),
        RunEvent(5, "playbook_on_stats"),
    ]
    news = [
        RunEvent(6, "runner_on_ok", "Change", "local", 0.1, changed=True),
        RunEvent(7, "runner_on_failed", "Break", "local", 0.1, message="no"),
        RunEvent(8, "progress", "Copy", message="3 of 9"),
        RunEvent(9, "runner_retry", "Wait", "local", 0.1),
    ]
    for round_of_platform, expected in ((True, [6, 7, 8, 9]), (False, [1, 2, 3, 4, 5, 6, 7, 8, 9])):
        run_id = runs.new_id()
        with services.registry.transaction() as connection:
            run = runs.begin(connection, Maintenance.HEALTH, None, cause="test", correlation_id="", run_id=run_id)
        log = runs.EventLog(services.registry, run_id, only_news=round_of_platform)
        for event in said + news:
            log.record(event)
        log.record(None)
        runs.finish(services.registry, run, Result("succeeded", 0, ""), services.settings.tries(), services.stopping)
        kept = rows(services.settings, "SELECT seq FROM ops.run_events WHERE run_id = %s ORDER BY seq", run_id)
        assert [row["seq"] for row in kept] == expected
