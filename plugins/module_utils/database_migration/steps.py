# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each step of a move does, and what undoes it (domain/migration/steps.py says what they are for, and their order).

Each can be done again after a death in its middle, and undone whether it was begun, done, or undone before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from ..domain.migration.proof import Report
from ..domain.migration.record import MigrationCourse, Strategy
from ..domain.migration.steps import Step
from ..domain.tenant.status import Status
from ..errors import Conflict, PlatformError
from ..odoo import database as odoo_database
from ..pgbouncer.databases import Entry
from ..postgres.connection import AsServer
from ..postgres.deputy import dismiss
from ..postgres.sequences import copy_sequences, settle_sequences
from . import journal, replication, replication_slot
from .dump import Dump, dump, load
from .empty_database import create_empty, read_shape
from .fence import fence, unfence
from .kept_dumps import dumped, keep_files, remove_partial
from .move import Move, Side
from .proof import compare, prepare_snapshot
from .publication import prepare_copy, publish, unpublish
from .quiet_moment import await_quiet_moment
from .schema_fingerprint import explain, schema_fingerprint, structure
from .watch import check_definitions, watching

Detail = dict[str, Any]

_READ_ROLE = "SELECT rolpassword AS verifier, rolconnlimit AS connections FROM pg_authid WHERE rolname = %s"


class Mismatch(PlatformError):
    """The databases are not the same."""

    code = "mismatch"

    def __init__(self, report: Report) -> None:
        super().__init__("the databases differ", found=str(report), expected="equal tables, sequences and large objects")
        self.report = report


def _publish(move: Move) -> Detail:
    with move.source.open() as database:
        publish(database, patience=move.settings.longest_transaction)
    return {}


def _unpublish(move: Move) -> None:
    take_back(move, move.source)


def take_back(move: Move, side: Side) -> None:
    """Leave nothing of the move in the database that the tenant stays in."""
    with side.open() as database:
        unpublish(database, patience=move.settings.longest_transaction)
        dismiss(database, move.database)


def _back_up(move: Move) -> Detail:
    """Dump at the slot's moment, so that slot and dump together miss nothing; offline there is no slot."""
    jobs, folder = move.settings.jobs, dumped(move.backup)
    if move.migration.strategy is Strategy.OFFLINE:
        done = dump(move.source.deputy, folder, jobs=jobs, report=move.report)
    else:
        with replication_slot.create_slot_with_snapshot(
            move.source.address, move.database, move.forward, patience=_patience(move), report=move.report
        ) as snapshot:
            done = _dump_watched(move, folder, snapshot)
    if move.files:
        keep_files(move.backup, move.files)
    return {"folder": str(move.backup), "tables": done.tables, "bytes": done.bytes, "seconds": done.seconds}


def _dump_watched(move: Move, folder: Path, snapshot: str) -> Dump:
    """Dump, but no longer than the tenant leaves its tables as they are. What it changed is why a dump failed."""
    with watching(move, follows=False) as watch:
        try:
            return dump(
                move.source.deputy,
                folder,
                snapshot=snapshot,
                jobs=move.settings.jobs,
                report=move.report,
                watch=watch,
            )
        except PlatformError:
            watch.look()
            raise


def _patience(move: Move) -> replication_slot.Patience:
    return replication_slot.Patience(others=move.settings.slot_timeout, own=move.settings.load_timeout)


def _back_out_offline(move: Move) -> None:
    remove_partial(move.backup)
    with move.source.open() as database:
        dismiss(database, move.database)


def _back_out(move: Move) -> None:
    """Leave a complete dump, which is a backup for its time."""
    remove_partial(move.backup)
    drop_forward_slot(move)


def drop_forward_slot(move: Move) -> None:
    """Let the source remember no longer what the target has not got."""
    with move.source.server() as server:
        replication_slot.drop_slot(server, move.forward)


