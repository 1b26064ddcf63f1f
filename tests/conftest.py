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
    "tests.fixtures.platform",
    "tests.fixtures.postgres",
    "tests.fixtures.pooler",
    "tests.fixtures.pools",
    "tests.fixtures.moves",
    "tests.fixtures.registry",
    "tests.fixtures.killbill",
    "tests.fixtures.odoo",
    "tests.fixtures.runner",
    "tests.fixtures.tenants",
    "tests.fixtures.faults",
    "tests.fixtures.cluster",
    "tests.fixtures.images",
]

#: Folders of tests that share a platform or a cluster, or servers: these are not run beside each other.
_TOGETHER = {"acceptance": "wholes", "faults": "wholes", "kubernetes": "wholes", "contract": "parts", "integration": "parts"}


class _ByFolder(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    def _split_scope(self, nodeid: str) -> str:
        return _TOGETHER.get(Path(nodeid).parts[1], nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Say what stays together when several processes run the tests (make test)."""
    return _ByFolder(config, log)


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
