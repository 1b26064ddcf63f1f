# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What logical replication can't carry to another server, as PostgreSQL's manual says (31.6, Restrictions)."""

from __future__ import annotations

from ..postgres.connection import AsServer

# A row of a table without key is found by comparing whole rows, for which each column's type needs an equality: its own default
# operator class, or that of a type it is as good as (varchar: text). A domain compares as what it is made from, an array as its
# elements, a composite type as all of its columns; so what a type is made of is followed to the end.
_OBSTACLES = """
WITH RECURSIVE relations AS (SELECT c.*, format('%I.%I', nspname, relname) AS title
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'saasodoo_migration') AND nspname !~ '^pg_(toast|temp)'),
keyless AS (SELECT * FROM relations r WHERE relkind = 'r' AND NOT EXISTS (
    SELECT FROM pg_index WHERE indrelid = r.oid AND indisvalid AND indimmediate
    AND CASE relreplident WHEN 'i' THEN indisreplident ELSE indisprimary END)),
parts AS (SELECT title, attname, attnum, format_type(atttypid, NULL) AS type, atttypid AS part
    FROM keyless k JOIN pg_attribute ON attrelid = k.oid AND attnum > 0 AND NOT attisdropped
    UNION SELECT title, p.attname, p.attnum, type, made_of.part FROM parts p JOIN pg_type t ON t.oid = p.part CROSS JOIN LATERAL (
        SELECT typbasetype AS part WHERE typtype = 'd'
        UNION ALL SELECT typelem WHERE typtype = 'b' AND typcategory = 'A' AND typelem <> 0
        UNION ALL SELECT atttypid FROM pg_attribute WHERE attrelid = typrelid AND typtype = 'c' AND attnum > 0
            AND NOT attisdropped) AS made_of),
comparable AS (SELECT opcintype AS type FROM pg_opclass JOIN pg_am a ON a.oid = opcmethod
    WHERE opcdefault AND amname IN ('btree', 'hash'))
SELECT 'there are ' || count(*) || ' large objects' AS obstacle, 0 AS place FROM pg_largeobject_metadata HAVING count(*) > 0
UNION ALL SELECT 'table ' || title || ' is unlogged', 1 FROM relations WHERE relkind = 'r' AND relpersistence = 'u'
UNION ALL SELECT 'materialized view ' || title || ' is refreshed only where it is', 2 FROM relations WHERE relkind = 'm'
UNION ALL SELECT 'foreign table ' || title, 3 FROM relations WHERE relkind = 'f'
UNION ALL SELECT 'trigger ' || quote_ident(tgname) || ' of ' || title || ' would run for replicated rows too', 4
    FROM relations r JOIN pg_trigger ON tgrelid = r.oid WHERE tgenabled IN ('A', 'R') AND NOT tgisinternal
UNION SELECT format('table %s has no key, and its column %I of type %s can''t be compared', title, attname, type), 5
    FROM parts p JOIN pg_type t ON t.oid = part WHERE typtype = 'b' AND NOT (typcategory = 'A' AND typelem <> 0)
    AND part NOT IN (SELECT type FROM comparable)
    AND NOT EXISTS (SELECT FROM pg_cast WHERE castsource = part AND casttarget IN (SELECT type FROM comparable)
        AND castmethod = 'b' AND castcontext = 'i')
ORDER BY place, obstacle
"""


def obstacles(database: AsServer) -> list[str]:
    """Say what in this database would not arrive elsewhere, or not be the same; empty when it can be replicated."""
    return [str(row["obstacle"]) for row in database.execute(_OBSTACLES)]
