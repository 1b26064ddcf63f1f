"""The switch on a busy server: it waits for a quiet moment while people work on, and not for ever."""

from __future__ import annotations

import threading

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from tests.fixtures.bare_moves import BareMoves
from tests.fixtures.waiting import eventually

_TABLES = "CREATE TABLE keyed (id int PRIMARY KEY, name text)"


def followed(moves: BareMoves) -> Tenant:
    """Return a tenant whose new server follows: what is left to do is the switch."""
    tenant = moves.tenant(_TABLES)
    moves.place(tenant, "target", moves.pools[1])
    moves.do(tenant, "planned", "copied", "following")
    return tenant


def test_a_server_that_is_behind_is_waited_for_while_people_work(bare_moves: BareMoves) -> None:
    tenant = followed(bare_moves)
    patient = {"settings": {"quiet_timeout": 600.0, "quiet_pause": 9.0, "drain_timeout": 7.0}}
    steps: list[str] = []
    with (
        bare_moves.pools[1].superuser(tenant.database_name) as target,
        bare_moves.session(tenant) as session,
    ):
        target.execute("BEGIN")
        target.execute("LOCK TABLE saasodoo_migration.sentinel IN SHARE ROW EXCLUSIVE MODE")  # nothing arrives

        def work() -> None:
            try:
                eventually(lambda: any("waiting for a quiet moment" in each for each in bare_moves.reported), seconds=120)
                steps.extend(bare_moves.steps(tenant))
                session.execute("INSERT INTO keyed VALUES (1)")
            finally:
                target.execute("ROLLBACK")

        thread = threading.Thread(target=work)
        thread.start()
        done = bare_moves.do(tenant, "switched", "verified", **patient).facts["migration"]
        thread.join(30)
    assert "way_back" in steps
    assert "freeze" not in steps, "people would have waited"
    assert done["report"]["equal"]


def test_where_there_is_no_quiet_moment_it_goes_on_and_says_so(bare_moves: BareMoves) -> None:
    tenant = followed(bare_moves)
    never = {"settings": {"quiet_timeout": 1.0, "quiet_pause": 0.0}}
    done = bare_moves.do(tenant, "switched", "verified", **never).facts["migration"]
    assert done["report"]["equal"]
    assert any("waiting for a quiet moment: now people would wait for about " in each for each in bare_moves.reported)
    assert any("goes on although no quiet moment came in 1 s" in each for each in bare_moves.reported)
