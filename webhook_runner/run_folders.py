"""The folders of runs: the newest are kept, for as long as what happened in a run is. No run takes days."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from webhook_runner.settings import Settings

_log = logging.getLogger(__name__)


def run_folder(settings: Settings, run_id: UUID) -> Path:
    """Return the folder of a run; the id is a UUID, so it can't lead elsewhere."""
    return _runs(settings) / str(run_id)


def prune(settings: Settings) -> int:
    """Remove all but the ``keep_runs`` newest, and of these what nobody has written to for ``detail_days``; return how many.

    Others may do so, too; what fails is left to the next.
    """
    oldest = time.time() - timedelta(days=settings.detail_days).total_seconds()
    newest_first = sorted(_modified(settings), reverse=True)
    over = [folder for number, (at, folder) in enumerate(newest_first) if number >= settings.keep_runs or at < oldest]
    for folder in over:
        shutil.rmtree(folder, ignore_errors=True)
    return len(over)


def _modified(settings: Settings) -> Iterator[tuple[float, Path]]:
    """Yield the folders, each with the time at which it was written to last."""
    try:
        folders = list(_runs(settings).iterdir())
    except FileNotFoundError:
        return  # nothing has been run yet
    except OSError as error:
        _log.warning("run folders can't be looked at: %s", error)
        return
    for folder in folders:
        try:
            yield folder.stat().st_mtime, folder
        except OSError:
            continue  # another removed it


def _runs(settings: Settings) -> Path:
    return settings.home / "runs"
