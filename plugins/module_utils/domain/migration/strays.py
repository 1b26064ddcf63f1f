# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is on the servers of tenants' databases and should not be: compared with where tenants live and what is kept of moves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .record import Migration, MigrationStatus


class Kind(StrEnum):
    """What may be left."""

    SLOT = "slot"
    SUBSCRIPTION = "subscription"
    PUBLICATION = "publication"
    SCHEMA = "schema"
    DATABASE = "database"
    ROLE = "role"
    ENTRY = "PgBouncer entry"


@dataclass(frozen=True, order=True)
class Thing:
    """Something that was found on a server; ``database`` is the one it is in or about, '' for a role."""

    server: str
    kind: Kind
    name: str
    database: str = ""


@dataclass(frozen=True)
class Owner:
    """A tenant as far as it accounts for things: the servers it has places on, and its unfinished migration."""

    name: str
    places: frozenset[str]
    migration: Migration | None = None


@dataclass(frozen=True, order=True)
class Stray:
    """A thing nobody accounts for, whose it was (None: of no tenant that is known), and what mends it."""

    thing: Thing
    owner: str | None = field(compare=False)
    remedy: str = field(compare=False)

    def __str__(self) -> str:
        of = f"tenant {self.owner}" if self.owner else "no tenant"
        return f"{self.thing.server}: {self.thing.kind} {self.thing.name} of {of}; {self.remedy}"


#: The end of a tenant's database name, and the middle of its slots' and subscriptions'.
_SHORT_ID = re.compile(r"_([0-9a-f]{12})(?:__\w+|_fwd|_rev)?$")


def short_id_of(thing: Thing) -> str | None:
    """Return the short id of the tenant that the thing is about, None where its name tells none."""
    for name in (thing.name, thing.database):
        if found := _SHORT_ID.search(name):
            return found[1]
    return None


def strays(things: Iterable[Thing], owners: Mapping[str, Owner]) -> list[Stray]:
    """Return what nobody accounts for. ``owners`` are all tenants, by short id."""
    found = []
    for thing in sorted(things):
        short_id = short_id_of(thing)
        owner = owners.get(short_id) if short_id else None
        if owner is None or not accounts_for(owner, thing):
            found.append(Stray(thing, owner.name if owner else None, _remedy(thing, owner)))
    return found


def accounts_for(owner: Owner, thing: Thing) -> bool:
    """Say whether the tenant has, or may have, such a thing there."""
    move = owner.migration
    moves = move is not None and move.status is MigrationStatus.UNDER_WAY and thing.server in (move.source, move.target)
    if moves:
        return True
    if thing.kind in (Kind.DATABASE, Kind.ROLE, Kind.ENTRY):
        return thing.server in owner.places
    if move is None or move.status is not MigrationStatus.KEPT:
        return False
    follows = move.way_back_until is not None
    match thing.kind:
        case Kind.SLOT:
            return follows and thing.server == move.target and thing.name.endswith("_rev")
        case Kind.SUBSCRIPTION:
            return follows and thing.server == move.source and thing.name.endswith("_rev")
    return thing.server == move.source or (follows and thing.server == move.target)


def _remedy(thing: Thing, owner: Owner | None) -> str:
    if owner and owner.migration:
        return f"ansible-playbook playbooks/tenant_settle.yml -e tenant={owner.name} -e let_go=true"
    restart = f"restart the tenant (playbooks/tenant_restart.yml -e tenant={owner.name}), then " if owner else ""
    match thing.kind:
        case Kind.ENTRY:
            where = f"server={thing.server} database={thing.database} state=absent home={{{{ saasodoo_home }}}}"
            return f"{restart}ansible platform -m saasodoo.platform.pgbouncer_database -a '{where}'"
        case Kind.SLOT:
            return f"SELECT pg_drop_replication_slot('{thing.name}') on that server"
        case Kind.SUBSCRIPTION:
            alter = f"ALTER SUBSCRIPTION {thing.name}"
            return (
                f"in database {thing.database}: {alter} DISABLE; {alter} SET (slot_name = NONE); DROP SUBSCRIPTION {thing.name}"
            )
        case Kind.PUBLICATION | Kind.SCHEMA:
            return (
                f"in database {thing.database}: DROP {thing.kind.upper()} {thing.name}{' CASCADE' * (thing.kind is Kind.SCHEMA)}"
            )
    return f"look into it, keep a dump, then DROP {thing.kind.upper()} {thing.name} on that server"