def _create(move: Move) -> Detail:
    """Make the role with the verifier it has, so clients that wait during the switch need nothing new."""
    verifier, connections = _role(move)
    with move.target.server() as server:
        odoo_database.write_role(server, move.database, verifier, connections)
    where = move.source.address  # the tenant's home: who comes this way before the switch must not write to the copy
    entry = Entry(move.database, move.database, verifier, where.host, where.port)
    move.target.pooler.ensure(entry, present=True, must_run=True, check=False)
    return {}


def _role(move: Move) -> tuple[str, int]:
    with move.source.server() as server:
        row = server.execute(_READ_ROLE, (move.database,)).fetchone()
    if row is None:
        raise PlatformError(f"server {move.source.name} has no role {move.database}")
    return row["verifier"], row["connections"]


def _load(move: Move) -> Detail:
    verifier, connections = _role(move)
    online = move.migration.strategy is Strategy.ONLINE
    with move.target.server() as target:
        odoo_database.drop_database(target, move.database)
    create_empty(move.target.address, move.database, read_shape(move.source.address, move.database), verifier, connections)
    if online:
        with move.source.open() as source, move.target.address.into_unfinished(move.database) as copy:
            prepare_copy(source, copy)
    with ExitStack() as stack:
        watch = stack.enter_context(watching(move, follows=False)) if online else None
        load(move.target.deputy, dumped(move.backup), jobs=move.settings.jobs, report=move.report, watch=watch)
    return {}


def _remove_target(move: Move) -> None:
    """Remove all there is at the target, where nobody has been."""
    _remove(move, move.target)
    leave_pooler(move, move.target)


def leave_pooler(move: Move, side: Side) -> None:
    """Remove PgBouncer's entry at one side: nobody comes through it."""
    side.pooler.ensure(Entry(move.database, move.database), present=False, must_run=False, check=False)


def _remove(move: Move, side: Side) -> None:
    """Remove database and role. PgBouncer's entry stays as long as an Odoo may come through it: until that is started anew."""
    with side.server() as server:
        odoo_database.remove(server, move.database)


def _subscribe(move: Move) -> Detail:
    with move.target.open() as database:
        replication.subscribe(database, move.target.deputy, move.source.address, move.forward)
    return {}


def _unsubscribe_target(move: Move) -> None:
    _unsubscribe(move.target, move.forward)


def _unsubscribe(side: Side, name: str) -> None:
    with side.server() as server:
        there = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", (side.database,)).fetchone()
    if there:
        with side.open() as database:
            replication.unsubscribe(database, name)


def _catch_up(move: Move) -> Detail:
    """Wait until what is left takes a moment. What others write on the server counts too, hence the sentinel."""
    end = time.monotonic() + move.settings.catch_up_timeout
    with watching(move, follows=True) as watch, move.source.server() as server:
        while (behind := replication.lag(server, move.forward).bytes) > move.settings.catch_up_bytes:
            watch.report({"phase": "catch up", "lag_bytes": behind})
            _check_time(end, behind)
            time.sleep(0.5)
        with move.source.open() as source, move.target.open() as target:
            replication.wait_for_sentinel(
                target, replication.write_sentinel(source), max(1, end - time.monotonic()), watch.report
            )
        watch.look()
    return {"lag_bytes": behind}


def _check_time(end: float, behind: int) -> None:
    if time.monotonic() > end:
        raise Conflict("the target does not catch up", found=f"{behind} bytes behind", action="move it when less is written")


def _check_same_schema(source: AsServer, target: AsServer) -> dict[str, str]:
    """Return the definitions of both. Raises Conflict when they differ."""
    expected = schema_fingerprint(target)
    _check_definitions(source, schema_fingerprint(source), target, expected)
    return expected


def _check_definitions(source: AsServer, found: Mapping[str, str], target: AsServer, expected: Mapping[str, str]) -> None:
    """Raise Conflict, in words, when the fingerprints are not the same; they are quicker to get than words."""
    check_definitions(source, explain(structure(target), structure(source)) if found != expected else [])


