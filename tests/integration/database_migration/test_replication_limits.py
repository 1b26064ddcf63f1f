"""How many databases may move to and from a server at a time: as many as it has places for, and else preflight says so first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from psycopg import sql

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import (
    publication,
    replication,
    replication_slot,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration.preflight import measure
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.preflight import (
    Findings,
    notes,
    obstacles,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.record import Strategy
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo.database import drop_database
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.deputy import Deputy, dismiss
from tests.fixtures.pools import PLACES, Pool, make_pool
from tests.fixtures.waiting import eventually

_FOLLOWING = "SELECT count(*) AS found FROM pg_stat_subscription WHERE pid IS NOT NULL"


@contextmanager
def followers(followed: Pool, database: str, former: Pool, count: int) -> Iterator[None]:
    """Have ``former`` follow the database that often, as the former server of that many tenants follows where they went."""
    names = [f"saasodoo_{number:012x}_rev" for number in range(count)]
    make_there(former, database)
    with followed.superuser(database) as home, former.superuser(database) as server:
        publication.publish(home)
        publication.publish(server)  # whose tables are the same, then
        try:
            for name in names:
                home.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (name,))
                replication.subscribe(server, Deputy(former.address, database), followed.address, name)
            yield
        finally:
            for name in names:
                replication.unsubscribe(server, name)
                replication_slot.drop_slot(home, name)
            publication.unpublish(home)
            publication.unpublish(server)
            dismiss(server, database)
    with former.address.connect() as server:
        drop_database(server, database)


def make_there(pool: Pool, database: str) -> None:
    """Make an empty database, with the role of its name."""
    name = sql.Identifier(database)
    with pool.address.connect() as server:
        if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (database,)).fetchone():
            server.execute(sql.SQL("CREATE ROLE {}").format(name))
        server.execute(sql.SQL("CREATE DATABASE {}").format(name))


def following(pool: Pool) -> int:
    with pool.address.connect() as server:
        row = server.execute(_FOLLOWING).fetchone()
    assert row is not None
    return int(row["found"])


def look(source: Pool, target: Pool, database: str) -> Findings:
    places = {source.address.name: PLACES, target.address.name: 20}
    return measure(
        source.address,
        target.address,
        database,
        Path("/tmp"),
        as_tenant=partial(source.address.log_in, database, "", database),
        places=places,
    )


def shortages(findings: Findings) -> list[str]:
    return [each for each in notes(findings, Strategy.ONLINE, running=True) if "too little" in each]


def test_every_tenant_of_a_pool_may_have_a_way_back_to_it(pools: tuple[Pool, Pool], tenant_name: str) -> None:
    """The former server of all follows each, and there is room for one more to move away."""
    with followers(pools[0], tenant_name, pools[1], PLACES):
        eventually(lambda: following(pools[1]) == PLACES, f"{PLACES} that follow")
        found = look(pools[0], pools[1], tenant_name)
        assert obstacles(found, Strategy.ONLINE, 60, running=True, reserve=0) == ()
        assert (found.source.free_slots, found.target.free_workers) == (10, 10)
        assert shortages(found) == []


def test_a_server_with_older_settings_is_told_with_what_it_needs(pools: tuple[Pool, Pool], tenant_name: str) -> None:
    older = ("max_replication_slots=20", "max_wal_senders=30", "max_logical_replication_workers=1")
    with make_pool("pool-c", *older) as small:
        found = look(pools[0], small, tenant_name)
        (note,) = shortages(found)
        assert obstacles(found, Strategy.ONLINE, 60, running=True, reserve=0) == (), "there is room yet"
        with followers(pools[0], tenant_name, small, 1):
            eventually(lambda: following(small) == 1)
            (obstacle,) = obstacles(look(pools[0], small, tenant_name), Strategy.ONLINE, 60, running=True, reserve=0)
    assert "server pool-c runs with too little for the moves of 20 tenants" in note
    assert "max_logical_replication_workers is 1, not 30" in note
    assert "max_replication_slots is 20, not 30" in note
    assert "max_wal_senders" not in note
    assert "playbooks/postgres_pool_restart.yml -e postgres_pool_name=pool-c" in note
    assert obstacle.startswith("server pool-c has no free subscription worker; found: 0; ")
    assert obstacle.endswith(note)
