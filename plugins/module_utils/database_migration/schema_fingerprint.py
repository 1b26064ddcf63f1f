# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a database consists of besides its rows: to see, and to say in words, what was changed while its rows were replicated."""

from __future__ import annotations

from collections.abc import Mapping

from ..postgres.connection import AsServer

#: The parts of each object, by kind and name: a table's columns, constraints, indexes, privileges and so on, each with its text.
Structure = Mapping[str, Mapping[str, str]]

# Names of types depend on the search path.
_PATH = "SELECT set_config('search_path', 'pg_catalog', true);"
_OURS = """
namespaces AS (SELECT oid, nspname, nspowner, nspacl FROM pg_namespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'saasodoo_migration') AND nspname !~ '^pg_(toast|temp)'),
extended AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
relations AS (SELECT c.*, format('%I.%I', nspname, relname) AS title FROM pg_class c JOIN namespaces n ON n.oid = c.relnamespace
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND relpersistence <> 't'
    AND (1259, c.oid) NOT IN (SELECT classid, objid FROM extended)),
routines AS (SELECT p.*, format('%I.%I(%s)', nspname, proname, pg_get_function_identity_arguments(p.oid)) AS title
    FROM pg_proc p JOIN namespaces n ON n.oid = p.pronamespace
    WHERE (1255, p.oid) NOT IN (SELECT classid, objid FROM extended))
"""


def _may(privileges: str, default: str) -> str:
    """Return the expression for who may do what. MAINTAIN is new in PostgreSQL 17, where GRANT ALL means it too."""
    given = f"coalesce({privileges}, {default})" if default else privileges
    who = "CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END"
    each = f"concat(privilege_type, CASE WHEN is_grantable THEN '*' END, ' to ', {who})"
    return f"""(SELECT string_agg({each}, ', ' ORDER BY {each} COLLATE "C") FROM aclexplode({given})
        WHERE privilege_type <> 'MAINTAIN')"""


