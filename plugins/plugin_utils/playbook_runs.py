# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Running playbooks of tenants from within a playbook, as nouns for many tenants do."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible import context

from ..module_utils.host.playbook_runs import Ended, Job, PlaybookRuns
from .progress import report as report_progress

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_jobs(jobs: Sequence[Job], options: dict[str, Any]) -> list[Ended]:
    """Run them as the noun's options of module_utils.options.PLAYBOOK_RUNS say, telling how that goes, until this is to end."""
    runs = PlaybookRuns(parallel=max(1, options["parallel"]), log=Path(options["log"]), options=_own_options())
    with _until_stopped() as stopped:
        return runs.run(jobs, report_progress, stopped)


def _own_options() -> list[str]:
    """Return the options of this ansible-playbook that others need as well: its inventories and extra variables."""
    given = [f"--inventory={each}" for each in context.CLIARGS.get("inventory") or ()]
    return given + [f"--extra-vars={each}" for each in context.CLIARGS.get("extra_vars") or ()]


@contextmanager
def _until_stopped() -> Iterator[Callable[[], bool]]:
    """Yield what tells whether this run is to end: ansible-playbook passes signals on to its workers, or is dead.

    Leaving the block then ends this worker as the first signal would have.
    """
    asked: list[int] = []
    parent = os.getppid()
    before = {number: signal.signal(number, lambda given, frame: asked.append(given)) for number in _SIGNALS}
    try:
        yield lambda: bool(asked) or os.getppid() != parent
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if asked:
            os.kill(os.getpid(), asked[0])