def _way_back(move: Move) -> Detail:
    """Before anybody waits: a slot is made only once all transactions that write have ended."""
    with move.target.open() as database:
        publish(database, patience=move.settings.longest_transaction)
    with watching(move, follows=True) as watch:
        replication_slot.create_slot(
            move.target.address, move.database, move.reverse, patience=_patience(move), report=watch.report
        )
    with move.source.open() as database:
        replication.subscribe(database, move.source.deputy, move.target.address, move.reverse, enabled=False)
    return {}


def close_way_back(move: Move) -> None:
    """Let the source follow no longer. The slot first: it is what holds back the log of a server that is in use."""
    with move.target.server() as server:
        replication_slot.drop_slot(server, move.reverse)
    _unsubscribe(move.source, move.reverse)


@contextmanager
def ready(move: Move, left: Side, home: Side) -> Iterator[None]:
    """Do what would else keep clients waiting, from freeze to switch: connect, read definitions, copy most sequences.

    What would then break off, a table that was altered, does so before anybody waits.
    """
    with left.hold() as source, home.hold() as target:
        home.prepared.fingerprint = _check_same_schema(source, target)
        _copy_sequences(left, home)
        if move.migration.tenant_status is Status.RUNNING:
            await_quiet_moment(move, left, home, rehearse=lambda: _rehearse(move, left, home))
        yield


def _rehearse(move: Move, left: Side, home: Side) -> None:
    """Do what clients are going to wait for, as far as it has no effect."""
    _drain_to(move, left, home)
    _copy_sequences(left, home)
    journal.progress(move.registry, move.migration.id, {})


def _freeze(move: Move, left: Side | None = None) -> Detail:
    side = left or move.source
    begin = time.monotonic()
    move.pause(side)
    try:
        with side.at_hand() as database, side.at_hand_as_tenant() as tenant:
            spare = [tenant.info.backend_pid]
            fence(database, move.database, move.database, timeout=move.settings.drain_timeout, spare=spare)
            settle_sequences(tenant)  # or a crash of this server would be taken for a difference when both are compared
    except PlatformError:
        move.resume()
        raise
    return {"seconds": round(time.monotonic() - begin, 3)}


def _unfreeze(move: Move) -> None:
    with move.source.server() as server:
        unfence(server, move.database)
    move.route(move.source)


def _drain(move: Move) -> Detail:
    _drain_to(move, move.source, move.target)
    return {}


def _drain_to(move: Move, left: Side, home: Side) -> None:
    with left.at_hand() as source, home.at_hand() as target:
        row = replication.write_sentinel(source)
        fingerprint = schema_fingerprint(source)  # while the row is on its way
        replication.wait_for_sentinel(target, row, move.settings.drain_timeout)
        expected = home.prepared.fingerprint or schema_fingerprint(target)
        _check_definitions(source, fingerprint, target, expected)
        # Or a server killed right now would have lost what has arrived, and nobody would look again.
        replication.durable_position(target)


def _sequences(move: Move) -> Detail:
    return {"sequences": _copy_sequences(move.source, move.target)}


def _copy_sequences(left: Side, home: Side) -> int:
    with left.at_hand_as_tenant() as source, home.at_hand_as_tenant() as target:
        return copy_sequences(source, target)


def _reverse(move: Move) -> Detail:
    with move.target.at_hand() as target:
        replication.unsubscribe(target, move.forward)
        position = replication.durable_position(target)
    with move.source.at_hand() as source:
        replication.subscribe(source, move.source.deputy, move.target.address, move.reverse, start=position)
    return {"position": position}


def _switch(move: Move) -> Detail:
    """Journaled by the registry itself, in the transaction that moves the home."""
    now, settings = move.clock(), move.settings
    way_back_until = now + timedelta(seconds=settings.way_back) if move.migration.strategy is Strategy.ONLINE else None
    keep_until = now + timedelta(seconds=settings.keep)
    journal.switch(move.registry, move.migration.id, way_back_until=way_back_until, keep_until=keep_until)
    return {}


