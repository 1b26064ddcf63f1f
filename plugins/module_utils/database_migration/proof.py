# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The proof that two databases hold the same: every table by count and hash, read at a moment that was pinned on both.

The servers hash row by row and add up, so neither the order of rows nor the size of a table matters, and no row leaves its
server. An opener gives a connection to the database, not through PgBouncer, as often as it is called. Rows are read as the
tenant; only large objects are not, since their pages are a catalog that the superuser alone may read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import psycopg
from psycopg import sql

from ..domain.migration.proof import Contents, Report, Sequence, Table, report
from ..errors import PlatformError, Unavailable
from ..postgres.connection import AsServer, AsTenant, Connection, one

#: Opens the database as the tenant.
Opener = Callable[[], AbstractContextManager[AsTenant]]
#: Is told how many tables of how many are hashed, source and target together.
Progress = Callable[[int, int], None]

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_JOBS = 4  # connections to each server
_CHUNK = 200  # sequences in one statement
# Whatever the server, the database or the role have set: values become text in one way only, and no time limit ends it.
_SETTINGS = {
    "DateStyle": "ISO, YMD", "IntervalStyle": "postgres", "TimeZone": "UTC", "extra_float_digits": "3", "bytea_output": "hex",
    "lc_monetary": "C", "search_path": "", "statement_timeout": "0", "idle_in_transaction_session_timeout": "0",
    "row_security": "off",  # a row that is hidden is an error, not a row less
    # Shorter than deadlock_timeout: a transaction of the tenant's is never the one that has to give way.
    "lock_timeout": "500ms",
}  # fmt: skip
# What the platform itself needs for moving a database is no part of it.
_OURS = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', 'saasodoo_migration')"
# Partitions are tables of their own, and what they are partitions of holds no rows. Foreign and temporary tables are not here.
_WHICH = f"c.relkind = 'r' AND c.relpersistence <> 't' AND {_OURS}"
_TABLES = f"""
SELECT n.nspname AS schema, c.relname AS name, format('%I.%I', n.nspname, c.relname) AS label,
    pg_table_size(c.oid) AS size_bytes,
    array(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          ORDER BY a.attname) AS columns,
    array(SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attname) AS types
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_WHICH}
ORDER BY size_bytes DESC
"""
_NAMES = f"""
SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_WHICH}
"""
_SEQUENCES = f"""
SELECT n.nspname AS schema, c.relname AS name, format('%I.%I', n.nspname, c.relname) AS label, s.seqincrement AS increment
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' AND {_OURS}
ORDER BY 1, 2
"""
_HASH = """
SELECT count(*) AS rows, coalesce(sum(hashtextextended((ROW({columns})::text) COLLATE "C", 0)), 0) AS digest FROM ONLY {table}
"""
# A large object may be stored with holes or without: pages are hashed without the zeros at their end, besides its length.
_LARGE_OBJECTS = """
SELECT (SELECT count(*) FROM pg_largeobject_metadata) AS count,
    (SELECT coalesce(sum(hashtextextended(ROW(oid, length)::text COLLATE "C", 0)), 0)
     FROM pg_largeobject_metadata LEFT JOIN (SELECT loid, max(pageno::bigint * 2048 + length(data)) AS length
                                             FROM pg_largeobject GROUP BY loid) AS lengths ON loid = oid)
    + (SELECT coalesce(sum(hashtextextended(ROW(loid, pageno, md5(page))::text COLLATE "C", 0)), 0)
       FROM (SELECT loid, pageno, rtrim(data, '\\x00'::bytea) AS page FROM pg_largeobject) AS pages WHERE page <> ''::bytea)
    AS digest
"""


@dataclass(frozen=True)
class Doors:
    """The two ways into one of the databases."""

    as_tenant: Opener
    as_server: Callable[[], AbstractContextManager[AsServer]]


@dataclass(frozen=True)
class _Found:
    """A table to be hashed; ``label`` has quotes where they are needed, or two tables could have one."""

    schema: str
    name: str
    label: str
    size_bytes: int
    columns: list[str]
    types: list[str]


