"""Fixtures every test may use, and the rule for parts that can't be had."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

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
