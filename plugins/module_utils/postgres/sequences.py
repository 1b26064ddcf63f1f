# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sequences, which logical replication leaves out: their values and definitions, copied exactly while nobody uses them.

All is done as the tenant: what a sequence's name leads to may be something else a moment later.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from psycopg import sql

from ..errors import Conflict
from .connection import AsTenant, InUnfinished, one

# The state of a sequence that was not used yet can only be selected from the sequence itself, by a statement of its own: on the
# server, to be one message in each direction. DO returns nothing; what it found becomes a setting of this one transaction.
_READ = """
DO $$
DECLARE
    each record;
    unused boolean;
    value bigint;
    found jsonb[] := '{}';
BEGIN
    FOR each IN
        SELECT c.oid, n.nspname, c.relname, s.*, pg_get_userbyid(c.relowner) AS owner, d.deptype = 'i' AS identity,
            pg_sequence_last_value(c.oid) AS used, t.nspname AS s, t.relname AS t, a.attname AS a
        FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
            AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
        LEFT JOIN (SELECT pg_class.oid, nspname, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace) t
            ON t.oid = d.refobjid
        LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE c.relpersistence <> 't' AND n.nspname <> 'saasodoo_migration'
    LOOP
        unused := each.used IS NULL;
        IF unused THEN
            EXECUTE format('SELECT last_value FROM %I.%I', each.nspname, each.relname) INTO value;
        ELSE
            value := each.used;
        END IF;
        found := found || jsonb_build_object('schema', each.nspname, 'name', each.relname, 'owner', each.owner,
            'type', format_type(each.seqtypid, NULL), 'start', each.seqstart, 'increment', each.seqincrement,
            'least', each.seqmin, 'most', each.seqmax, 'cache', each.seqcache, 'cycle', each.seqcycle,
            'identity', coalesce(each.identity, false),
            'owned_by', CASE WHEN each.a IS NOT NULL THEN jsonb_build_array(each.s, each.t, each.a) ELSE '[]' END,
            'last_value', value, 'is_called', NOT unused);
    END LOOP;
    PERFORM set_config('saasodoo.sequences', to_jsonb(found)::text, true);
END $$;
SELECT current_setting('saasodoo.sequences') AS sequences
"""
_SET = """
SELECT setval(format('%I.%I', schema, name)::regclass, last_value, is_called)
FROM jsonb_to_recordset({}) AS each (schema text, name text, last_value bigint, is_called boolean)
"""
# A used sequence that was not set since has values in store.
_SETTLE = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, last_value) FROM pg_sequences WHERE last_value IS NOT NULL
"""
# Whatever the setting of server, database or role. The message makes it a commit even where there are no sequences: it is
# on disk only after all that was committed before, such as what a subscription has applied without waiting for the disk.
_DURABLY = "SELECT set_config('synchronous_commit', 'on', true), set_config('lock_timeout', '5s', true)"
_COMMIT = "SELECT pg_logical_emit_message(true, 'saasodoo', 'sequences')"


@dataclass(frozen=True)
class Sequence:
    """One sequence; ``owned_by`` is schema, table and column, or empty."""

    schema: str
    name: str
    owner: str
    type: str
    start: int
    increment: int
    least: int
    most: int
    cache: int
    cycle: bool
    identity: bool
    owned_by: tuple[str, ...]
    last_value: int
    is_called: bool

    @property
    def identifier(self) -> sql.Identifier:
        """Its name, quoted."""
        return sql.Identifier(self.schema, self.name)

    @property
    def definition(self) -> tuple[Any, ...]:
        """What CREATE SEQUENCE says of it."""
        return (self.type, self.start, self.increment, self.least, self.most, self.cache, self.cycle)


def read_sequences(database: AsTenant) -> dict[tuple[str, str], Sequence]:
    """Return the sequences of a database by schema and name, in one round trip. Those of the migration are left out."""
    cursor = database.execute(_READ)
    while cursor.nextset():
        pass
    listed = [Sequence(**each | {"owned_by": tuple(each["owned_by"])}) for each in json.loads(one(cursor)["sequences"])]
    return {(each.schema, each.name): each for each in listed}


def copy_sequences(source: AsTenant, target: AsTenant) -> int:
    """Make the target's sequences equal to the source's, and return how many there are. Nobody may use them meanwhile.

    Those made on the source since are made, those dropped are dropped, altered ones are altered: all in one transaction, which
    is on the target's disk when this returns, with all that was committed there before. Doing it again changes nothing, and is
    fast: do it once before anybody is kept waiting.
    Raises Conflict when the tables of both differ, so that it can't be done.
    """
    wanted = read_sequences(source)
    there = read_sequences(target)
    differing = [each for name, each in wanted.items() if there.get(name) != each]
    statements = [sql.SQL(_DURABLY), *_changes(there, wanted), _values(differing), sql.SQL(_COMMIT)]
    try:
        target.execute(sql.SQL(";\n").join(statements))
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        found = error.diag.message_primary
        raise Conflict("the sequences can't be copied: the tables of both servers differ", found=found) from None
    return len(wanted)


def settle_sequences(database: AsTenant | InUnfinished) -> None:
    """Make each sequence stay as it is through a crash and in a clone. Nobody may use them meanwhile.

    PostgreSQL logs a used one 32 values ahead (SEQ_LOG_VALS in its commands/sequence.c), so that the next uses log nothing:
    after a crash it goes on from there, and in a clone that crashes it gives values a second time. Setting it logs what it is.
    """
    database.execute(_SETTLE)


def _values(wanted: Iterable[Sequence]) -> sql.Composed:
    return sql.SQL(_SET).format(sql.Literal(json.dumps([asdict(each) for each in wanted])) + sql.SQL("::jsonb"))


def _changes(there: Mapping[tuple[str, str], Sequence], wanted: Mapping[tuple[str, str], Sequence]) -> Iterator[sql.Composed]:
    """Give the statements that make the definitions equal."""
    for name in there.keys() - wanted.keys():
        yield sql.SQL("DROP SEQUENCE {}").format(there[name].identifier)
    for name, each in wanted.items():
        found = there.get(name)
        if found is None:
            yield sql.SQL("CREATE SEQUENCE {}").format(each.identifier)
        if found is None or found.definition != each.definition:
            yield _define(each)
        if found is None or found.owner != each.owner:
            yield sql.SQL("ALTER SEQUENCE {} OWNER TO {}").format(each.identifier, sql.Identifier(each.owner))
        if (found.owned_by if found else ()) != each.owned_by:
            column = sql.Identifier(*each.owned_by) if each.owned_by else sql.SQL("NONE")
            yield sql.SQL("ALTER SEQUENCE {} OWNED BY {}").format(each.identifier, column)


def _define(each: Sequence) -> sql.Composed:
    # RESTART keeps a value that is outside of the new bounds from being in the way; the value itself is set afterwards.
    return sql.SQL("ALTER SEQUENCE {} AS {} INCREMENT {} MINVALUE {} MAXVALUE {} START {} RESTART {} CACHE {} {}").format(
        each.identifier,
        sql.SQL(each.type),
        *(sql.Literal(value) for value in (each.increment, each.least, each.most, each.start, each.last_value, each.cache)),
        sql.SQL("CYCLE" if each.cycle else "NO CYCLE"),
    )
