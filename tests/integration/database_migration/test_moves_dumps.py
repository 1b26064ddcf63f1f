"""What moves leave in `backups`: no part of a dump, and a complete one for its time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import dump as database_copy
from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration.dump import is_dumped
from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration.kept_dumps import dumped
from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration.survey import remove_dumps
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import connect
from tests.fixtures.bare_moves import BareMoves, at_step
from tests.fixtures.waiting import eventually

_TABLES = "CREATE TABLE keyed (id int PRIMARY KEY, name text)"


def folders(moves: BareMoves, tenant: Tenant) -> list[Path]:
    return sorted((moves.home / "backups" / tenant.short_id).glob("*"))


def removed(moves: BareMoves, *, days: float, check: bool = False) -> list[str]:
    with connect(moves.registry, autocommit=True) as connection:
        return remove_dumps(connection, moves.home / "backups", days=days, check=check)


def altered_at(moves: BareMoves, tenant: Tenant, step: str) -> None:
    """Have a move fail, as the tenant alters a table at a step."""

    def reached(begun: str) -> None:
        if begun == step:
            with moves.session(tenant) as session:
                session.execute("ALTER TABLE keyed ADD COLUMN added int")

    with at_step(reached), pytest.raises(Conflict):
        moves.move(tenant)


def mended(moves: BareMoves, tenant: Tenant) -> None:
    with moves.session(tenant) as session:
        session.execute("ALTER TABLE keyed DROP COLUMN added")


def test_of_a_try_that_failed_only_a_complete_dump_stays(bare_moves: BareMoves) -> None:
    tenant = bare_moves.tenant(_TABLES)
    altered_at(bare_moves, tenant, "back_up")
    assert folders(bare_moves, tenant) == []
    mended(bare_moves, tenant)
    altered_at(bare_moves, tenant, "load")
    (left,) = folders(bare_moves, tenant)
    assert is_dumped(dumped(left))


def test_a_part_that_a_killed_try_left_goes_with_the_next_run(bare_moves: BareMoves, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = bare_moves.tenant(_TABLES)
    with monkeypatch.context() as patched:
        patched.setattr(database_copy, "_write_record", lambda *_: time.sleep(60))
        begun = bare_moves.begin(tenant)
    eventually(
        lambda: any((dumped(each) / "toc.dat").exists() for each in folders(bare_moves, tenant)), "a dump without its record"
    )
    begun.process.kill()
    begun.process.join()
    (part,) = folders(bare_moves, tenant)
    assert not is_dumped(dumped(part))
    assert removed(bare_moves, days=-1) == [], "whoever goes on with the move removes it"
    bare_moves.do(tenant, "taken_up", again=True)
    assert folders(bare_moves, tenant) == []


def test_dumps_go_when_their_time_and_that_of_the_way_back_is_over(bare_moves: BareMoves) -> None:
    tenant = bare_moves.tenant(_TABLES)
    altered_at(bare_moves, tenant, "load")
    mended(bare_moves, tenant)
    (tried,) = folders(bare_moves, tenant)
    bare_moves.move(tenant)
    _, kept = folders(bare_moves, tenant)
    part = kept.with_name("20260101T000000-pool-a")
    dumped(part).mkdir(parents=True)
    notes = kept.with_name("notes-of-mine")
    notes.mkdir()

    assert removed(bare_moves, days=14, check=True) == [str(part)]
    assert part.exists()
    assert removed(bare_moves, days=14) == [str(part)], "a part goes at once, what is not a dump's stays"
    assert removed(bare_moves, days=-1) == [str(tried)], "the way back of the other one is open"
    bare_moves.do(tenant, "way_back_closed")
    assert removed(bare_moves, days=14) == []
    assert removed(bare_moves, days=-1) == [str(kept)]
    assert folders(bare_moves, tenant) == [notes]
