# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The moves of one tenant as a task asks for them: planned, or made ready to go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from ..domain.migration import preflight
from ..domain.migration.record import Migration, MigrationCourse, MigrationStatus
from ..domain.migration.steps import EXPLAINED, STEPS
from ..domain.tenant.status import Status
from ..domain.tenant.tenant import Tenant
from ..errors import Conflict
from ..outcome import Outcome
from ..pgbouncer.network import pgbouncer
from ..postgres.connection import Address, AsTenant, Connection
from ..registry import servers
from ..registry.connection import now
from ..secrets.platform_key import read_platform_key
from ..secrets.tenant import role_password
from . import journal
from .course import is_returning
from .kept_dumps import folder_of
from .move import Move, Settings, Side
from .preflight import measure

_REPORT_EVERY = 1.0  # seconds
_WORDS = ("id", "status", "strategy", "reason", "source", "target", "tenant_status", "message")
_TIMES = ("switched_at", "way_back_until", "keep_until")
_SHOWN = ("status", "strategy", "reason", "source", "target", *_TIMES)

SETTINGS: dict[str, Any] = {
    "settings": {
        "type": "dict",
        "default": {},
        "apply_defaults": True,
        "options": {each.name: {"type": str(each.type), "default": each.default} for each in fields(Settings)},
    }
}


@dataclass
class Migrations:
    """The migrations of one tenant, as a task asks for them; ``options`` are the noun's, ``report`` shows a person progress."""

    registry: Connection
    tenant: Tenant
    options: Mapping[str, Any]
    report: Callable[[str], None]

    def about(self, move: Move, migration: Migration) -> dict[str, Any]:
        """Return what follows from the migration and the present."""
        moment = now(self.registry)
        over = {
            name: bool(until and until <= moment)
            for name, until in (("way_back_over", migration.way_back_until), ("keep_over", migration.keep_until))
        }
        returning = migration.status is MigrationStatus.UNDER_WAY and is_returning(move)
        left = move.target if returning or migration.status is MigrationStatus.RETURNED else move.source
        return {**over, "returning": returning, "clients": left.clients}

    def plan(self, found: Migration | None, *, check: bool) -> Outcome:
        """Choose the strategy, look for obstacles, and record the migration as under way. One that is under way stays."""
        if found and found.status is MigrationStatus.UNDER_WAY:
            return Outcome(shown(found), shown(found), {"migration": fact(found)})
        source, target = self.home_server(), str(self.options["target"])
        sides = self._address(source), self._address(target)
        running = self.tenant.rest is Status.RUNNING
        places = {name: servers.find(self.registry, name).max_instances for name in (source, target)}
        findings = measure(*sides, self.tenant.database_name, self._backups, as_tenant=self._log_in(sides[0]), places=places)
        strategy, reason = preflight.choose(self.options["strategy"], findings, running=running)
        longest = self.options["settings"]["longest_transaction"]
        if obstacles := preflight.obstacles(findings, strategy, longest, running=running):
            what = f"{self.tenant.database_name} can't be moved {strategy} from {source} to {target}"
            raise Conflict(what, found=" | ".join(obstacles))
        notes = preflight.notes(findings, strategy, running=running)
        for note in notes:
            self.report(f"{self.tenant.database_name}: {note}")
        estimate = preflight.estimate(findings, strategy, running=running)
        plan = {
            "status": "under_way",
            "strategy": str(strategy),
            "reason": reason,
            "source": source,
            "target": target,
            "size_bytes": findings.size_bytes,
            "estimated_seconds": estimate.seconds,
            "estimated_pause_seconds": estimate.pause_seconds,
            "notes": list(notes),
            "steps": [f"{step}: {EXPLAINED[step].does}" for step in STEPS[MigrationCourse(strategy)]],
        }
        facts = {"migration": None, "plan": plan, "findings": findings.as_dict()}
        if check:
            return Outcome({}, plan, facts)
        begun = journal.start(
            self.registry,
            tenant_id=self.tenant.id,
            database_name=self.tenant.database_name,
            strategy=strategy,
            source=source,
            target=target,
            tenant_status=self.tenant.rest,
            reason=reason,
        )
        return Outcome({}, plan, facts | {"migration": fact(begun)})

    def move(self, migration: Migration) -> Move:
        """Return what the steps of ``migration`` need."""
        files = self.options["files"]
        given = {each.name: self.options["settings"][each.name] for each in fields(Settings)}
        return Move(
            migration=migration,
            source=self.side(migration.source, migration.database_name),
            target=self.side(migration.target, migration.database_name),
            registry=self.registry,
            backup=self._backups / folder_of(migration),
            files=Path(files) if files else None,
            settings=Settings(**given),
            clock=partial(now, self.registry),
            report=_Reporter(self.registry, migration, self.report),
        )

    @property
    def _backups(self) -> Path:
        return Path(self.options["home"]) / "backups" / self.tenant.short_id

    def side(self, name: str, database: str) -> Side:
        """Return a server and its PgBouncer. Raises NotFound."""
        server, folder = servers.find(self.registry, name), Path(self.options["home"]) / "pgbouncer" / name
        pooler = pgbouncer(folder, server.pooler_host, server.pooler_port, self.options["platform_key_file"])
        return Side(self._address(name), pooler, database, Path(self.options["home"]) / "log" / f"postgres-{name}.log")

    def _address(self, name: str) -> Address:
        server = servers.find(self.registry, name)
        return Address(server.host, server.port, name, read_platform_key(self.options["platform_key_file"]))

    def _log_in(self, address: Address) -> Callable[[], AbstractContextManager[AsTenant]]:
        """Return what logs in to the tenant's database as the tenant itself."""
        name = self.tenant.database_name
        password = role_password(address.key, str(self.tenant.id), self.tenant.secret_generation)
        return partial(address.log_in, name, password, name)

    def home_server(self) -> str:
        """Return the name of the server the tenant lives on. Raises Conflict when it has none."""
        server = servers.of_tenant(self.registry, self.tenant.id)
        if server is None:
            raise Conflict(f"tenant {self.tenant.name} has no database to move", found=self.tenant.provisioning_status)
        return server.name

    def needed(self, found: Migration | None) -> Migration:
        """Return ``found``. Raises Conflict where there is none."""
        if found is None:
            raise Conflict(f"tenant {self.tenant.name} has no migration", action="plan one first (playbooks/tenant_migrate.yml)")
        return found


