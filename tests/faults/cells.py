"""One cell of the table: a run is brought to a step, something is killed there, it is run again, and all is looked at."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import journal
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.plan import DatabaseType
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.record import (
    Entry,
    Migration,
    MigrationCourse,
    StepState,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.steps import STEPS, Step
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.database_server import ServerStatus
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import PlatformError
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Address
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import servers
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.platform_key import derive, read_platform_key
from demo.timeline import wait_until
from tests.faults import victims
from tests.faults.gate import Gate
from tests.faults.judge import Expected, Judge
from tests.faults.writer import Writer
from tests.fixtures.ansible import PLAIN, ROOT
from tests.fixtures.processes import family, kill
from tests.fixtures.tenants import Tenants

#: Who is killed: the run, or a server's Postgres or PgBouncer.
VICTIMS = ("playbook", "source postgres", "target postgres", "source pgbouncer", "target pgbouncer")
#: When: as the step begins, some time into it, or when it is done but not yet journaled so.
MOMENTS = ("begun", "within", "done")
#: How long "within" is at most, in seconds: about what the step takes.
_LONG = {Step.BACK_UP: 0.8, Step.LOAD: 2.5, Step.VERIFY: 1.2, Step.DISCARD: 0.8}
_SHORT = 0.15
_PATIENCE = 60  # seconds
#: Not those that somebody is making, or has taken down.
_THERE = (ServerStatus.ACTIVE, ServerStatus.DRAINING)
_COURSES = {"online": "migrate", "offline": "migrate", "return": "migrate_back"}


@dataclass(frozen=True)
class Cell:
    """What is killed where. ``settle`` clears up afterwards instead of running the same again."""

    course: MigrationCourse
    step: Step
    victim: str
    moment: str
    settle: bool = False

    def __str__(self) -> str:
        after = " (then settle)" if self.settle else ""
        return f"{self.course:8} {self.step:10} {self.victim:17} {self.moment:7}{after}"


@dataclass(frozen=True)
class Result:
    """What became of it: ``outcome`` is went on, resumed, or undone; ``problems`` is empty when all is as it should be."""

    cell: Cell
    outcome: str
    seconds: float
    stalled: float
    problems: list[str]

    def __str__(self) -> str:
        line = f"{self.cell} | {self.outcome:9} | {self.seconds:5.1f} s | writes stalled {self.stalled:5.2f} s"
        return "\n".join([line, *(f"    WRONG: {each}" for each in self.problems)])


def all_cells() -> Iterator[Cell]:
    """Every step, victim and moment; a way there is followed by a way back, which needs one that is kept."""
    online, back, offline = map(_cells_of, (MigrationCourse.ONLINE, MigrationCourse.RETURN, MigrationCourse.OFFLINE))
    while online or back:
        yield from (cells.pop(0) for cells in (online, back) if cells)
    yield from offline


def _cells_of(course: MigrationCourse) -> list[Cell]:
    cells = [Cell(course, step, victim, moment) for step in STEPS[course] for moment in MOMENTS for victim in VICTIMS]
    return cells + [Cell(course, step, "playbook", moment, settle=True) for step in STEPS[course] for moment in MOMENTS]


@dataclass
class Bench:
    """A platform with two pools and one tenant, on which cells are tried."""

    tenants: Tenants
    name: str
    seed: int

    def __post_init__(self) -> None:
        self.home = self.tenants.local.home
        self.key = read_platform_key(self.tenants.platform_key_file)
        with registry.connect(self.tenants.registry) as connection:
            fleet = [each for each in servers.fleet(connection) if each.status in _THERE]
        self.servers = {each.name: Address(each.host, each.port, each.name, self.key) for each in fleet}
        self.pools = [each.name for each in fleet if each.server_type is DatabaseType.SHARED]
        self.poolers = {each.name: each.pooler_port for each in fleet}
        self.registry = Address("127.0.0.1", self.tenants.port_base + 32, "registry", self.key)
        self.judge = Judge(self.tenants.registry, self.home, self.servers)
        self.writer(self.place()[0]).prepare()

    def place(self) -> tuple[str, Migration | None]:
        """Return the server the tenant lives on, and its unfinished migration."""
        record = self.tenants.record(self.name)
        with registry.connect(self.tenants.registry, autocommit=True) as connection:
            server = servers.of_tenant(connection, record.id)
            assert server is not None
            return server.name, journal.open_of(connection, record.id)

    def entries(self, migration: Migration) -> tuple[Entry, ...]:
        with registry.connect(self.tenants.registry, autocommit=True) as connection:
            return journal.entries(connection, migration.id)

    def writer(self, server: str) -> Writer:
        """Return who writes through the PgBouncer of ``server``."""
        record = self.tenants.record(self.name)
        password = derive(self.key, str(record.id), "database", record.secret_generation)
        name = record.database_name
        conninfo = make_conninfo(host="127.0.0.1", port=self.poolers[server], dbname=name, user=name, password=password)
        return Writer(conninfo, time.time_ns())

    def start(self, verb: str, log: Path, **more: str) -> subprocess.Popen[bytes]:
        """Run a verb's playbook beside this."""
        variables = [f"--extra-vars={key}={value}" for key, value in {"tenant": self.name, **more}.items()]
        command = [*PLAIN, f"playbooks/tenant_{verb}.yml", *variables]
        environment = os.environ | self.tenants.local.environment | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        with log.open("ab") as out:
            return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True)

    def run(self, verb: str, log: Path, **more: str) -> int:
        """Run a verb's playbook to its end and return its exit code."""
        return self.start(verb, log, **more).wait(240)

    def ready(self) -> None:
        """Wait until all servers and PgBouncers answer again."""
        for address in self.servers.values():
            with address.connect(wait=_PATIENCE):
                pass
        wait_until("the PgBouncers are back", lambda: all(map(self._pools, self.servers)), _PATIENCE)

    def _pools(self, server: str) -> bool:
        try:
            return bool(self.judge.pooler(server).console.databases())
        except PlatformError:
            return False

    def prepare(self, course: MigrationCourse, log: Path) -> tuple[str, str]:
        """Bring the tenant to where the course begins; return source and target of the migration it is about."""
        home, kept = self.place()
        if course is MigrationCourse.RETURN:
            if kept is None or not kept.way_back_until:
                assert self.run("migrate", log, strategy="online") == 0, f"see {log}"
                home, kept = self.place()
            assert kept is not None
            return kept.source, kept.target
        if kept is not None:
            assert self.run("settle", log, let_go="true") == 0, f"see {log}"
        return home, next(name for name in self.pools if name != home)

    def victim(self, cell: Cell, source: str, target: str, run: int) -> list[int]:
        """Return the processes to kill."""
        if cell.victim == "playbook":
            return victims.playbook(run)
        side, what = cell.victim.split()
        find = victims.postgres if what == "postgres" else victims.pgbouncer
        return find(self.home, source if side == "source" else target)

    def try_out(self, cell: Cell, log: Path) -> Result:
        """Try one cell."""
        source, target = self.prepare(cell.course, log)
        begin = time.monotonic()
        with self.writer(source) as writer:  # as Odoo does until it is started anew
            more = {} if cell.course is MigrationCourse.RETURN else {"strategy": str(cell.course)}
            with self.start(_COURSES[cell.course], log, **more) as run:
                try:
                    reached = self._strike(cell, run, lambda: self.victim(cell, source, target, run.pid))
                    code = run.wait(240)
                finally:
                    kill(family(run.pid))
            self.ready()
            outcome, problems = ("went on", []) if code == 0 else self._again(cell, log, more)
            if not reached:
                problems.append("the run never came to this step")
            problems += self._prove(log)
        problems += writer.problems() + self.problems()
        return Result(cell, outcome, time.monotonic() - begin, writer.longest, problems)

    def _strike(self, cell: Cell, run: subprocess.Popen[bytes], pids: Callable[[], list[int]]) -> bool:
        state = "done" if cell.moment == "done" else "begun"
        with Gate(self.registry, (cell.course, cell.step, state)).shut(lambda: run.poll() is None) as reached:
            if reached and cell.moment != "within":
                kill(pids())
            if cell.moment == "done" and cell.victim != "playbook":
                self.ready()  # so that the run goes on with a server that has forgotten what it had not written down
        if reached and cell.moment == "within":
            time.sleep(random.Random(f"{self.seed} {cell}").uniform(0, _LONG.get(cell.step, _SHORT)))
            kill(pids())
        return reached

    def _again(self, cell: Cell, log: Path, more: dict[str, str]) -> tuple[str, list[str]]:
        """Do what is to be done after a run that failed or died, and say what that was."""
        _, left = self.place()
        if cell.settle:
            code = self.run("settle", log)
        elif cell.course is MigrationCourse.RETURN and left is None:
            return "resumed", []  # it died after its last step
        else:
            code = self.run(_COURSES[cell.course], log, **more)
        problems = [f"the run after it failed, see {log}"] * bool(code)
        undone = left is None or any(entry.state is StepState.UNDONE for entry in self.entries(left))
        return "undone" if undone else "resumed", problems

    def _prove(self, log: Path) -> list[str]:
        """Do what the next scan does with a move whose proof was hindered, and say what went wrong."""
        record = self.tenants.record(self.name)
        with registry.connect(self.tenants.registry, autocommit=True) as connection:
            due = journal.due(connection, registry.now(connection))
        unproved = any(each.migration.tenant_id == record.id and each.reason == "unproved" for each in due)
        return [f"the proof after it failed, see {log}"] * bool(unproved and self.run("settle", log))

    def problems(self) -> list[str]:
        """Name what is not as it should be once all has ended."""
        home, kept = self.place()
        record = self.tenants.record(self.name)
        found = self.judge.problems(record, Expected(home, kept))
        if kept is not None and str(kept.status) != "kept":
            found.append(f"the migration is {kept.status}")
        if record.operation is not None or record.status not in ("running", "stopped"):
            found.append(f"the tenant is {record.status}, {record.operation}: {record.status_message}")
        if record.status == "running" and (answer := self.tenants.ask(self.name).status_code) != 200:
            found.append(f"Odoo answers {answer}")
        return found
