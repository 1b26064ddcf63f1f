"""Which of these tests are run: all by `make test-faults`, else those of deaths and two others by lot."""

from __future__ import annotations

import random

import pytest

from tests.fixtures.faults import ALL, SEED


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    others = [item for item in items if item.path.name in ("test_failures.py", "test_ends.py")]
    if ALL or not others:
        return
    left_out = random.Random(SEED).sample(others, max(0, len(others) - 2))
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
