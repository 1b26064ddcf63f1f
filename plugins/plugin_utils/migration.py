# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The states of the noun database_migration: which part of a move each stands for, and what it reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters import (
    database_migration,
    migration_preflight,
    registry,
    tenants,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.migration_dumps import folder_of
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.migration_journal import MigrationJournal
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.migration_move import Move, Settings, Side
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.migration_steps import Mismatch
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.pgbouncer_network import pgbouncer
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.postgres import Address
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.registry import Connection
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.secrets import read_platform_key
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.servers import Servers
from ansible_collections.saasodoo.platform.plugins.module_utils.domain import preflight
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.database_server import Server
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.lifecycle import Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration import EXPLAINED, STEPS, Decision, Phase, take_up
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration_record import (
    Migration,
    MigrationCourse,
    MigrationStatus,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict, NotFound, PlatformError
from ansible_collections.saasodoo.platform.plugins.module_utils.reporting import Outcome
from ansible_collections.saasodoo.platform.plugins.plugin_utils.progress import tell

_COMPARED = ("tables", "rows", "sequences", "large_objects")
_TOLD_EVERY = 1.0  # seconds

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
    """The migrations of one tenant, as a task asks for them; ``options`` are the noun's."""

    connection: Connection
    tenant: Tenant
    options: Mapping[str, Any]
    journal: MigrationJournal = field(init=False)

    def __post_init__(self) -> None:
        self.journal = MigrationJournal(self.connection)

    def bring_to(self, state: str, *, check: bool) -> Outcome:
        """Bring the tenant's unfinished migration to ``state``. Raises Conflict where it has none that could be.

        In check mode only planned says more than that the state will be reached: what comes after rests on it.
        """
        found = self.journal.open_of(self.tenant.id)
        if state == "planned":
            return self._planned(found, check=check)
        if state == "kept":
            kept = found if found and found.status is MigrationStatus.KEPT else None
            return Outcome(facts={"migration": kept and {**(fact(kept) or {}), **self._about(self.move(kept), kept)}})
        if found is None and state in ("taken_up", "proved", "undone", "settled"):
            return Outcome(facts={"migration": None})
        if check:
            return Outcome(shown(found), shown(found) | {"state": state}, {"migration": fact(found)})
        before = shown(found)
        move = self.move(self._needed(found))
        done = STATES[state](self, move)
        return Outcome(
            before, shown(done), {"migration": {**(fact(done) or {}), **self._about(move, done)}}, forced=done != found
        )

    def _about(self, move: Move, migration: Migration) -> dict[str, Any]:
        """Return what follows from the migration and the present."""
        now = registry.now(self.connection)
        over = {
            name: bool(until and until <= now)
            for name, until in (("way_back_over", migration.way_back_until), ("keep_over", migration.keep_until))
        }
        returning = migration.status is MigrationStatus.UNDER_WAY and database_migration.is_returning(move)
        left = move.target if returning or migration.status is MigrationStatus.RETURNED else move.source
        return {**over, "returning": returning, "clients": left.clients}

    def _planned(self, found: Migration | None, *, check: bool) -> Outcome:
        """Choose the strategy, look for obstacles, and record the migration as under way. One that is under way stays."""
        if found and found.status is MigrationStatus.UNDER_WAY:
            return Outcome(shown(found), shown(found), {"migration": fact(found)})
        source, target = self.home_server(), str(self.options["target"])
        goal = self.tenant.status if self.tenant.status in (Status.RUNNING, Status.STOPPED) else Status(self.options["goal"])
        sides = self._address(source), self._address(target)
        running = goal is Status.RUNNING
        places = {name: self._server(name).max_instances for name in (source, target)}
        findings = migration_preflight.measure(*sides, self.tenant.database_name, self._backups, places)
        strategy, reason = preflight.choose(self.options["strategy"], findings, running=running)
        settings = preflight.Settings(longest_transaction_seconds=self.options["settings"]["longest_transaction"])
        if obstacles := preflight.obstacles(findings, strategy, settings, running=running):
            what = f"{self.tenant.database_name} can't be moved {strategy} from {source} to {target}"
            raise Conflict(what, found=" | ".join(obstacles))
        notes = preflight.notes(findings, strategy, running=running)
        for note in notes:
            tell(f"{self.tenant.database_name}: {note}")
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
        begun = self.journal.start(
            tenant_id=self.tenant.id,
            database_name=self.tenant.database_name,
            strategy=strategy,
            source=source,
            target=target,
            tenant_status=goal,
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
            journal=self.journal,
            backup=self._backups / folder_of(migration),
            files=Path(files) if files else None,
            settings=Settings(**given),
            clock=partial(registry.now, self.connection),
            say=_Teller(self.journal, migration),
        )

    @property
    def _backups(self) -> Path:
        return Path(self.options["home"]) / "backups" / self.tenant.short_id

    def side(self, name: str, database: str) -> Side:
        """Return a server and its PgBouncer. Raises NotFound."""
        server, folder = self._server(name), Path(self.options["home"]) / "pgbouncer" / name
        pooler = pgbouncer(folder, server.pooler_host, server.pooler_port, self.options["platform_key_file"])
        return Side(self._address(name), pooler, database, Path(self.options["home"]) / "log" / f"postgres-{name}.log")

    def _address(self, name: str) -> Address:
        server = self._server(name)
        return Address(server.host, server.port, name, read_platform_key(self.options["platform_key_file"]))

    def _server(self, name: str) -> Server:
        server = next((each for each in Servers(self.connection).fleet() if each.name == name), None)
        if server is None:
            raise NotFound(f"there is no server {name}", action="see saasodoo.platform.postgres_server_info")
        return server

    def home_server(self) -> str:
        """Return the name of the server the tenant lives on. Raises Conflict when it has none."""
        server = tenants.server_of(self.connection, self.tenant.id)
        if server is None:
            raise Conflict(f"tenant {self.tenant.name} has no database to move", found=self.tenant.provisioning_status)
        return str(server["name"])

    def _needed(self, found: Migration | None) -> Migration:
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


_WORDS = ("id", "status", "strategy", "reason", "source", "target", "tenant_status", "message")
_TIMES = ("switched_at", "way_back_until", "keep_until")
_SHOWN = ("status", "strategy", "reason", "source", "target", *_TIMES)


class _Teller:
    """Tells of progress, on the command line and in the registry, when a step begins and else once a second."""

    def __init__(self, journal: MigrationJournal, migration: Migration) -> None:
        self._journal, self._migration, self._next, self._phase = journal, migration, 0.0, ""

    def __call__(self, figures: dict[str, Any]) -> None:
        phase = str(figures.get("phase", self._phase))
        if phase == self._phase and time.monotonic() < self._next:
            return
        self._phase, self._next = phase, time.monotonic() + _TOLD_EVERY
        rest = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items() if name != "phase")
        tell(f"{self._migration.database_name}: {phase.replace('_', ' ')}{': ' if rest else ''}{rest}")
        self._journal.progress(self._migration.id, {**figures, "phase": phase})


