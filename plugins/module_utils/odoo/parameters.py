# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Odoo's system parameters and its administrator, written by SQL: so a tenant is its own before its Odoo ever starts.

In a finished database that is done as the tenant: these tables are its own, and may be views of its making.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping

from psycopg import sql

from ..errors import NotFound
from ..postgres.connection import AsTenant, InUnfinished

#: Which generation of its secrets a database holds; whoever changes the password in Odoo is not undone by the next run.
GENERATION = "saasodoo.secret_generation"

#: Who may touch these tables.
Database = AsTenant | InUnfinished

_READ = "SELECT key, left(value::text, 10000) AS value FROM public.ir_config_parameter WHERE key::text = ANY(%s) LIMIT 100"
_WRITE = """
INSERT INTO public.ir_config_parameter AS parameter (key, value, create_uid, create_date, write_uid, write_date)
VALUES (%(key)s, %(value)s, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC')
ON CONFLICT (key) DO UPDATE SET value = excluded.value, write_date = excluded.write_date
WHERE parameter.value IS DISTINCT FROM excluded.value
"""
_STAMP = """
UPDATE public.ir_config_parameter SET value = to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
WHERE key = 'database.create_date'
"""
# Keys that modules make once for a database; made again when they are first needed.
_FORGET = "DELETE FROM public.ir_config_parameter WHERE key LIKE 'mail.web_push_vapid_%'"
# user_admin from Odoo 12 on; before, the administrator was the super user itself.
_ADMIN = """
SELECT res_id FROM public.ir_model_data
WHERE module = 'base' AND model = 'res.users' AND name IN ('user_admin', 'user_root') ORDER BY name LIMIT 1
"""
# Odoo 11 keeps the hash beside the password, in a column of its module auth_crypt.
_HASH_COLUMNS = """
SELECT attname FROM pg_attribute
WHERE attrelid = 'public.res_users'::regclass AND attname IN ('password', 'password_crypt') AND NOT attisdropped
ORDER BY attname DESC LIMIT 1
"""


def read(database: Database, keys: Iterable[str]) -> dict[str, str]:
    """Return the values of those of ``keys`` that are set."""
    return {str(row["key"]): row["value"] for row in database.execute(_READ, (list(keys),))}


def generation(database: Database) -> int:
    """Return the generation of the secrets in this database, 0 when none were written."""
    return int(read(database, [GENERATION]).get(GENERATION, "0"))


def write(database: Database, values: Mapping[str, str]) -> None:
    """Set parameters; those that have the value already are not touched."""
    for key, value in values.items():
        database.execute(_WRITE, {"key": key, "value": value})


def renew(database: Database) -> None:
    """Let a clone forget what was the template's own: its identity, date of birth, and keys made by modules."""
    write(database, {"database.uuid": str(uuid.uuid4())})
    database.execute(_STAMP)
    database.execute(_FORGET)


def write_secrets(database: Database, number: int, database_secret: str, admin_hash: str) -> None:
    """Set Odoo's own secret (which ends all sessions) and the administrator's password. Raises NotFound without one."""
    admin = database.execute(_ADMIN).fetchone()
    column = database.execute(_HASH_COLUMNS).fetchone()
    if admin is None or column is None:
        raise NotFound("this database has no Odoo administrator", expected="a database that Odoo has initialised")
    update = sql.SQL("UPDATE public.res_users SET {} = %s WHERE id = %s").format(sql.Identifier(column["attname"]))
    database.execute(update, (admin_hash, admin["res_id"]))
    write(database, {"database.secret": database_secret, GENERATION: str(number)})