@dataclass(frozen=True)
class Snapshot:
    """A moment of a database: what other transactions take to see it, and the sequences, which no snapshot holds still.

    ``connection`` is the one that pinned it and has its tables locked.
    """

    name: str
    sequences: Mapping[str, Sequence]
    connection: AsTenant


@dataclass(frozen=True)
class Pending:
    """All that has to be done before a moment is pinned, done; sequences are as they were then."""

    sequences: Mapping[str, Sequence]
    connection: AsTenant

    def pin(self) -> Snapshot:
        """Pin the present moment, in a millisecond; call it while nobody writes."""
        with _clear_errors():
            row = one(self.connection.execute("SELECT pg_export_snapshot() AS name"))
        return Snapshot(row["name"], self.sequences, self.connection)


@contextmanager
def prepare_snapshot(opener: Opener) -> Iterator[Pending]:
    """Make ready to pin a moment; both last as long as the block goes.

    Until then all tables are locked against being altered, dropped and truncated, as pg_dump does, since a snapshot does
    not see through that; reading and writing goes on. Raises Unavailable when a table is locked by somebody else.
    """
    with opener() as connection:
        with _clear_errors():
            pending = _prepare(connection)
        yield pending  # that the connection is closed ends the transaction


def _prepare(connection: AsTenant) -> Pending:
    connection.execute(sql.SQL("SET lock_timeout = {}").format(_SETTINGS["lock_timeout"]))
    sequences = _sequences(connection)
    names = [sql.SQL("ONLY {}").format(sql.Identifier(row["schema"], row["name"])) for row in connection.execute(_NAMES)]
    connection.execute(_BEGIN)
    _pin_settings(connection)
    if names:  # neither this nor setting anything takes the snapshot yet
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(sql.SQL(", ").join(names)))
    return Pending(sequences, connection)


def compare(
    source: Doors,
    target: Doors,
    snapshots: tuple[Snapshot, Snapshot],
    *,
    in_use: bool = False,
    jobs: int = _JOBS,
    progress: Progress | None = None,
) -> Report:
    """Compare two databases at the moments ``snapshots`` pinned (source, target); their export must not have ended.

    ``in_use`` tells that people work on the target already: its sequences may then be ahead. Each server is read over
    ``jobs`` connections. Raises Unavailable when a server goes away, PlatformError when a table can't be read.
    """
    begin = time.monotonic()
    with _clear_errors(), ThreadPoolExecutor(2 * (jobs + 1)) as pool:
        sides = [_Side(doors, snapshot) for doors, snapshot in zip((source, target), snapshots, strict=True)]
        count = _Counter(sum(side.describe() for side in sides), progress)
        try:
            working = [pool.submit(side.work, count) for side in sides for _job in range(jobs)]
            objects = [pool.submit(side.hash_large_objects) for side in sides]
            for done in (*working, *objects):
                done.result()
        except BaseException:
            for side in sides:
                side.give_up()
            raise
        for side in sides:
            side.work_off(count)
    return report(sides[0].contents(), sides[1].contents(), time.monotonic() - begin, in_use=in_use)


