# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What logical replication can't carry to another server, as PostgreSQL's manual says (31.6, Restrictions)."""

from __future__ import annotations

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.registry import Connection

# A row of a table without key is found by comparing whole rows, for which each column's type needs an equality: its own default
# operator class, or that of a type it is as good as (varchar: text). Arrays compare as their elements do.
_OBSTACLES = """
WITH relations AS (SELECT c.*, format('%I.%I', nspname, relname) AS title
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'saasodoo_migration') AND nspname !~ '^pg_(toast|temp)'),
keyless AS (SELECT * FROM relations r WHERE relkind = 'r' AND NOT EXISTS (
    SELECT FROM pg_index WHERE indrelid = r.oid AND indisvalid AND indimmediate
    AND CASE relreplident WHEN 'i' THEN indisreplident ELSE indisprimary END)),
columns AS (SELECT title, attname, attnum, attrelid, format_type(atttypid, NULL) AS type,
        coalesce(nullif(e.typbasetype, 0), e.oid, nullif(t.typbasetype, 0), t.oid) AS base
    FROM keyless k JOIN pg_attribute ON attrelid = k.oid AND attnum > 0 AND NOT attisdropped JOIN pg_type t ON t.oid = atttypid
    LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'),
comparable AS (SELECT opcintype AS type FROM pg_opclass JOIN pg_am a ON a.oid = opcmethod
    WHERE opcdefault AND amname IN ('btree', 'hash'))
SELECT 'there are ' || count(*) || ' large objects' AS obstacle, 0 AS place FROM pg_largeobject_metadata HAVING count(*) > 0
UNION ALL SELECT 'table ' || title || ' is unlogged', 1 FROM relations WHERE relkind = 'r' AND relpersistence = 'u'
UNION ALL SELECT 'materialized view ' || title || ' is refreshed only where it is', 2 FROM relations WHERE relkind = 'm'
UNION ALL SELECT 'foreign table ' || title, 3 FROM relations WHERE relkind = 'f'
UNION ALL SELECT 'trigger ' || quote_ident(tgname) || ' of ' || title || ' would run for replicated rows too', 4
    FROM relations r JOIN pg_trigger ON tgrelid = r.oid WHERE tgenabled IN ('A', 'R') AND NOT tgisinternal
UNION ALL SELECT format('table %s has no key, and its column %I of type %s can''t be compared', title, attname, type), 5
    FROM columns c JOIN pg_type t ON t.oid = base WHERE typtype = 'b' AND base NOT IN (SELECT type FROM comparable)
    AND NOT EXISTS (SELECT FROM pg_cast WHERE castsource = base AND casttarget IN (SELECT type FROM comparable)
        AND castmethod = 'b' AND castcontext = 'i')
ORDER BY place, obstacle
"""


def obstacles(database: Connection) -> list[str]:
    """Say what in this database would not arrive elsewhere, or not be the same; empty when it can be replicated."""
    return [str(row["obstacle"]) for row in database.execute(_OBSTACLES)]
