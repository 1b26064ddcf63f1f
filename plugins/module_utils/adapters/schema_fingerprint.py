# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a database consists of besides its rows, in short: to see whether it was changed while its rows were replicated."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.registry import Connection

# Names of types depend on the search path.
_PATH = "SELECT set_config('search_path', 'pg_catalog', true);"
_OURS = """
namespaces AS (SELECT oid, nspname FROM pg_namespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'saasodoo_migration') AND nspname !~ '^pg_(toast|temp)'),
extended AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
relations AS (SELECT c.*, nspname FROM pg_class c JOIN namespaces n ON n.oid = c.relnamespace
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND relpersistence <> 't'
    AND (1259, c.oid) NOT IN (SELECT classid, objid FROM extended)),
routines AS (SELECT p.*, nspname FROM pg_proc p JOIN namespaces n ON n.oid = p.pronamespace
    WHERE (1255, p.oid) NOT IN (SELECT classid, objid FROM extended))
"""
# Only what a dump and its restore keep as it is, on any version: no expressions, which the server prints anew, and no NOT NULL
# constraints, which have names since PostgreSQL 18. Positions of columns close up where one was dropped.
_FINGERPRINT = f"""
{_PATH}
WITH {_OURS},
columns AS (SELECT attrelid AS oid, string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
        attgenerated, atthasdef, (SELECT collname FROM pg_collation o WHERE o.oid = attcollation)), ',' ORDER BY attnum) AS text
    FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped AND attrelid IN (SELECT oid FROM relations) GROUP BY 1),
constraints AS (SELECT conrelid AS oid, string_agg(concat_ws(' ', conname, contype, condeferrable, confupdtype, confdeltype,
        convalidated), ',' ORDER BY conname COLLATE "C") AS text FROM pg_constraint WHERE contype <> 'n' GROUP BY 1),
indexes AS (SELECT indrelid AS oid, string_agg(concat_ws(' ', relname, indisunique, indisvalid, indnatts, indpred IS NULL,
        indexprs IS NULL), ',' ORDER BY relname COLLATE "C") AS text
    FROM pg_index JOIN pg_class c ON c.oid = indexrelid GROUP BY 1),
triggers AS (SELECT tgrelid AS oid, string_agg(concat_ws(' ', tgname, tgtype, tgenabled), ',' ORDER BY tgname COLLATE "C") AS text
    FROM pg_trigger WHERE NOT tgisinternal GROUP BY 1),
parents AS (SELECT inhrelid AS oid, string_agg(inhparent::regclass::text, ',' ORDER BY inhseqno) AS text
    FROM pg_inherits GROUP BY 1)
SELECT format('%s %s.%s', CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'table' END, nspname, relname)
        AS object,
    md5(concat_ws('|', relkind, relpersistence, relispartition, relrowsecurity, pg_get_userbyid(relowner), columns.text, '/',
        constraints.text, '/', indexes.text, '/', triggers.text, '/', parents.text)) AS fingerprint
FROM relations r LEFT JOIN columns USING (oid) LEFT JOIN constraints USING (oid) LEFT JOIN indexes USING (oid)
    LEFT JOIN triggers USING (oid) LEFT JOIN parents USING (oid)
UNION ALL SELECT format('function %s.%s(%s)', nspname, proname, pg_get_function_identity_arguments(routines.oid)),
    md5(concat_ws('|', prosrc, provolatile, prosecdef, prorettype::regtype, lanname))
    FROM routines JOIN pg_language l ON l.oid = prolang
UNION ALL SELECT 'type ' || nspname || '.' || typname, md5(concat_ws('|', typtype, format_type(typbasetype, typtypmod),
    (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid)))
    FROM pg_type t JOIN namespaces n ON n.oid = typnamespace
    WHERE typtype IN ('e', 'd', 'r') AND (1247, t.oid) NOT IN (SELECT classid, objid FROM extended)
UNION ALL SELECT 'extension ' || extname, '' FROM pg_extension
UNION ALL SELECT 'schema ' || nspname, '' FROM namespaces
"""
# Expressions as the server itself keeps them: that is changed by nothing but a new definition, and differs on every server.
_DEFINITIONS = f"""
{_PATH}
WITH {_OURS},
texts AS (
    SELECT format('1 %s %s', ev_class, rulename) AS which, ev_action::text AS text FROM pg_rewrite
        WHERE ev_class IN (SELECT oid FROM relations)
    UNION ALL SELECT format('2 %s %s', adrelid, adnum), adbin::text FROM pg_attrdef
        WHERE adrelid IN (SELECT oid FROM relations)
    UNION ALL SELECT format('3 %s', oid), concat_ws('|', conrelid, conindid, confrelid, conkey, confkey, conbin::text)
        FROM pg_constraint
    UNION ALL SELECT format('4 %s', indexrelid), concat_ws('|', indkey, indclass, indoption, indexprs::text, indpred::text)
        FROM pg_index WHERE indrelid IN (SELECT oid FROM relations)
    UNION ALL SELECT format('5 %s', oid), concat_ws('|', tgfoid, tgqual::text, tgattr) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT format('6 %s', oid), concat_ws('|', relacl, reloptions) FROM relations
    UNION ALL SELECT format('7 %s', oid), concat_ws('|', proacl, proconfig, prosqlbody::text) FROM routines)
SELECT md5(string_agg(md5(which || text), '' ORDER BY which COLLATE "C")) AS digest FROM texts
"""


def schema_fingerprint(database: Connection) -> dict[str, str]:
    """Return a fingerprint of each table, view, function, type, extension and schema, by kind and name.

    Two databases of which one was restored from the other's dump have the same ones, also on another version of PostgreSQL. Left
    out: sequences (adapters.sequences copies them), temporary tables, the migration's own schema, and expressions: for those
    compare ``definitions`` of the same database at two moments. Takes one round trip.
    """
    cursor = database.execute(_FINGERPRINT)
    cursor.nextset()
    return {str(row["object"]): str(row["fingerprint"]) for row in cursor}


def definitions(database: Connection) -> str:
    """Return a digest of all expressions: of views, defaults, checks, indexes, triggers; and of privileges and options.

    Comparable only with one of the same database on the same server.
    """
    cursor = database.execute(_DEFINITIONS)
    cursor.nextset()
    row = cursor.fetchone()
    return str(row["digest"]) if row else ""


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Say what differs between two fingerprints, in words; empty where nothing does."""
    words = dict.fromkeys(after.keys() - before.keys(), "is new") | dict.fromkeys(before.keys() - after.keys(), "is gone")
    words |= {each: "is not the same" for each in before.keys() & after.keys() if before[each] != after[each]}
    return [f"{each} {what}" for each, what in sorted(words.items())]
