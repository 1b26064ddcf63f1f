# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Many tenants at once: who is meant, and what is done for each when a person asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from ..domain.tenant.status import Status
from ..domain.tenant.tenant import Tenant
from ..domain.tenant.verb import VERBS, Verb
from ..domain.tenant.wish import asked
from ..errors import Conflict, InvalidInput, NotFound, PlatformError
from ..postgres.connection import Connection
from .tenant_runs import last_run
from .tenants import COLUMNS, find, from_row

_OF_STATUS = f"SELECT {COLUMNS} FROM tenant.tenants t WHERE t.status = %s ORDER BY t.created_at, t.id"
#: What may be asked for; it takes nothing but the tenant. ``retry`` is what a tenant's last run was for, or what is wished of it.
RETRY = "retry"
CHOICES = (RETRY, *(str(verb) for verb, rule in VERBS.items() if rule.for_many))


@dataclass(frozen=True)
class Asked:
    """What one of them comes to: the ``verb`` that is done, or the ``refusal``. ``last`` is its last run."""

    name: str
    tenant: Tenant | None = None
    verb: Verb | None = None
    last: UUID | None = None
    refusal: PlatformError | None = None


@dataclass(frozen=True)
class Meant:
    """The tenants that are meant: those named (subdomain or id), or all of a status, ``approved`` as that many."""

    references: Sequence[str] = ()
    status: str = ""
    approved: int | None = None


def ask(connection: Connection, verb: str, meant: Meant, *, check: bool = False) -> list[Asked]:
    """Return what ``verb`` comes to for each tenant that is meant; a tenant comes once.

    Raises InvalidInput where neither names nor a status are given, or both, or they are not what they should be; Conflict where
    the verb for all of a status needs approval and has none, but not with ``check``, which is how to find who they are.
    """
    references, status = meant.references, meant.status
    if verb not in CHOICES:
        raise InvalidInput("not to be done for many", found=verb, expected=f"one of {', '.join(CHOICES)}")
    if bool(references) == bool(status) or (status and status not in (*Status,)):
        expected = f"names, or one status of {', '.join(Status)}"
        raise InvalidInput("it is not clear which tenants are meant", found=status or references, expected=expected)
    wanted = None if verb == RETRY else Verb(verb)
    found = {each.tenant.id if each.tenant else each.name: each for each in _meant(connection, references, status)}
    if wanted and status and not check:
        _check_approval(wanted, meant, len(found))
    return [_asked(connection, each, wanted) for each in found.values()]


def _check_approval(verb: Verb, meant: Meant, found: int) -> None:
    if not VERBS[verb].needs_approval or meant.approved == found:
        return
    raise Conflict(
        f"{verb} for all tenants that are {meant.status} needs approval",
        found=f"{found} tenants, {'none' if meant.approved is None else meant.approved} approved",
        expected=f"approved: {found}",
        action="look at them first: playbooks/tenants.yml with --check names them",
    )


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
        verb = asked(each.tenant, wanted, Verb(row["kind"]) if row else None)
    except Conflict as error:
        return Asked(each.name, each.tenant, refusal=error)
    return Asked(each.name, each.tenant, verb, row["id"] if row else None)
