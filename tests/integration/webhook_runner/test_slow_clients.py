"""The runner's door under clients that take their time: no webhook is lost, whatever they hold, and a stop stays short."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.fixtures.registry import Registry
from tests.fixtures.reporting import Report
from tests.fixtures.runner import Web, process, rows
from tests.fixtures.slow_clients import SlowClients, slow_clients
from tests.fixtures.waiting import eventually
from webhook_runner.settings import Settings

EVENT = '{"eventType": "ACCOUNT_CREATION"}'

WAITS = "SELECT 1 AS one FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'saasodoo-runner'"


@contextmanager
def web_with(settings: Settings, log: Path, **changes: float) -> Iterator[Web]:
    """Run a web process with changed settings."""
    changed = replace(settings, **changes)  # type: ignore[arg-type]
    with process(changed, "web", log) as started:
        web = Web(changed, log, started)
        eventually(web.is_up)
        yield web


@pytest.mark.parametrize("slow", [20, 1000])
def test_slow_connections_keep_no_webhook_out(web: Web, slow: int, report: Report) -> None:
    took = []
    with slow_clients(web.settings.port, slow) as clients:
        for _ in range(30):
            clients.drip()
            began = time.monotonic()
            assert web.post(EVENT).status_code == 202
            took.append(time.monotonic() - began)
        assert clients.held() == slow, "it holds them all meanwhile"
    report(f"{slow} slow connections: a webhook took {sorted(took)[15] * 1000:.1f} ms (median), {max(took) * 1000:.1f} at most")
    assert max(took) < 4
    assert rows(web.settings, "SELECT count(*) AS stored FROM ops.events") == [{"stored": 30}]


def test_a_request_that_does_not_end_is_ended(runner_settings: Settings, tmp_path: Path) -> None:
    def gone(clients: SlowClients) -> bool:
        clients.drip()
        return not clients.held()

    with web_with(runner_settings, tmp_path / "web.log", request_time=2) as web, slow_clients(web.settings.port, 50) as clients:
        eventually(lambda: gone(clients), "all are closed, however often they send something")
        assert web.post(EVENT).status_code == 202


def test_beyond_what_it_holds_the_slowest_make_room(runner_settings: Settings, tmp_path: Path) -> None:
    with web_with(runner_settings, tmp_path / "web.log", connections=60) as web:
        with slow_clients(web.settings.port, 200) as clients:
            assert [web.post(EVENT).status_code for _ in range(20)] == [202] * 20
            assert 0 < clients.held() < 60
        assert web.post(EVENT).status_code == 202


def test_a_stop_waits_for_what_is_asked_and_for_no_slow_one(web: Web, registry_roles: Registry) -> None:
    with slow_clients(web.settings.port, 100), ThreadPoolExecutor(1) as pool:
        with psycopg.connect(registry_roles.admin) as admin:
            admin.execute("LOCK TABLE ops.events")
            asked = pool.submit(web.post, EVENT)
            eventually(lambda: rows(web.settings, WAITS))
            web.process.send_signal(signal.SIGTERM)
            eventually(lambda: not web.is_up(), "it takes nothing new")
            assert web.process.poll() is None
        began = time.monotonic()
        assert asked.result().status_code == 202
        assert web.process.wait(timeout=10) == 0
        assert time.monotonic() - began < 3
    assert "Traceback" not in web.log.read_text()


def test_a_stop_gives_up_what_does_not_come_to_an_end(web: Web, registry_roles: Registry) -> None:
    with psycopg.connect(registry_roles.admin) as admin, ThreadPoolExecutor(1) as pool:
        admin.execute("LOCK TABLE ops.events")
        asked = pool.submit(web.post, EVENT)
        eventually(lambda: rows(web.settings, WAITS))
        web.process.send_signal(signal.SIGTERM)
        assert web.process.wait(timeout=15) == 0
        assert isinstance(asked.exception(), OSError), "Kill Bill sees no answer, and sends again"


def test_where_few_files_may_be_open_it_holds_fewer_and_says_so(runner_settings: Settings, tmp_path: Path) -> None:
    under = ("prlimit", "--nofile=300:300")
    with process(runner_settings, "web", tmp_path / "web.log", under) as started:
        web = Web(runner_settings, tmp_path / "web.log", started)
        eventually(web.is_up)
        with slow_clients(web.settings.port, 100) as clients:
            assert web.post(EVENT).status_code == 202
            assert clients.held() < 50
        assert "may open 300 files" in web.log.read_text()
