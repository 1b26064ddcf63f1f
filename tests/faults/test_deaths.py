"""Signal 9 at every step of a move, in both directions: run again, the tenant is on one server, with all that was written.

`make test` tries the one that costs the most and some by lot, `make test-faults` all, SAASODOO_FAULT_CELLS=1/2 the first half of
them. SAASODOO_FAULT_SEED draws the same again.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.record import MigrationCourse
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.steps import Step
from tests.faults.cells import Bench, Cell, all_cells
from tests.fixtures.faults import SEED, draw
from tests.fixtures.reporting import Report

#: The first move is undone once the server is back, and all of it is done again: the slowest of ten measured one after the other.
_WORST = Cell(MigrationCourse.ONLINE, Step.LOAD, "target postgres", "begun")


@pytest.mark.timeout(4 * 60 * 60)
def test_whoever_dies_the_tenant_is_on_one_server_with_all_that_was_written(bench: Bench, tmp_path: Path, report: Report) -> None:
    bad = []
    cells = draw(list(all_cells()), _WORST)
    report(f"{len(cells)} deaths (SAASODOO_FAULT_SEED={SEED})")
    for number, cell in enumerate(cells):
        result = bench.try_out(cell, tmp_path / f"{number}.log")
        report(str(result))
        bad += [str(result)] * bool(result.problems)
    assert not bad, "\n".join(bad)
