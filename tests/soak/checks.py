"""What has to be true once a round is over and nobody does anything: looked at until it is, for a bounded time."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import requests

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import journal
from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration.survey import survey
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.record import MigrationStatus
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.database_server import ServerStatus
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import PlatformError
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import servers
from tests.acceptance.evidence import stray
from tests.faults.judge import Expected, Judge
from tests.fixtures.processes import command, running
from tests.soak import plan
from tests.soak.ground import Ground

_PATIENCE = 420  # seconds: a run that was interrupted thrice, and a round of the worker's every minute
_PAGES = {Status.RUNNING: 200, Status.PAUSED: 503, Status.TERMINATED: 404}
_LIVE = "SELECT id::text FROM tenant.tenants WHERE status <> 'terminated'"
_RUNS = "SELECT kind, tenant_id FROM ops.runs WHERE finished_at IS NULL AND tenant_id IS NOT NULL"
_IN_USE = (ServerStatus.ACTIVE, ServerStatus.DRAINING)
#: A short id at the end of a name.
_SHORT_ID = re.compile(r"([0-9a-f]{12})$")


@dataclass
class Checks:
    """Looks at a platform after a round."""

    ground: Ground
    round: plan.Round
    gone: list[str]  # the names of those whose places others have

    def wait(self) -> list[str]:
        """Return what is still wrong after as long as it may take to come right by itself; nothing once all is right."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                problems = list(self.problems())
            except (PlatformError, OSError) as error:
                problems = [f"{type(error).__name__}: {error}"]
            if not problems or time.monotonic() > end:
                return problems
            time.sleep(2)

    def problems(self) -> Iterator[str]:
        """Name what is wrong now; whom that is about first, since it is looked at often."""
        states = [problem for tenant in self.round.after for problem in self._state(tenant)]
        states += [f"{name} answers {answer}, though it is gone" for name in self.gone if (answer := self._page(name)) != 404]
        with registry.connect(self.ground.tenants.registry, autocommit=True) as connection:
            states += [f"the run {row['kind']} of {row['tenant_id']} goes on" for row in connection.execute(_RUNS)]
            moves = journal.unfinished(connection)
        states += [f"the move of {each.database_name} is under way" for each in moves if each.status is MigrationStatus.UNDER_WAY]
        yield from states
        if not states:
            yield from self._left()

    def _state(self, tenant: plan.Tenant) -> Iterator[str]:
        name = tenant.name(self.ground.mark)
        found = self.ground.tenants.find(name)
        if found is None:
            yield f"{name} is not there"
            return
        answer = self._page(name)
        if (found.status, found.operation) != (tenant.status, None):
            under_way = f"{found.operation} under way, '{found.status_message}', answers {answer}"
            yield f"{name} is {found.status}, {under_way} instead of {tenant.status}"
        if {found.plan_name, found.applied_plan} != {tenant.plan}:
            yield f"{name} has plan {found.plan_name}, applied {found.applied_plan}, instead of {tenant.plan}"
        if answer != _PAGES.get(tenant.status, answer) or (tenant.status is Status.STOPPED and answer == 200):
            yield f"{name}, {tenant.status}, answers {answer}"

    def _page(self, name: str) -> int | str:
        try:
            return self.ground.tenants.ask(name).status_code
        except requests.RequestException as error:
            return type(error).__name__

    def _left(self) -> Iterator[str]:
        """Name what belongs to nobody, and what leads elsewhere than to where a tenant lives."""
        ground, conninfo = self.ground, self.ground.tenants.registry
        with registry.connect(conninfo, autocommit=True) as connection:
            kept = {each.tenant_id: each for each in journal.unfinished(connection)}
            found, _, silent = survey(connection, ground.tenants.platform_key_file, ground.home)
            yield from map(str, found)
            yield from (f"server {name} does not answer" for name in silent)
            yield from (f"the journal: {row}" for row in connection.execute("SELECT * FROM ops.journal_breaks()"))
        yield from stray(ground.tenants.evidence())
        yield from self._files()
        words = ("pg_dump", "pg_restore")
        yield from (
            f"process {pid}: {' '.join(command(pid))}"
            for pid in running(lambda pid: Path(command(pid)[0] if command(pid) else "").name in words)
            if str(ground.home) in " ".join(command(pid))
        )
        for tenant in self.round.after:
            record = ground.tenants.record(tenant.name(ground.mark))
            yield from (
                f"{record.name}: {each}" for each in self._placed(record, Expected(self._home(record), kept.get(record.id)))
            )

    def _home(self, record: Tenant) -> str:
        with registry.connect(self.ground.tenants.registry) as connection:
            server = servers.of_tenant(connection, record.id)
        return server.name if server else "nowhere"

    @cached_property
    def _judge(self) -> Judge:
        servers = {each.name: self.ground.address(each) for each in self.ground.fleet().values() if each.status in _IN_USE}
        return Judge(self.ground.tenants.registry, self.ground.home, servers)

    def _placed(self, record: Tenant, expected: Expected) -> Iterator[str]:
        with registry.connect(self.ground.tenants.registry) as connection:
            yield from self._judge.registered(connection, record, expected)
        for name in self._judge.servers:
            yield from (f"{name}: {each}" for each in self._judge.misrouted(name, record.database_name, expected))

    def _files(self) -> Iterator[str]:
        """Name processes' definitions and routes of no live tenant, and what is half made."""
        with registry.connect(self.ground.tenants.registry) as connection:
            live = {row["id"].replace("-", "")[:12] for row in connection.execute(_LIVE)}
        home = self.ground.home
        for pattern in ("supervisor/conf.d/odoo-*.conf", "caddy/routes/*/*"):
            for file in home.glob(pattern):
                owner = _SHORT_ID.search(file.stem)
                if owner is None or owner[1] not in live:
                    yield f"{file} belongs to no live tenant"
        for pattern in ("odoo_instances/*/filestore/.*", "odoo_instances/*/*.new", "caddy/routes/*/.*", "runtime/building-*"):
            yield from (f"{file} is half made" for file in home.glob(pattern))