def _thaw(move: Move) -> Detail:
    move.route(move.target)
    return {}


def _verify(move: Move) -> Detail:
    """Online, both are brought to the same moment once more by a short pause, through the way back, which that proves too."""
    with ExitStack() as pinned:
        if online := move.migration.strategy is Strategy.ONLINE:
            drop_forward_slot(move)
        pending = [pinned.enter_context(prepare_snapshot(side.open_as_tenant)) for side in move.sides]
        with ExitStack() as moment:
            if online:
                moment.enter_context(_same_moment(move))
            snapshots = (pending[0].pin(), pending[1].pin())
        report = compare(
            move.source.doors,
            move.target.doors,
            snapshots,
            in_use=online,
            jobs=move.settings.jobs,
            progress=lambda done, total: move.report({"phase": "verify", "tables_done": done, "tables": total}),
        )
    if not report.equal:
        raise Mismatch(report)
    return {"report": report.as_dict()}


@contextmanager
def _same_moment(move: Move) -> Iterator[None]:
    """Keep clients waiting while both databases hold the same."""
    with move.source.hold() as source, move.target.hold() as target, move.paused(move.target):
        replication.wait_for_sentinel(source, replication.write_sentinel(target), move.settings.drain_timeout)
        yield


def _freeze_back(move: Move) -> Detail:
    return _freeze(move, move.target)


def _drain_back(move: Move) -> Detail:
    _drain_to(move, move.target, move.source)
    return {}


def _sequences_back(move: Move) -> Detail:
    copied = _copy_sequences(move.target, move.source)
    with move.source.at_hand() as source:
        replication.durable_position(source)
    return {"sequences": copied}


def _switch_back(move: Move) -> Detail:
    journal.switch_back(move.registry, move.migration.id)
    return {}


def _unfreeze_back(move: Move) -> None:
    with move.target.server() as server:
        unfence(server, move.database)
    move.route(move.target)


def _thaw_back(move: Move) -> Detail:
    _unfreeze(move)
    return {}


def _discard(move: Move) -> Detail:
    close_way_back(move)
    _remove(move, move.target)
    _unpublish(move)
    return {}


def drop_former(move: Move) -> None:
    """Remove the database that was left."""
    _remove(move, move.source)


@dataclass(frozen=True)
class Action:
    """A step as code."""

    do: Callable[[Move], Detail]
    undo: Callable[[Move], None] = lambda move: None


_ONLINE: Mapping[Step, Action] = {
    Step.PUBLISH: Action(_publish, _unpublish),
    Step.BACK_UP: Action(_back_up, _back_out),
    Step.CREATE: Action(_create, _remove_target),
    Step.LOAD: Action(_load),
    Step.SUBSCRIBE: Action(_subscribe, _unsubscribe_target),
    Step.CATCH_UP: Action(_catch_up),
    Step.WAY_BACK: Action(_way_back, close_way_back),
    Step.FREEZE: Action(_freeze, _unfreeze),
    Step.DRAIN: Action(_drain),
    Step.SEQUENCES: Action(_sequences),
    Step.REVERSE: Action(_reverse),
    Step.SWITCH: Action(_switch),
    Step.THAW: Action(_thaw),
    Step.VERIFY: Action(_verify),
}
ACTIONS: Mapping[MigrationCourse, Mapping[Step, Action]] = {
    MigrationCourse.ONLINE: _ONLINE,
    MigrationCourse.OFFLINE: {**_ONLINE, Step.BACK_UP: Action(_back_up, _back_out_offline)},
    MigrationCourse.RETURN: {
        Step.FREEZE: Action(_freeze_back, _unfreeze_back),
        Step.DRAIN: Action(_drain_back),
        Step.SEQUENCES: Action(_sequences_back),
        Step.SWITCH: Action(_switch_back),
        Step.THAW: Action(_thaw_back),
        Step.DISCARD: Action(_discard),
    },
}
