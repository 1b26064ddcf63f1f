# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A whole database to another server: dumped at a snapshot, kept as a backup, loaded into an empty database.

The tenant's deputy dumps and loads: a restore evaluates whatever the tenant has put into constraints and indexes.

A dump is a folder (pg_dump's directory format). It is complete only with its record, which is written last.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from ..errors import Conflict, NotFound, PlatformError, Unavailable
from ..host import files
from ..postgres.connection import Address
from ..postgres.deputy import Deputy
from ..postgres.program import program_of, run_program

#: How progress is told: figures by name.
ProgressReport = Callable[[dict[str, Any]], None]
#: What looks on, and raises what is to end it.
Watch = Callable[[], None]

_RECORD = "saasodoo-dump.json"
_SIZES = """
SELECT relname AS name, pg_table_size(c.oid)::bigint AS bytes FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE relkind = 'r' AND relpersistence <> 't' AND nspname NOT IN ('pg_catalog', 'information_schema')
AND c.oid NOT IN (SELECT objid FROM pg_depend WHERE deptype = 'e' AND classid = 'pg_class'::regclass)
"""
_COPYING = "SELECT coalesce(sum(bytes_processed), 0)::bigint AS bytes FROM pg_stat_progress_copy WHERE datname = %s"
# Whoever waits for a table that is being dumped keeps all others waiting for it. Of the statement only the first word is told.
_BEHIND_DUMP = """
SELECT format('%I.%I', n.nspname, c.relname) AS title, upper(substring(a.query FROM '\\w+')) AS command
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid JOIN pg_class c ON c.oid = l.relation
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND a.application_name <> 'pg_dump' AND pg_blocking_pids(l.pid) && array(
    SELECT pid FROM pg_stat_activity WHERE application_name = 'pg_dump' AND datname = current_database())
LIMIT 1
"""
_NOT_LOCKED = re.compile(r'could not obtain lock on relation "(.+?)"')
# What the programs say of an item when it is done; tables of one name in several schemas look alike there.
# Several processes write to one pipe, name and message apart: what stands before a message may be another one's name.
_FINISHED = re.compile(r"finished item \d+ (?:TABLE DATA (?P<table>.*)|.*)$")
_OPTIONS = ("--no-publications", "--no-subscriptions")
# The platform's own schema in a tenant's database is the superuser's, who makes it at the target himself (publication.py).
_NOT_OURS = "--exclude-schema=saasodoo_migration"
# Extensions that the superuser has made (empty_database.py) are not the tenant's to comment on; making them again does nothing.
_ABOUT_EXTENSION = " COMMENT - EXTENSION "


@dataclass
class _Progress:
    """Counts what a program has done, and tells it when it has changed."""

    phase: str
    sizes: Mapping[str, list[int]]
    report: ProgressReport | None
    tables: int = 0
    bytes: int = 0
    others: int = 0
    _running: int = 0
    _done: dict[str, int] = field(default_factory=dict)
    _reported: dict[str, Any] = field(default_factory=dict)

    def count(self, line: str) -> None:
        """Count what a line says is finished."""
        found = _FINISHED.search(line)
        if not found:
            return
        table = found["table"]
        if table is None:
            self.others += 1
            return
        self.tables += 1
        nth = self._done[table] = self._done.get(table, -1) + 1
        self.bytes += (self.sizes.get(table, [])[nth:] or [0])[0]

    def copying(self, running: int) -> None:
        """Note how many bytes of unfinished tables are through, and tell."""
        total = sum(map(sum, self.sizes.values()))
        self._running = max(self._running, min(self.bytes + running, total), self.bytes)
        figures = {"phase": self.phase, "tables_done": self.tables, "tables": sum(map(len, self.sizes.values()))}
        figures |= {"bytes_done": self._running, "bytes": total, "others_done": self.others}
        if self.report and figures != self._reported:
            self.report(dict(figures))
        self._reported = figures


@dataclass(frozen=True)
class Dump:
    """A complete dump: ``bytes`` is the size of the tables on the server, ``stored`` that of the folder."""

    folder: Path
    database: str
    tables: int
    bytes: int
    stored: int
    seconds: float
    sizes: Mapping[str, list[int]] = field(repr=False)


def dump(
    deputy: Deputy,
    folder: Path,
    *,
    snapshot: str | None = None,
    jobs: int = 2,
    report: ProgressReport | None = None,
    watch: Watch | None = None,
) -> Dump:
    """Dump the deputy's database into ``folder``, which is made anew; at ``snapshot`` where one is given.

    ``jobs`` tables at a time, at least two. A table that is being altered is waited for 30 s. Publications and subscriptions
    are left out. Progress: phase, tables_done, tables, bytes_done, bytes, others_done. ``watch`` is called twice a second; what
    it raises ends the dump. So does somebody who waits to alter a table, since all others then wait behind that: Conflict.
    Raises PlatformError, Unavailable.
    """
    files.remove(folder)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    begin = time.monotonic()
    address, database = deputy.address, deputy.database
    deputy.ensure()
    sizes = _table_sizes(address, database)
    options = [
        "--format=directory",
        f"--jobs={max(2, jobs)}",
        "--compress=1",
        "--verbose",
        "--lock-wait-timeout=30s",
        _NOT_OURS,
        *_OPTIONS,
    ]
    options += [f"--snapshot={snapshot}"] if snapshot else []
    command: list[str | Path] = [program_of(address, "pg_dump"), *options, f"--file={folder}", f"--dbname={database}"]
    folder.mkdir(mode=0o700)  # pg_dump takes an empty one; it is nobody else's to read
    with address.inside(database) as connection:

        def look() -> None:
            if row := connection.execute(_BEHIND_DUMP).fetchone():
                raise _in_the_way(row["title"], f"a statement {row['command']} waited for that")
            if watch:
                watch()

        try:
            _follow(deputy, command, _Progress("dump", sizes, report), watch=look)
        except PlatformError as error:
            if refused := _NOT_LOCKED.search(str(error)):
                raise _in_the_way(refused[1], "it could not be locked for that") from None
            raise
    stored = sum(path.stat().st_size for path in folder.iterdir())
    made = Dump(
        folder=folder,
        database=database,
        tables=sum(map(len, sizes.values())),
        bytes=sum(map(sum, sizes.values())),
        stored=stored,
        seconds=round(time.monotonic() - begin, 3),
        sizes=sizes,
    )
    _write_record(folder, {name: value for name, value in asdict(made).items() if name != "folder"})
    return made


def _in_the_way(table: str, found: str) -> Conflict:
    what = f"table {table} was to be altered or emptied while it was copied"
    return Conflict(what, found=found, action="move it while no module is installed or upgraded")


def read_dump(folder: Path) -> Dump:
    """Return what is known of a complete dump. Raises NotFound when there is none, or only part of one."""
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound(f"no complete dump in {folder}", action="make it again") from None
    return Dump(folder=folder, **record)


def is_dumped(folder: Path) -> bool:
    """Whether the folder holds a complete dump."""
    return (folder / _RECORD).exists()


def load(
    deputy: Deputy,
    folder: Path,
    *,
    jobs: int = 2,
    report: ProgressReport | None = None,
    watch: Watch | None = None,
) -> None:
    """Load a complete dump into the deputy's empty database and ANALYZE it; ``jobs`` items at a time, at least two.

    All of it is the tenant's then; the roles that are granted something have to be there. A load that was broken off can't be
    continued: drop the database, make it again. Progress and ``watch`` as of ``dump``; others_done counts indexes, constraints
    and such. Raises PlatformError, NotFound, Unavailable.
    """
    read = read_dump(folder)
    parallel, into = f"--jobs={max(2, jobs)}", f"--dbname={deputy.database}"
    deputy.ensure()
    pg_restore = program_of(deputy.address, "pg_restore")
    restore: list[str | Path] = [
        pg_restore,
        "--exit-on-error",
        "--verbose",
        parallel,
        into,
        f"--role={deputy.database}",
        *_OPTIONS,
    ]
    # Commits need not wait for the disk: those of ANALYZE do, after all of these.
    unhurried = "-c synchronous_commit=off"
    restore += [f"--use-list={_what_to_restore(deputy, pg_restore, folder)}", folder]
    _follow(deputy, restore, _Progress("load", read.sizes, report), options=unhurried, watch=watch)
    if report:
        report({"phase": "analyze"})
    analyze: list[str | Path] = [program_of(deputy.address, "vacuumdb"), "--analyze-only", parallel, into]
    _run(deputy, analyze, tick=watch or (lambda: None), options="-c synchronous_commit=on")


def _what_to_restore(deputy: Deputy, pg_restore: Path, folder: Path) -> Path:
    """Write down what of the dump is the tenant's to restore, and return that file."""
    contents = folder / "contents"
    _run(deputy, [pg_restore, "--list", f"--file={contents}", folder])
    lines = contents.read_text(encoding="utf-8").splitlines(keepends=True)
    files.write(contents, "".join(line for line in lines if _ABOUT_EXTENSION not in line), 0o600)
    return contents


def _run(deputy: Deputy, command: Sequence[str | Path], *, tick: Watch = lambda: None, options: str = "") -> None:
    run_program(deputy.address.name, deputy.parameters(), command, on_line=lambda line: None, tick=tick, options=options)


def _table_sizes(address: Address, database: str) -> dict[str, list[int]]:
    sizes: dict[str, list[int]] = {}
    with address.inside(database) as connection:
        connection.execute("SET lock_timeout = '30s'")
        try:
            for row in connection.execute(_SIZES):
                sizes.setdefault(row["name"], []).append(row["bytes"])
        except psycopg.errors.LockNotAvailable:
            raise Conflict("a table stays locked, so it can't be copied", action="try again later") from None
    return sizes


def _follow(
    deputy: Deputy,
    command: Sequence[str | Path],
    progress: _Progress,
    *,
    options: str = "",
    watch: Watch | None = None,
) -> None:
    """Run a program and tell how far it is."""
    with deputy.address.connect() as server:

        def tick() -> None:
            try:
                row = server.execute(_COPYING, (deputy.database,)).fetchone()
            except psycopg.OperationalError as error:
                raise Unavailable(f"server {deputy.address.name} went away", found=str(error).strip()) from None
            progress.copying(int(row["bytes"]) if row else 0)
            if watch:
                watch()

        run_program(deputy.address.name, deputy.parameters(), command, on_line=progress.count, tick=tick, options=options)


def _write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write the record once all else is on disk; pg_dump has seen to its own files."""
    files.write(folder / _RECORD, json.dumps(record))
    for path in (folder, folder.parent):
        with files.opened(path) as entries:
            os.fsync(entries.descriptor)
