"""Fixtures every test may use, and the rule for parts that can't be had."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

# Those that others import come first, or pytest finds them imported already.
pytest_plugins = [
    "tests.fixtures.attack_table",
    "tests.fixtures.fork_server",
    "tests.fixtures.reporting",
    "tests.fixtures.platform",
    "tests.fixtures.postgres",
    "tests.fixtures.pooler",
    "tests.fixtures.pools",
    "tests.fixtures.moves",
    "tests.fixtures.registry",
    "tests.fixtures.killbill",
    "tests.fixtures.odoo",
    "tests.fixtures.proxy",
    "tests.fixtures.runner",
    "tests.fixtures.tenants",
    "tests.fixtures.faults",
    "tests.fixtures.images",
    "tests.fixtures.bare_moves",
    "tests.fixtures.molecule",
]

#: Folders and files of tests that share what takes long to make: one process runs these. Other files run wherever there is time.
_TOGETHER = {
    **dict.fromkeys(("acceptance", "faults", "soak"), "the platform"),
    **{folder: folder for folder in ("fresh", "kubernetes")},
    **dict.fromkeys(("test_killbill_nouns", "test_killbill_role", "test_killbill_life"), "Kill Bill"),
    **dict.fromkeys(("test_odoo_runtime", "test_odoo_template", "test_odoo_tenants"), "Odoo"),
    **dict.fromkeys(("test_kept_migrations", "test_postgres_pool_drain", "test_tenant_resize", "test_tenant_verbs"), "tenants"),
}

#: The fixtures of the cluster that tests share.
_SHARED_CLUSTER = {"kubernetes", "kubernetes_node"}

#: Files of acceptance tests that kill parts of the platform.
_KILLING = {"test_crowd", "test_faults"}


class _ByWhatTheyShare(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.partition("::")[0])
        return _TOGETHER.get(file.parts[1]) or _TOGETHER.get(file.stem) or str(file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what needs a cluster, then with fresh machines, so that no process waits for the other in the end.

    Of that, begin with what makes a cluster of its own, since there can be one at a time; then comes what makes a platform of its
    own in the shared cluster, since its node has no room for two. What is shared stays to the end. Kills come after lives: what
    Kill Bill was at when its database was killed, it takes up again after minutes; until then a moved clock never comes to rest.
    """
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    needs = {*getattr(item, "fixturenames", ())}
    if not item.get_closest_marker("kubernetes"):
        return 3 if item.path.parent.name == "fresh" else 5 if item.path.stem in _KILLING else 4
    return 2 if "kubernetes_tenants" in needs else 1 if _SHARED_CLUSTER & needs else 0


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Say what stays together when several processes run the tests (make test)."""
    return _ByWhatTheyShare(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With REQUIRE_ALL=1 (CI) a skipped test is a failed one: nothing is left untested in silence."""
    report = yield
    if report.skipped and os.environ.get("REQUIRE_ALL") == "1" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but REQUIRE_ALL=1: {report.longrepr}"
    return report
