"""The runner's other processes end within 10 s, too, whatever they are about and whatever does not answer."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import requests

from tests.fixtures.fork_server import await_socket, serving
from tests.fixtures.postgres import Cluster
from tests.fixtures.processes import family, frozen
from tests.fixtures.runner import TOKEN, Web
from tests.fixtures.waiting import eventually
from tests.integration.webhook_runner.test_fork_server import long_run, running

_STOP = 10  # seconds


def ends(process: subprocess.Popen[bytes]) -> float:
    """Ask a process to stop, and return how long it took."""
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)
    return time.monotonic() - begin


def test_the_web_process_ends_although_the_registry_is_frozen_amid_requests(web: Web, postgres: Cluster) -> None:
    def ask() -> None:
        with suppress(requests.RequestException):
            web.get("/api/admin/runs", token=TOKEN)

    assert web.get("/api/admin/runs", token=TOKEN).ok
    asking = [threading.Thread(target=ask) for _ in range(web.settings.threads)]
    postgres.freeze()
    try:
        for each in asking:
            each.start()
        time.sleep(1)  # they wait for the registry
        assert ends(web.process) < _STOP
    finally:
        postgres.kill()
        postgres.start()
    for each in asking:
        each.join()


def test_the_fork_server_ends_although_its_run_is_frozen(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SAASODOO_")}
    with serving(environment) as (socket, server):
        await_socket(socket)
        with long_run({**environment, "SAASODOO_FORK_SOCKET": str(socket)}, tmp_path) as client:
            run = min(set(running(tmp_path)) - set(family(client.pid)))
            with frozen(run):
                assert ends(server) < _STOP
            client.kill()
    eventually(lambda: not running(tmp_path), "the run ended with its client", seconds=30)
