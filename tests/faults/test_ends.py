"""A run killed as it records where its migration has come to, or right after: the next run makes an end of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.record import MigrationCourse
from tests.faults import victims
from tests.faults.cells import Bench
from tests.faults.gate import Gate
from tests.fixtures.processes import kill

pytestmark = pytest.mark.timeout(600)

_MOMENT = 0.02  # seconds, in which what was recorded is there, and the next task has not begun


def kill_as_it_records(bench: Bench, status: str, verb: str, log: Path, *, after: bool, **more: str) -> None:
    """Run the verb and kill it as the migration becomes ``status``: before others see that, or ``after``."""
    with bench.start(verb, log, **more) as run:
        with Gate(bench.registry, ("end", status, "done")).shut(lambda: run.poll() is None) as reached:
            assert reached, log.read_text()
            if not after:
                kill(victims.playbook(run.pid))
        time.sleep(_MOMENT)
        kill(victims.playbook(run.pid))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("then", ["migrate", "settle"])
def test_as_it_begins(bench: Bench, tmp_path: Path, after: bool, then: str) -> None:
    source, target = bench.prepare(MigrationCourse.ONLINE, tmp_path / "log")
    kill_as_it_records(bench, "under_way", "migrate", tmp_path / "log", after=after)
    assert bench.run(then, tmp_path / "log") == 0, (tmp_path / "log").read_text()
    assert bench.place()[0] == (target if then == "migrate" else source)
    assert bench.problems() == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_as_it_is_kept_as_it_returns_and_as_it_is_settled(bench: Bench, tmp_path: Path, after: bool) -> None:
    log = tmp_path / "log"
    source, target = bench.prepare(MigrationCourse.ONLINE, log)
    kill_as_it_records(bench, "kept", "migrate", log, after=after)
    assert bench.run("settle", log) == 0, log.read_text()
    assert (bench.place()[0], bench.problems()) == (target, [])

    kill_as_it_records(bench, "returned", "migrate_back", log, after=after)
    assert bench.run("settle", log) == 0, log.read_text()
    assert (bench.place(), bench.problems()) == ((source, None), [])

    assert bench.run("migrate", log) == 0, log.read_text()
    kill_as_it_records(bench, "settled", "settle", log, after=after, let_go="true")
    assert bench.run("settle", log, let_go="true") == 0, log.read_text()
    assert (bench.place(), bench.problems()) == ((target, None), [])