def _taken_up(asked: Migrations, move: Move) -> Migration:
    """Decide about what a dead run left; of what is merely kept, make an end before another move."""
    migration, journal = move.migration, move.journal
    if migration.status is MigrationStatus.KEPT:
        return migration
    course = database_migration.course_of(move)
    if database_migration.is_returning(move):
        if asked.options["again"]:
            what = f"tenant {asked.tenant.name} is on its way back to {migration.source}"
            raise Conflict(what, action="end that first (playbooks/tenant_migrate_back.yml)")
        return migration
    decision = take_up(database_migration.standing_of(move, course), again=asked.options["again"])
    if decision is Decision.UNDO:
        return database_migration.give_up(move, asked.options["message"] or "the run that moved it died")
    return journal.get(migration.id)


def _advanced(phase: Phase, asked: Migrations, move: Move) -> Migration:
    database_migration.advance(move, database_migration.course_of(move), phase)
    return move.journal.get(move.migration.id)


def _verified(asked: Migrations, move: Move) -> Migration:
    """Compare, and go back by itself where something differs: what was written since goes with it."""
    try:
        _advanced(Phase.VERIFIED, asked, move)
    except Mismatch as error:
        if not database_migration.has_switched(move):
            raise
        if changed := database_migration.changed_since(move):  # by the tenant; there is no going back either
            return database_migration.keep_changed(move, changed, error)
        database_migration.go_back(move, Phase.RETURNED)
        database_migration.leave_target(move)
        database_migration.has_returned(move, f"moved back: {error}")
        raise
    except PlatformError as error:
        if not database_migration.has_switched(move):
            raise
        tell(f"{move.database}: {database_migration.UNPROVED}: {error}")
        return database_migration.keep_unproved(move, error)
    kept = database_migration.keep(move)
    _tell_report(kept)
    return kept


def _tell_report(kept: Migration) -> None:
    if kept.report and kept.report["equal"]:
        found = ", ".join(f"{kept.report[name]} {name.replace('_', ' ')}" for name in _COMPARED)
        tell(f"{kept.database_name}: {found}: equal on {kept.source} and {kept.target}")


def _proved(asked: Migrations, move: Move) -> Migration:
    """Compare what was not compared at the end of its move; what is under way, or was compared, stays."""
    if move.migration.status is not MigrationStatus.KEPT or move.migration.report or not move.migration.way_back_until:
        return move.migration
    done = database_migration.prove(move)
    _tell_report(done)
    return done


def _undone(asked: Migrations, move: Move) -> Migration:
    """Undo what is under way; what is merely kept stays, as when the way back was refused."""
    if move.migration.status is MigrationStatus.KEPT:
        return move.migration
    return database_migration.give_up(move, asked.options["message"])


def _switched_back(asked: Migrations, move: Move) -> Migration:
    database_migration.go_back(move, Phase.SWITCHED)
    return move.journal.get(move.migration.id)


def _returned(asked: Migrations, move: Move) -> Migration:
    database_migration.go_back(move, Phase.RETURNED)
    return database_migration.has_returned(move, asked.options["message"])


def _way_back_closed(asked: Migrations, move: Move) -> Migration:
    database_migration.end_way_back(move)
    return move.journal.get(move.migration.id)


def _settled(asked: Migrations, move: Move) -> Migration:
    return database_migration.settle(move, asked.options["message"])


STATES: dict[str, Callable[[Migrations, Move], Migration]] = {
    "taken_up": _taken_up,
    "copied": partial(_advanced, Phase.COPIED),
    "following": partial(_advanced, Phase.FOLLOWING),
    "switched": partial(_advanced, Phase.SWITCHED),
    "verified": _verified,
    "proved": _proved,
    "undone": _undone,
    "switched_back": _switched_back,
    "returned": _returned,
    "way_back_closed": _way_back_closed,
    "settled": _settled,
}