class _Counter:
    """Counts what several threads do; a count lost between two of them only makes progress look slower."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total, self._progress, self._done = total, progress, 0

    def step(self) -> None:
        self._done += 1
        if self._progress:
            self._progress(self._done, self._total)


class _Side:
    """One of the two databases while it is read; the largest tables come first, so that none is left over at the end."""

    def __init__(self, doors: Doors, snapshot: Snapshot) -> None:
        self._doors, self._snapshot = doors, snapshot
        self._waiting: SimpleQueue[_Found] = SimpleQueue()
        self._awaited: list[_Found] = []
        self._hashed: dict[str, Table] = {}
        self._objects = (0, 0)

    def describe(self) -> int:
        """Find the tables there are at the moment, and return how many."""
        rows = self._snapshot.connection.execute(_TABLES).fetchall()
        for row in rows:
            self._waiting.put(_Found(**row))
        return len(rows)

    def work(self, count: _Counter) -> None:
        """Hash tables as long as there are any. One that somebody waits to alter is left for who has locked it already."""
        with self._doors.as_tenant() as connection:
            self._read(connection)
            connection.execute("SET LOCAL lock_timeout = '100ms'")
            while table := self._next():
                try:
                    with connection.transaction():
                        self._hashed[table.label] = _hash(connection, table)
                except psycopg.errors.LockNotAvailable:
                    self._awaited.append(table)
                else:
                    count.step()

    def work_off(self, count: _Counter) -> None:
        for table in self._awaited:
            self._hashed[table.label] = _hash(self._snapshot.connection, table)
            count.step()

    def hash_large_objects(self) -> None:
        with self._doors.as_server() as connection:
            self._read(connection)
            row = one(connection.execute(_LARGE_OBJECTS))
            self._objects = (int(row["count"]), int(row["digest"]))

    def give_up(self) -> None:
        while self._next():
            pass

    def contents(self) -> Contents:
        return Contents(self._hashed, self._snapshot.sequences, *self._objects)

    def _next(self) -> _Found | None:
        try:
            return self._waiting.get_nowait()
        except Empty:
            return None

    def _read(self, connection: Connection) -> None:
        """Begin to read what there is at the moment."""
        connection.execute(_BEGIN)
        connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(self._snapshot.name)))
        _pin_settings(connection)


def _pin_settings(connection: Connection) -> None:
    for name, value in _SETTINGS.items():
        connection.execute(sql.SQL("SET LOCAL {} = {}").format(sql.SQL(name), sql.Literal(value)))


def hashing(schema: str, name: str, columns: Collection[str], types: Collection[str]) -> sql.Composed:
    """Return the statement that counts and hashes a table in one pass over it.

    Columns are named, as their order may differ between equal tables. Of bytea only a digest becomes text, since a value's
    text may be too long for PostgreSQL.
    """
    given = {kind: sql.SQL("md5({})" if kind == "bytea" else "{}") for kind in types}
    parts = [given[kind].format(sql.Identifier(column)) for column, kind in zip(columns, types, strict=True)]
    return sql.SQL(_HASH).format(columns=sql.SQL(", ").join(parts), table=sql.Identifier(schema, name))


def _hash(connection: AsTenant, table: _Found) -> Table:
    try:
        row = one(connection.execute(hashing(table.schema, table.name, table.columns, table.types)))
    except (psycopg.DataError, psycopg.errors.ProgramLimitExceeded) as error:
        raise PlatformError(f"table {table.label} can't be read", found=_reason(error)) from None
    columns = tuple(f"{column} {kind}" for column, kind in zip(table.columns, table.types, strict=True))
    return Table(columns, int(row["rows"]), int(row["digest"]), table.size_bytes)


def _sequences(connection: AsTenant) -> dict[str, Sequence]:
    rows = connection.execute(_SEQUENCES).fetchall()
    found: dict[str, Sequence] = {}
    for begin in range(0, len(rows), _CHUNK):
        chunk = rows[begin : begin + _CHUNK]
        each = sql.SQL("SELECT {} AS number, last_value, is_called FROM {}")
        parts = [each.format(number, sql.Identifier(row["schema"], row["name"])) for number, row in enumerate(chunk)]
        for value in connection.execute(sql.SQL(" UNION ALL ").join(parts)):
            row = chunk[value["number"]]
            sequence = Sequence(value["last_value"], value["is_called"], row["increment"])
            found[row["label"]] = sequence
    return found


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Raise what PostgreSQL says as errors of the platform."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise Unavailable(
            "a server went away, or a table stayed locked, while databases were compared", found=_reason(error)
        ) from None
    except psycopg.Error as error:
        raise PlatformError("the databases can't be compared", found=_reason(error)) from None


def _reason(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