def fact(migration: Migration | None) -> dict[str, Any] | None:
    """Return the migration as tasks see it."""
    if migration is None:
        return None
    times = {name: value and value.isoformat() for name in _TIMES for value in (getattr(migration, name),)}
    words = {name: str(getattr(migration, name)) for name in _WORDS}
    differs = bool(migration.report and not migration.report["equal"])
    return {**words, **times, "switched": migration.switched, "report": migration.report, "differs": differs}


def shown(migration: Migration | None) -> dict[str, Any]:
    """Return what a diff shows of it."""
    return {name: str(getattr(migration, name)) for name in _SHOWN} if migration else {}


class _Reporter:
    """Tells of progress, on the command line and in the registry, when a step begins and else once a second."""

    def __init__(self, registry: Connection, migration: Migration, report: Callable[[str], None]) -> None:
        self._registry, self._migration, self._report, self._next, self._phase = registry, migration, report, 0.0, ""

    def __call__(self, figures: dict[str, Any]) -> None:
        phase = str(figures.get("phase", self._phase))
        if phase == self._phase and time.monotonic() < self._next:
            return
        self._phase, self._next = phase, time.monotonic() + _REPORT_EVERY
        rest = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items() if name != "phase")
        self._report(f"{self._migration.database_name}: {phase.replace('_', ' ')}{': ' if rest else ''}{rest}")
        journal.progress(self._registry, self._migration.id, {**figures, "phase": phase})
