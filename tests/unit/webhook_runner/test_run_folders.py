"""Which folders of runs go: those beyond the newest, and those that nobody has written to for long."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

import pytest

from webhook_runner.run_folders import prune, run_folder
from webhook_runner.settings import Settings

DAYS = 24 * 3600


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    nowhere = tmp_path / "nowhere"
    return Settings("", nowhere, nowhere, nowhere, tmp_path, nowhere, nowhere, nowhere, keep_runs=3, detail_days=30)


def make(settings: Settings, days: float) -> Path:
    """Make the folder of a run, last written to so many days ago."""
    folder = run_folder(settings, uuid.uuid4())
    (folder / "env").mkdir(parents=True)
    os.utime(folder, (time.time() - days * DAYS,) * 2)
    return folder


@pytest.mark.parametrize(
    ("ages", "kept"),
    [([], []), ([2, 1, 0], [2, 1, 0]), ([4, 3, 2, 1, 0], [2, 1, 0]), ([31, 29], [29]), ([40, 33, 32, 31, 0], [0])],
    ids=["none yet", "few", "many", "old", "many and old"],
)
def test_the_newest_are_kept_for_their_time(settings: Settings, ages: list[float], kept: list[float]) -> None:
    folders = {age: make(settings, age) for age in ages}
    assert prune(settings) == len(ages) - len(kept)
    assert [age for age, folder in folders.items() if folder.exists()] == kept
    assert prune(settings) == 0
