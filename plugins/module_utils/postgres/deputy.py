# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who acts in a tenant's database while it moves: a role with the tenant's rights there, and none anywhere else.

The tenant's own role can't: it is kept out of the database that is left. Whatever function of the tenant's runs in a session
of the deputy's, or in a subscription that the deputy owns, runs with what the tenant may do anyway.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from ..secrets.platform_key import derive, derive_verifier
from ..secrets.server import subject
from .connection import Address, AsServer, AsTenant

_SUFFIX = "__deputy"

_THERE = "SELECT 1 FROM pg_roles WHERE rolname = %s"
_MEMBER = "SELECT pg_has_role(%s, %s, 'MEMBER') AS is_one"
# All is spelled out and reset: a function of the tenant's that runs as the deputy may alter the deputy, as any role itself.
_PUT_RIGHT = """
ALTER ROLE {role} LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD {verifier};
ALTER ROLE {role} RESET ALL
"""


def deputy_of(database: str) -> str:
    """Return the role that is the deputy of the tenant whose database and role are ``database``."""
    return f"{database}{_SUFFIX}"


def is_deputy(role: str) -> bool:
    """Whether a role is some tenant's deputy, by its name."""
    return role.endswith(_SUFFIX)


@dataclass(frozen=True)
class Deputy:
    """The deputy of the tenant whose database and role are ``database`` on the server at ``address``."""

    address: Address
    database: str

    @property
    def name(self) -> str:
        """The role."""
        return deputy_of(self.database)

    def parameters(self) -> dict[str, Any]:
        """Return libpq's connection parameters, the password among them."""
        password = derive(self.address.key, subject(self.address.name), self._purpose)
        return self.address.parameters(self.database) | {"user": self.name, "password": password}

    def connect(self) -> AbstractContextManager[AsTenant]:
        """Connect to the tenant's database; ``ensure`` comes before. Raises Unavailable."""
        return self.address.log_in(self.name, self.parameters()["password"], self.database)

    def ensure(self) -> None:
        """Make the role, or put it right. Raises psycopg.Error where the tenant's is not there, Unavailable."""
        role, tenant = sql.Identifier(self.name), sql.Identifier(self.database)
        verifier = sql.Literal(derive_verifier(self.address.key, subject(self.address.name), self._purpose))
        with self.address.connect() as server, server.transaction():
            if not server.execute(_THERE, (self.name,)).fetchone():
                server.execute(sql.SQL("CREATE ROLE {}").format(role))
            server.execute(sql.SQL(_PUT_RIGHT).format(role=role, verifier=verifier))
            if server.execute(_MEMBER, (self.name, self.database)).fetchone() != {"is_one": True}:
                server.execute(sql.SQL("GRANT {} TO {}").format(tenant, role))

    @property
    def _purpose(self) -> str:
        return f"deputy {self.database}"


def dismiss(inside: AsServer, database: str) -> None:
    """Drop the deputy of the tenant whose ``database`` this is, where there is one; what it made is the tenant's."""
    name = deputy_of(database)
    if not inside.execute(_THERE, (name,)).fetchone():
        return
    role, tenant = sql.Identifier(name), sql.Identifier(database)
    with inside.transaction():
        inside.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(role, tenant))
        inside.execute(sql.SQL("DROP OWNED BY {}").format(role))
        inside.execute(sql.SQL("DROP ROLE {}").format(role))
