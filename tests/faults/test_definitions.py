"""What a tenant does to its own tables at any step of its move: the move succeeds, or ends with the reason and all as it was.

`make test` tries some cells by lot, `make test-faults` all, SAASODOO_FAULT_CELLS=1/2 the first half of them.
SAASODOO_FAULT_SEED draws the same again.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import psycopg
import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.record import MigrationCourse
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.steps import STEPS, Step
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import PlatformError
from tests.fixtures.bare_moves import THERE, BareMoves, at_step
from tests.fixtures.faults import SEED, draw
from tests.fixtures.reporting import Report

_TABLES = """
CREATE TABLE keyed (id int PRIMARY KEY, name text); INSERT INTO keyed SELECT i, 'x' FROM generate_series(1, 100) i;
CREATE TABLE keyless (a int); INSERT INTO keyless SELECT i FROM generate_series(1, 100) i;
CREATE TABLE spare (id int PRIMARY KEY);
"""
#: What is done, how that can be seen where the tenant lives, and what the move says of it if it ends for that.
_DONE = {
    "ALTER TABLE keyed ADD COLUMN added int DEFAULT 7": ("SELECT count(added) = 100 FROM keyed", "keyed"),
    "DROP TABLE spare": ("SELECT to_regclass('spare') IS NULL", "spare"),
    "CREATE TABLE made (id int PRIMARY KEY); INSERT INTO made VALUES (1)": ("SELECT count(*) = 1 FROM made", "made"),
    "CREATE INDEX by_name ON keyed (name)": ("SELECT to_regclass('by_name') IS NOT NULL", "by_name"),
    "TRUNCATE keyless": ("SELECT count(*) = 0 FROM keyless", "keyless"),
    "GRANT SELECT ON keyless TO PUBLIC": ("SELECT relacl::text ~ '[{,]=r' FROM pg_class WHERE relname = 'keyless'", "keyless"),
}
_AT_ONCE = 0.5  # seconds; who is kept waiting by a pause, or by the dump, goes on when that is over
_PATIENCE = 60  # seconds


@dataclass(frozen=True)
class Cell:
    """What the tenant does as a step begins."""

    step: Step
    statement: str

    def __str__(self) -> str:
        return f"{self.step:10} {self.statement}"


@dataclass
class Meddling:
    """The tenant's statement, carried out through PgBouncer beside the move."""

    moves: BareMoves
    tenant: Tenant
    cell: Cell
    trouble: list[str] = field(default_factory=list)
    thread: threading.Thread | None = None

    def reached(self, step: str) -> None:
        """Carry it out as its step begins, once."""
        if step == self.cell.step and self.thread is None:
            self.thread = threading.Thread(target=self._carry_out)
            self.thread.start()
            self.thread.join(_AT_ONCE)

    def _carry_out(self) -> None:
        try:
            with self.moves.session(self.tenant) as session:
                session.execute(self.cell.statement.encode())
        except psycopg.Error as error:
            self.trouble.append(f"the tenant's statement failed: {error}")

    def problems(self) -> list[str]:
        """Name what did not come of it."""
        if self.thread is None:
            return ["the step was never begun"]
        self.thread.join(_PATIENCE)
        if self.thread.is_alive():
            return ["the tenant's statement does not end"]
        with self.moves.session(self.tenant) as session:
            there = session.execute(f"SELECT ({_DONE[self.cell.statement][0]}) AS it".encode()).fetchone()
        return self.trouble or ([] if there == {"it": True} else ["what the tenant did is not there"])


#: The move can't be proved any more, so the tenant is moved back and there again: three moves, where the others need two at most.
_WORST = Cell(Step.VERIFY, next(iter(_DONE)))


def all_cells() -> list[Cell]:
    return [Cell(step, statement) for step in STEPS[MigrationCourse.ONLINE] for statement in _DONE]


def moved(moves: BareMoves, tenant: Tenant) -> str:
    """Move the tenant away and return why that failed, or ''."""
    try:
        moves.move(tenant)
    except PlatformError as error:
        return str(error)
    return ""


def try_out(moves: BareMoves, cell: Cell) -> tuple[str, list[str]]:
    """Try one cell; return what became of it and what is not as it should be."""
    tenant = moves.tenant(_TABLES)
    before = moves.remains(tenant)
    meddling = Meddling(moves, tenant, cell)
    with moves.writer(tenant) as writer, at_step(meddling.reached):
        error = moved(moves, tenant)
    problems = meddling.problems() + writer.problems()
    if not error:
        return moved_at_once(moves, tenant, cell, problems)
    if moves.home_of(tenant) != moves.pools[0] or moves.remains(tenant) != before or moves.last(tenant).status != "undone":
        where = f"{moves.last(tenant).status}, lives on {moves.home_of(tenant).address.name}, {moves.remains(tenant)}"
        return f"ended: {error}", [*problems, f"it is not as before: {where}"]
    if _DONE[cell.statement][1] not in error:
        problems.append("the message does not name it")
    if again := moved(moves, tenant):
        problems.append(f"moved again it fails: {again}")
    else:
        problems += proved(moves, tenant)
    return f"ended: {error}", problems + meddling.problems()


def moved_at_once(moves: BareMoves, tenant: Tenant, cell: Cell, problems: list[str]) -> tuple[str, list[str]]:
    """Judge a move that succeeded: proved, unless the tenant changed its tables before that could be, and said why not."""
    last = moves.last(tenant)
    if last.report or _DONE[cell.statement][1] not in last.message:
        return "moved", problems + proved(moves, tenant)
    moves.do(tenant, "settled")
    moves.place(tenant, "target", moves.pools[0])
    moves.do(tenant, *THERE, target=moves.pools[0].address.name)
    return f"{last.message}", problems + proved(moves, tenant, 0)


def proved(moves: BareMoves, tenant: Tenant, pool: int = 1) -> list[str]:
    """Name what is wrong with a move to a server that succeeded."""
    last = moves.last(tenant)
    if moves.home_of(tenant) != moves.pools[pool] or last.status != "kept":
        return [f"it lives on {moves.home_of(tenant).address.name}, {last.status}"]
    return [] if last.report and last.report["equal"] else [f"it was not proved: {last.message}"]


@pytest.mark.timeout(4 * 60 * 60)
def test_whatever_a_tenant_does_to_its_tables_its_move_succeeds_or_ends_and_says_why(
    bare_moves: BareMoves, report: Report
) -> None:
    bad = []
    cells = draw(all_cells(), _WORST)
    report(f"{len(cells)} changes of tables (SAASODOO_FAULT_SEED={SEED})")
    for cell in cells:
        became, problems = try_out(bare_moves, cell)
        bare_moves.clear()
        line = "\n".join([f"{cell} | {became}", *(f"    WRONG: {each}" for each in problems)])
        report(line)
        bad += [line] * bool(problems)
    assert not bad, "\n".join(bad)
