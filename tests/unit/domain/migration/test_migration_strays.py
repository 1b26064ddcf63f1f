"""What on the servers belongs to where tenants live and to their moves, and what to nobody."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.record import (
    Migration,
    MigrationStatus,
    Strategy,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.strays import (
    Kind,
    Owner,
    Thing,
    short_id_of,
    strays,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status

SHORT = "0f8fad5bd9cb"
DATABASE = f"odoo_c1_{SHORT}"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def migration(status: MigrationStatus, *, way_back: bool = True) -> Migration:
    return Migration(
        id=uuid.uuid4(), tenant_id=uuid.uuid4(), database_name=DATABASE, strategy=Strategy.ONLINE, reason="", source="pool-1",
        target="pool-2", status=status, tenant_status=Status.RUNNING, progress={}, report=None, message="", cause="",
        started_at=NOW, switched_at=NOW, way_back_until=NOW if way_back else None, keep_until=NOW, finished_at=None,
    )  # fmt: skip


def things(server: str, *kinds: Kind) -> list[Thing]:
    names = {Kind.SLOT: f"saasodoo_{SHORT}_rev", Kind.SUBSCRIPTION: f"saasodoo_{SHORT}_rev"}
    common = {Kind.PUBLICATION: "saasodoo_migration", Kind.SCHEMA: "saasodoo_migration"}
    return [Thing(server, kind, (names | common).get(kind, DATABASE), "" if kind is Kind.ROLE else DATABASE) for kind in kinds]


AT_HOME = (Kind.DATABASE, Kind.ROLE, Kind.ENTRY)
OF_A_MOVE = (Kind.SLOT, Kind.SUBSCRIPTION, Kind.PUBLICATION, Kind.SCHEMA)
KEPT = [
    *things("pool-1", *AT_HOME, Kind.SUBSCRIPTION, Kind.PUBLICATION, Kind.SCHEMA),
    *things("pool-2", *AT_HOME, Kind.SLOT, Kind.PUBLICATION, Kind.SCHEMA),
]


def test_a_tenant_at_home_accounts_for_what_is_there_only() -> None:
    owners = {SHORT: Owner("acme", frozenset({"pool-2"}))}
    assert strays(things("pool-2", *AT_HOME), owners) == []
    assert len(strays(things("pool-1", *AT_HOME), owners)) == 3
    assert len(strays(things("pool-2", *OF_A_MOVE), owners)) == 4, "nothing of a move is left where there is none"


def test_what_is_kept_is_accounted_for_as_long_as_it_leads_back() -> None:
    open_way = Owner("acme", frozenset({"pool-1", "pool-2"}), migration(MigrationStatus.KEPT))
    assert strays(KEPT, {SHORT: open_way}) == []
    closed = Owner("acme", open_way.places, migration(MigrationStatus.KEPT, way_back=False))
    found = {(stray.thing.server, stray.thing.kind) for stray in strays(KEPT, {SHORT: closed})}
    assert found == {
        ("pool-1", Kind.SUBSCRIPTION),
        ("pool-2", Kind.SLOT),
        ("pool-2", Kind.PUBLICATION),
        ("pool-2", Kind.SCHEMA),
    }


def test_the_way_there_is_no_more_once_the_tenant_is_there() -> None:
    owner = Owner("acme", frozenset({"pool-1", "pool-2"}), migration(MigrationStatus.KEPT))
    forward = Thing("pool-1", Kind.SLOT, f"saasodoo_{SHORT}_fwd", DATABASE)
    (stray,) = strays([forward], {SHORT: owner})
    assert "tenant_settle.yml -e tenant=acme" in stray.remedy


@pytest.mark.parametrize("server", ["pool-1", "pool-2"])
def test_a_move_under_way_may_have_anything_where_it_works(server: str) -> None:
    moving = Owner("acme", frozenset(), migration(MigrationStatus.UNDER_WAY))
    assert strays(things(server, *AT_HOME, *OF_A_MOVE), {SHORT: moving}) == []
    assert len(strays(things("pool-3", *AT_HOME), {SHORT: moving})) == 3, "not on a third server"


def test_what_belongs_to_no_tenant_is_told_with_what_mends_it() -> None:
    for stray in strays(things("pool-1", *AT_HOME, *OF_A_MOVE), {}):
        assert stray.owner is None
        assert stray.remedy
        assert f"pool-1: {stray.thing.kind} {stray.thing.name} of no tenant" in str(stray)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        (DATABASE, SHORT),
        (f"{DATABASE}__new", SHORT),
        (f"saasodoo_{SHORT}_fwd", SHORT),
        (f"saasodoo_{SHORT}_rev", SHORT),
        ("saasodoo_migration", None),
        ("postgres", None),
    ],
)
def test_names_tell_whose_a_thing_is(name: str, short: str | None) -> None:
    assert short_id_of(Thing("pool-1", Kind.DATABASE, name)) == short