# Only what a dump and its restore keep as it is, on any version: no expressions, which the server prints anew, and no NOT NULL
# constraints, which have names since PostgreSQL 18. Positions of columns close up where one was dropped.
_STRUCTURE = f"""
WITH {_OURS},
parts AS (
    SELECT attrelid AS oid, format('column %I', attname) AS part, concat_ws(' ', format_type(atttypid, atttypmod), attnotnull,
        attidentity, attgenerated, atthasdef, (SELECT collname FROM pg_collation o WHERE o.oid = attcollation),
        {_may("attacl", "")}) AS text
        FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped AND attrelid IN (SELECT oid FROM relations)
    UNION ALL SELECT attrelid, 'columns', string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute
        WHERE attnum > 0 AND NOT attisdropped AND attrelid IN (SELECT oid FROM relations) GROUP BY 1
    UNION ALL SELECT conrelid, format('constraint %I', conname), concat_ws(' ', contype, condeferrable, confupdtype, confdeltype,
        convalidated) FROM pg_constraint WHERE contype <> 'n'
    UNION ALL SELECT indrelid, format('index %I', relname), concat_ws(' ', indisunique, indisvalid, indnatts, indpred IS NULL,
        indexprs IS NULL) FROM pg_index JOIN pg_class c ON c.oid = indexrelid
    UNION ALL SELECT tgrelid, format('trigger %I', tgname), concat_ws(' ', tgtype, tgenabled) FROM pg_trigger
        WHERE NOT tgisinternal
    UNION ALL SELECT polrelid, format('policy %I', polname), concat_ws(' ', polcmd, polpermissive,
        (SELECT string_agg(pg_get_userbyid(role), ',' ORDER BY pg_get_userbyid(role)) FROM unnest(polroles) AS role))
        FROM pg_policy
    UNION ALL SELECT ev_class, format('rule %I', rulename), concat_ws(' ', ev_type, ev_enabled, is_instead) FROM pg_rewrite
    UNION ALL SELECT inhrelid, 'parents', string_agg(inhparent::regclass::text, ',' ORDER BY inhseqno) FROM pg_inherits GROUP BY 1
    UNION ALL SELECT oid, 'kind', concat_ws(' ', relkind, relpersistence, relispartition, relrowsecurity, relforcerowsecurity)
        FROM relations
    UNION ALL SELECT oid, 'owner', pg_get_userbyid(relowner) FROM relations
    UNION ALL SELECT oid, 'privileges', {_may("relacl", "acldefault('r', relowner)")} FROM relations),
pieces AS (
    SELECT concat(CASE relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' ELSE 'table ' END, title) AS object, part,
        coalesce(text, '') AS text FROM relations JOIN parts USING (oid)
    UNION ALL SELECT 'function ' || title, 'definition',
        md5(concat_ws('|', prosrc, provolatile, prosecdef, prorettype::regtype, lanname, pg_get_userbyid(proowner)))
        FROM routines JOIN pg_language l ON l.oid = prolang
    UNION ALL SELECT 'function ' || title, 'privileges', coalesce({_may("proacl", "acldefault('f', proowner)")}, '') FROM routines
    UNION ALL SELECT format('type %I.%I', nspname, typname), 'definition', md5(concat_ws('|', typtype,
        format_type(typbasetype, typtypmod), pg_get_userbyid(typowner), {_may("typacl", "acldefault('T', typowner)")},
        (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid)))
        FROM pg_type t JOIN namespaces n ON n.oid = typnamespace
        WHERE typtype IN ('e', 'd', 'r') AND (1247, t.oid) NOT IN (SELECT classid, objid FROM extended)
    UNION ALL SELECT format('sequence %I.%I', nspname, relname), 'privileges', {_may("relacl", "")}
        FROM pg_class c JOIN namespaces n ON n.oid = relnamespace WHERE relkind = 'S' AND relpersistence <> 't'
        AND {_may("relacl", "")} <> {_may("acldefault('s', relowner)", "")}
    UNION ALL SELECT 'extension ' || quote_ident(extname), '', '' FROM pg_extension
    UNION ALL SELECT 'schema ' || quote_ident(nspname), 'owner', pg_get_userbyid(nspowner)::text FROM namespaces
    UNION ALL SELECT 'schema ' || quote_ident(nspname), 'privileges', coalesce({_may("nspacl", "acldefault('n', nspowner)")}, '')
        FROM namespaces
    UNION ALL SELECT format('default privileges of %I', pg_get_userbyid(defaclrole)), concat_ws(' ', defaclobjtype,
        (SELECT nspname FROM pg_namespace n WHERE n.oid = defaclnamespace)), coalesce({_may("defaclacl", "")}, '')
        FROM pg_default_acl
    UNION ALL SELECT 'database', 'settings of ' || CASE setrole WHEN 0 THEN 'all' ELSE quote_ident(pg_get_userbyid(setrole)) END,
        array_to_string(setconfig, ',') FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
        WHERE datname = current_database())
"""
_FINGERPRINT = f"""
{_PATH}
{_STRUCTURE}
SELECT object, md5(string_agg(concat(part, '=', text), '|' ORDER BY part COLLATE "C")) AS fingerprint FROM pieces GROUP BY 1
"""
_PARTS_OF = f"{_STRUCTURE} SELECT object, jsonb_object_agg(part, text) AS parts FROM pieces GROUP BY 1"
_PARTS = f"{_PATH} {_PARTS_OF}"
# Expressions as the server itself keeps them: that is changed by nothing but a new definition, and differs on every server.
_DEFINITIONS = f"""
{_OURS},
texts AS (
    SELECT ev_class AS oid, concat_ws(' ', 1, rulename) AS which, ev_action::text AS text FROM pg_rewrite
    UNION ALL SELECT adrelid, concat_ws(' ', 2, adnum), adbin::text FROM pg_attrdef
    UNION ALL SELECT conrelid, concat_ws(' ', 3, oid), concat_ws('|', conindid, confrelid, conkey, confkey, conbin::text)
        FROM pg_constraint
    UNION ALL SELECT indrelid, concat_ws(' ', 4, indexrelid), concat_ws('|', indkey, indclass, indoption, indexprs::text,
        indpred::text) FROM pg_index
    UNION ALL SELECT tgrelid, concat_ws(' ', 5, oid), concat_ws('|', tgfoid, tgqual::text, tgattr) FROM pg_trigger
        WHERE NOT tgisinternal
    UNION ALL SELECT polrelid, concat_ws(' ', 6, polname), concat_ws('|', polqual::text, polwithcheck::text) FROM pg_policy
    UNION ALL SELECT oid, '7', array_to_string(reloptions, ',') FROM relations),
definitions AS (
    SELECT title AS object, md5(string_agg(concat(which, '=', text), '|' ORDER BY which COLLATE "C")) AS digest
        FROM relations JOIN texts USING (oid) GROUP BY 1
    UNION ALL SELECT title, md5(concat_ws('|', proconfig, prosqlbody::text)) FROM routines)
"""
_REMEMBER = f"""
{_PATH}
DROP TABLE IF EXISTS saasodoo_migration.definitions, saasodoo_migration.structure;
CREATE TABLE saasodoo_migration.definitions AS WITH {_DEFINITIONS} SELECT object, digest FROM definitions;
CREATE TABLE saasodoo_migration.structure AS {_PARTS_OF};
GRANT SELECT ON ALL TABLES IN SCHEMA saasodoo_migration TO PUBLIC;
"""
_REMEMBERED = "SELECT to_regclass('saasodoo_migration.structure') IS NOT NULL AS there"
_CHANGED = f"""
{_PATH}
WITH {_DEFINITIONS}
SELECT object FROM definitions FULL JOIN saasodoo_migration.definitions AS remembered USING (object)
WHERE definitions.digest IS DISTINCT FROM remembered.digest ORDER BY 1
"""


