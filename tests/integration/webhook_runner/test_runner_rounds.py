"""What comes round by the clock waits for no other work, however full the lanes are and however slow Kill Bill is."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import Verb
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import connect
from tests.fixtures.registry import Registry
from tests.fixtures.runner import process, rows, with_playbook, write_inventory
from tests.fixtures.waiting import eventually
from tests.integration.webhook_runner.test_runner_migrations import interrupted
from tests.integration.webhook_runner.test_runner_worker import ask, long_step, new_tenant, operation, sleeping
from webhook_runner import queue
from webhook_runner.kinds import Maintenance, Round, playbook_of
from webhook_runner.services import Services
from webhook_runner.settings import Settings

_WORD = uuid.uuid4().hex[:7]  # what the commands that sleep are known by
_SOON = 10  # seconds; the shortest period is a minute, and two of them are the longest that a round may wait
_LASTING = (Round.HEALTH, Round.SPARE)  # their runs last, and the others wait for these neither
_WAITING = "SELECT FROM procrastinate_jobs WHERE task_name = %s AND status = 'todo'"
_UNDONE = "SELECT status FROM procrastinate_jobs WHERE task_name = %s"
_STANDS = "UPDATE tenant.tenants SET status = %s, provisioning_status = 'ready', desired_state = 'suspended' WHERE id = %s"


@dataclass
class Stuck:
    """A Kill Bill that lists no account, and says nothing of any that it is asked for while the test lasts."""

    url: str
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def stuck_killbill() -> Iterator[Stuck]:
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "pagination" not in self.path:
                stuck.asked.append(self.path)
                over.wait()
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        stuck = Stuck(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield stuck
        over.set()
        server.shutdown()


def of_the_platform(settings: Settings, kind: Maintenance, tasks: str) -> None:
    written = with_playbook(settings, str(kind), tasks).playbooks / f"tenant_{kind}.yml"
    written.rename(settings.playbooks / playbook_of(kind))


@pytest.fixture
def settings(runner_settings: Settings, registry_roles: Registry, stuck_killbill: Stuck) -> Settings:
    """Every run lasts, one at a time in each lane."""
    write_inventory(runner_settings.inventory, saasodoo_registry=registry_roles.operator)
    access = json.loads(runner_settings.killbill_file.read_text())
    runner_settings.killbill_file.write_text(json.dumps({**access, "url": stuck_killbill.url}))
    for verb in (Verb.PROVISION, Verb.SUSPEND):
        with_playbook(runner_settings, verb, operation(verb, long_step(_WORD)))
    with_playbook(runner_settings, Maintenance.SETTLE, long_step(_WORD))
    for kind in (Maintenance.HEALTH, Maintenance.SPARE):
        of_the_platform(runner_settings, kind, long_step(_WORD))
    return replace(runner_settings, provisioning=1, operations=1, maintenance=1)


def fill_all_lanes(settings: Settings, services: Services, registry_roles: Registry) -> None:
    """Ask for more than each lane takes."""
    for number in range(2):
        ask(services, new_tenant(settings, f"new-{number}"))
        unpaid = new_tenant(settings, f"unpaid-{number}")
        with connect(settings.registry, cause="test") as connection:
            connection.execute(_STANDS, ("starting", unpaid))
            connection.execute(_STANDS, ("running", unpaid))
        ask(services, unpaid, verb=Verb.SUSPEND)
    with connect(registry_roles.operator, autocommit=True) as operator:
        moved = [interrupted(operator, f"moved-{number}", 22050 + number).id for number in range(2)]
    with services.registry.transaction() as connection:
        for tenant in moved:
            queue.defer(connection, queue.settle_tenant(tenant, cause="interrupted"))
        for _ in range(settings.syncs + 2):
            queue.defer(connection, queue.sync_account(uuid.uuid4(), cause="event"))


def test_a_round_waits_for_no_other_work(
    settings: Settings, services: Services, registry_roles: Registry, stuck_killbill: Stuck, tmp_path: Path
) -> None:
    with process(settings, "worker", tmp_path / "worker.log"):
        eventually(lambda: rows(settings, "SELECT FROM procrastinate_workers"))
        eventually(lambda: not rows(settings, _UNDONE, Round.SWEEP), seconds=60)  # that of the start
        fill_all_lanes(settings, services, registry_roles)
        eventually(lambda: len(sleeping(_WORD)) == 3 and len(stuck_killbill.asked) >= settings.syncs, seconds=60)
        for each in (*_LASTING, *set(Round).difference(_LASTING)):
            with services.registry.transaction() as connection:
                queue.defer(connection, queue.turn(each))
            asked = time.monotonic()
            eventually(lambda each=each: not rows(settings, _WAITING, each))  # type: ignore[misc]
            assert time.monotonic() - asked < _SOON, each
            if each not in _LASTING:
                eventually(lambda each=each: not rows(settings, _UNDONE, each))  # type: ignore[misc]
        eventually(lambda: len(sleeping(_WORD)) == 3 + len(_LASTING), seconds=60)  # the lanes were full all the time
        for left in sleeping(_WORD):
            left.kill()
