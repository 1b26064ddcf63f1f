# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may log in to the registry and what they may do there: one role, one password file and the least grants each."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters import scram
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.postgres import connect_server
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.registry import Connection
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.secrets import derive
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput

SERVER = "registry"
COMPONENTS = ("owner", "operator", "runner", "inventory")

_READ_ROLE = """
    SELECT rolpassword, rolcanlogin AND NOT (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls) AS plain
    FROM pg_authid WHERE rolname = %s
"""
_MAKE_PLAIN = "ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD {}"

# Owner and privileges of everything in the registry: what grants.sql decides.
_ACCESS = """
    SELECT 'relation' AS kind, c.oid::regclass::text AS name, c.relowner AS owner, a.grantee, a.privilege_type
    FROM pg_class AS c CROSS JOIN LATERAL aclexplode(
        coalesce(c.relacl, acldefault((CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END)::"char", c.relowner))) AS a
    WHERE c.relkind IN ('r', 'S', 'v') AND c.relnamespace::regnamespace::text = ANY (%(schemas)s)
    UNION ALL
    SELECT 'function', p.oid::regprocedure::text, p.proowner, a.grantee, a.privilege_type
    FROM pg_proc AS p CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
    WHERE p.pronamespace::regnamespace::text = ANY (%(schemas)s)
    UNION ALL
    SELECT 'schema', n.nspname, n.nspowner, a.grantee, a.privilege_type
    FROM pg_namespace AS n CROSS JOIN LATERAL aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a
    WHERE n.nspname = ANY (%(schemas)s)
    UNION ALL
    SELECT 'database', d.datname, d.datdba, a.grantee, a.privilege_type
    FROM pg_database AS d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a
    WHERE d.datname = current_database()
    UNION ALL
    SELECT 'setting', unnest(setconfig), setrole, 0, '' FROM pg_db_role_setting WHERE setdatabase = 0
"""
_SCHEMAS = ["public", "billing", "database", "tenant", "ops", "auth", "communication"]
_UNSEAL = """
    DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'saasodoo_journal') THEN
            REASSIGN OWNED BY saasodoo_journal TO saasodoo_owner;
        END IF;
    END $$
"""


@dataclass(frozen=True)
class Component:
    """A part of the platform that logs in to the registry: its name, its password file and the user who may read that."""

    name: str
    passfile: Path
    user: str

    def __post_init__(self) -> None:
        if self.name not in COMPONENTS:
            raise InvalidInput("unknown component of the registry", found=self.name, expected=", ".join(COMPONENTS))

    @property
    def role(self) -> str:
        """The login role."""
        return f"saasodoo_{self.name}"

    def password(self, key: bytes) -> str:
        """Return the password, derived from the platform key."""
        return derive(key, f"registry:{self.role}", "login")


def connect_admin(host: str, port: int, key: bytes, dbname: str) -> AbstractContextManager[Connection]:
    """Connect to the registry's server as its superuser, in autocommit. Raises Unavailable."""
    return connect_server(host, port, SERVER, key, dbname)


def role_state(connection: Connection | None, component: Component, password: str | None) -> str:
    """Return how the login role is: absent, ``login`` when it is as it should be, or what is wrong with it."""
    row = connection.execute(_READ_ROLE, (component.role,)).fetchone() if connection else None
    if row is None:
        return "absent"
    if not row["plain"]:
        return "with other attributes"
    return "login" if password and scram.matches(row["rolpassword"], password) else "with another password"


def make_role(connection: Connection, component: Component, password: str) -> None:
    """Make the login role, or mend it. What is sent is a verifier, never the password."""
    role = sql.Identifier(component.role)
    if role_state(connection, component, password) == "absent":
        connection.execute(sql.SQL("CREATE ROLE {}").format(role))
    connection.execute(sql.SQL(_MAKE_PLAIN).format(role, sql.Literal(scram.make_verifier(password))))


def passfile_line(host: str, port: int, component: Component, password: str) -> str:
    """Return the password file's only line (libpq: host:port:database:user:password)."""
    return f"{host}:{port}:*:{component.role}:{password}\n"


def passfile_state(component: Component, line: str | None) -> str:
    """Return how the password file is, without what is in it; ``line`` None: nothing can be right yet."""
    file = component.passfile
    if not file.exists():
        return "absent"
    stat = file.stat()
    content = "current" if file.read_text(encoding="ascii", errors="replace") == line else "outdated"
    return f"{content}, mode {stat.st_mode & 0o777:04o}, of {_user_name(stat.st_uid)}"


def passfile_wanted(component: Component) -> str:
    """Return what passfile_state says of a file that is as it should be."""
    return f"current, mode 0600, of {component.user}"


def write_passfile(component: Component, line: str) -> None:
    """Write the password file as a whole, readable by its user alone from the first moment.

    Raises InvalidInput when there is no such user or this one may not give files away.
    """
    file = component.passfile
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as target:
        target.write(line)
    if _user_name(fresh.stat().st_uid) != component.user:
        try:
            shutil.chown(fresh, component.user)
        except (LookupError, PermissionError) as error:
            fresh.unlink()
            raise InvalidInput(f"the password file {file} can't be given to {component.user}", found=str(error)) from None
    fresh.replace(file)


def read_components(entries: Iterable[dict[str, Any]], folder: str) -> Sequence[Component]:
    """Return the components of the option ``components``. Raises InvalidInput for an unknown one."""
    return [Component(entry["name"], Path(folder) / f"{entry['name']}.pgpass", entry["user"]) for entry in entries]


def sync_components(
    connection: Connection | None, components: Sequence[Component], key: bytes | None, where: tuple[str, int], *, check: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Bring roles and password files to what they should be; return how they are before and after.

    Without a connection and a key (check mode, before the first run) nothing is there yet.
    """
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for component in components:
        password = component.password(key) if key else None
        line = passfile_line(*where, component, password) if password else None
        before[component.role] = {
            "role": role_state(connection, component, password),
            "password file": passfile_state(component, line),
        }
        after[component.role] = {"role": "login", "password file": passfile_wanted(component)}
        if check or connection is None or password is None or line is None:
            continue
        if before[component.role]["role"] != "login":
            make_role(connection, component, password)
        if before[component.role]["password file"] != passfile_wanted(component):
            write_passfile(component, line)
    return before, after


def unseal(admin: Connection) -> None:
    """Give the journal to the owner while it migrates; apply_grants takes it away again. Nothing may change its rows still."""
    admin.execute(_UNSEAL)


def apply_grants(admin: Connection, grants: str, *, check: bool) -> bool:
    """Apply grants.sql in one transaction; return whether that changes an owner, a privilege or a role's setting.

    With ``check``, or when nothing changes, the transaction is rolled back: looking writes nothing.
    """
    with admin.transaction() as transaction:
        before = _access(admin)
        admin.execute(grants)
        changed = _access(admin) != before
        if check or not changed:
            raise psycopg.Rollback(transaction)
    return changed


def _access(connection: Connection) -> set[tuple[object, ...]]:
    return {tuple(row.values()) for row in connection.execute(_ACCESS, {"schemas": _SCHEMAS})}


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