def schema_fingerprint(database: AsServer) -> dict[str, str]:
    """Return a fingerprint of each table, view, function, type, extension and schema, by kind and name.

    Two databases of which one was restored from the other's dump have the same ones, also on another version of PostgreSQL. Left
    out: sequences (postgres.sequences copies them) but for their privileges, temporary tables, the migration's own schema, and
    expressions: for those see ``changed_definitions``. Takes one round trip.
    """
    cursor = database.execute(_FINGERPRINT)
    cursor.nextset()
    return {str(row["object"]): str(row["fingerprint"]) for row in cursor}


def structure(database: AsServer) -> Structure:
    """Return what the fingerprints are made of, for ``explain``: larger, and slower to get."""
    cursor = database.execute(_PARTS)
    cursor.nextset()
    return {str(row["object"]): dict(row["parts"]) for row in cursor}


def remember(database: AsServer) -> None:
    """Keep structure and expressions as they are now, in the migration's own schema; the superuser's connection.

    Expressions are those of views, defaults, checks, indexes, triggers, policies; and options of tables and functions.
    """
    with database.transaction():
        database.execute("SELECT set_config('client_min_messages', 'warning', true)")
        database.execute(_REMEMBER)


def remembered_structure(database: AsServer) -> Structure:
    """Return the structure as it was remembered; as it is where nothing was."""
    if not _has_remembered(database):
        return structure(database)
    return {str(row["object"]): dict(row["parts"]) for row in database.execute("SELECT * FROM saasodoo_migration.structure")}


def changed_definitions(database: AsServer) -> list[str]:
    """Name the tables, views and functions of which an expression is another than was remembered; none if nothing was."""
    if not _has_remembered(database):
        return []
    cursor = database.execute(_CHANGED)
    cursor.nextset()
    return [str(row["object"]) for row in cursor]


def _has_remembered(database: AsServer) -> bool:
    row = database.execute(_REMEMBERED).fetchone()
    return bool(row and row["there"])


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Say what differs between two fingerprints, in words; empty where nothing does."""
    words = dict.fromkeys(after.keys() - before.keys(), "is new") | dict.fromkeys(before.keys() - after.keys(), "is gone")
    words |= {each: "is not the same" for each in before.keys() & after.keys() if before[each] != after[each]}
    return [f"{each} {what}" for each, what in sorted(words.items())]


def explain(before: Structure, after: Structure) -> list[str]:
    """Say what differs between two structures, in words and part by part; empty where nothing does."""
    found = []
    for each in sorted(before.keys() | after.keys()):
        if each not in before or each not in after:
            found.append(f"{each} is {'new' if each in after else 'gone'}")
            continue
        was, now = before[each], after[each]
        words = [f"{part} added" for part in sorted(now.keys() - was.keys())]
        words += [f"{part} removed" for part in sorted(was.keys() - now.keys())]
        words += [f"{part} changed" for part in sorted(was.keys() & now.keys()) if was[part] != now[part]]
        if len(words) > 1 and "columns changed" in words:  # which tells only of their order
            words.remove("columns changed")
        found += [f"{each}: {', '.join(words)}"] if words else []
    return found
