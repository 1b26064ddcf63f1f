# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Many tenants at once: who is meant, and what is done for each when a person asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.registry import Connection
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.tenant_runs import last_run
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.tenants import COLUMNS, find, from_row
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.lifecycle import Status, Verb
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.wish import asked
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict, InvalidInput, NotFound, PlatformError

_OF_STATUS = f"SELECT {COLUMNS} FROM tenant.tenants t WHERE t.status = %s ORDER BY t.created_at, t.id"
#: What may be asked for; it takes nothing but the tenant. ``retry`` is what a tenant's last run was for, or what is wished of it.
RETRY = "retry"
VERBS = (RETRY, *map(str, (Verb.START, Verb.STOP, Verb.RESTART, Verb.SUSPEND, Verb.RESUME, Verb.TERMINATE)))


@dataclass(frozen=True)
class Asked:
    """What one of them comes to: the ``verb`` that is done, or the ``refusal``. ``last`` is its last run."""

    name: str
    tenant: Tenant | None = None
    verb: Verb | None = None
    last: UUID | None = None
    refusal: PlatformError | None = None


def ask(connection: Connection, verb: str, references: Sequence[str], status: str = "") -> list[Asked]:
    """Return what ``verb`` comes to for each tenant named (subdomain or id), or for all of a status; a tenant comes once.

    Raises InvalidInput where neither or both are given, or they are not what they should be.
    """
    if verb not in VERBS:
        raise InvalidInput("not to be done for many", found=verb, expected=f"one of {', '.join(VERBS)}")
    if bool(references) == bool(status) or (status and status not in (*Status,)):
        expected = f"names, or one status of {', '.join(Status)}"
        raise InvalidInput("it is not clear which tenants are meant", found=status or references, expected=expected)
    wanted = None if verb == RETRY else Verb(verb)
    found = {each.tenant.id if each.tenant else each.name: each for each in _meant(connection, references, status)}
    return [_asked(connection, each, wanted) for each in found.values()]


def _meant(connection: Connection, references: Sequence[str], status: str) -> Iterator[Asked]:
    if status:
        for row in connection.execute(_OF_STATUS, (status,)).fetchall():
            tenant = from_row(row)
            yield Asked(tenant.name, tenant)
    for reference in references:
        try:
            tenant = find(connection, reference)
        except NotFound as error:
            yield Asked(reference, refusal=error)
        else:
            yield Asked(tenant.name, tenant)


def _asked(connection: Connection, each: Asked, wanted: Verb | None) -> Asked:
    if each.tenant is None:
        return each
    row = last_run(connection, each.tenant.id)
    try:
        verb = asked(each.tenant, wanted, Verb(row["verb"]) if row else None)
    except Conflict as error:
        return Asked(each.name, each.tenant, refusal=error)
    return Asked(each.name, each.tenant, verb, row["id"] if row else None)
