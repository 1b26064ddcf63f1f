"""kill -9 at every step of a move, in both directions: run again, the tenant is on one server, with all that was written.

`make test` tries some cells by lot, `make test-faults` all. SAASODOO_FAULT_SEED draws the same again.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import gate
from tests.faults.cells import Bench, Cell, all_cells
from tests.fixtures.platform import PARTS_TENANTS, local_platform
from tests.fixtures.tenants import Tenants

_SEED = int(os.environ.get("SAASODOO_FAULT_SEED") or time.time_ns() % 1_000_000)
_CELLS = os.environ.get("SAASODOO_FAULT_CELLS", "4")
_POOL = {"max_instances": 50, "cpu_limit": 1, "memory_limit": "1GB"}
_POOLS = [{"name": "pool-1", **_POOL}, {"name": "pool-2", **_POOL}]


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Two pools and a running tenant."""
    with local_platform(PARTS_TENANTS, port_base=28000, instance="fault", saasodoo_postgres_pools=_POOLS) as platform:
        tenants = Tenants(platform)
        bench = Bench(tenants, tenants.made(), _SEED)
        gate.install(bench.registry)
        yield bench


def drawn() -> list[Cell]:
    """All cells, or some by lot."""
    cells = list(all_cells())
    if _CELLS == "all":
        return cells
    chosen = random.Random(_SEED).sample(range(len(cells)), int(_CELLS))
    return [cells[number] for number in sorted(chosen)]


@pytest.mark.timeout(4 * 60 * 60)
def test_deaths(bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = drawn()
    bad = []
    with capsys.disabled():
        sys.stdout.write(f"\n{len(cells)} deaths (SAASODOO_FAULT_SEED={_SEED})\n")
        for number, cell in enumerate(cells):
            result = bench.try_out(cell, tmp_path / f"{number}.log")
            sys.stdout.write(f"{result}\n")
            sys.stdout.flush()
            bad += [str(result)] * bool(result.problems)
    assert not bad, "\n".join(bad)
