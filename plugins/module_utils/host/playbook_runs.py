# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Other playbooks as processes of their own, several at a time: a tenant's lock lives in the ansible-playbook that holds it."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..domain import playbook_output, progress
from . import files
from .exit_status import in_words

_LONGEST = 500  # characters of a message
_POLL = 0.2  # seconds
_GRACE = 20  # seconds for a run to end once it is told to


@dataclass(frozen=True)
class Job:
    """Playbooks to be run one after the other as long as they succeed: each is a file and its extra variables."""

    name: str
    runs: tuple[tuple[Path, Mapping[str, str]], ...]


@dataclass(frozen=True)
class Ended:
    """How a job ended; ``message`` is the last complaint of the run that failed, '' where all went well."""

    name: str
    succeeded: bool
    message: str = ""


class PlaybookRuns:
    """Runs jobs, ``parallel`` at a time. Each writes what it prints to a file of its own in ``log``.

    ``options`` are those of the ansible-playbook that this runs for: inventories and extra variables.
    """

    def __init__(self, *, parallel: int, log: Path, options: Sequence[str]) -> None:
        self._parallel, self._log, self._options = parallel, log, tuple(options)
        self._lines: queue.Queue[str] = queue.Queue()
        self._children: dict[str, subprocess.Popen[str]] = {}
        self._stopping = threading.Event()

    def run(self, jobs: Sequence[Job], report: Callable[[str], None], stopped: Callable[[], bool]) -> list[Ended]:
        """Run all and return how they ended, in their order. ``report`` takes the runs' lines of progress.

        Once ``stopped``, no other is begun, and those that run are ended by SIGTERM; they are then jobs that failed.
        """
        with ThreadPoolExecutor(self._parallel) as pool:
            futures = [pool.submit(self._work, job) for job in jobs]
            try:
                while not all(future.done() for future in futures):
                    self._listen(report)
                    if stopped():
                        return self._stop(futures)
            except BaseException:
                self._stop(futures)
                raise
        self._listen(report)
        return [future.result() for future in futures]

    def _listen(self, report: Callable[[str], None]) -> None:
        try:
            report(self._lines.get(timeout=_POLL))
            while True:
                report(self._lines.get_nowait())
        except queue.Empty:
            return

    def _stop(self, futures: Sequence[Future[Ended]]) -> list[Ended]:
        self._stopping.set()
        for child in list(self._children.values()):
            child.send_signal(signal.SIGTERM)
        return [future.result(timeout=_GRACE) for future in futures]

    def _work(self, job: Job) -> Ended:
        message = "not begun"
        for playbook, variables in job.runs:
            if self._stopping.is_set():
                return Ended(job.name, succeeded=False, message=message)
            code, complaint = self._play(job.name, playbook, variables)
            if code:
                message = "stopped" if self._stopping.is_set() else complaint or f"{playbook.name} {in_words(code)}"
                return Ended(job.name, succeeded=False, message=message)
            message = "stopped"
        return Ended(job.name, succeeded=True)

    def _play(self, name: str, playbook: Path, variables: Mapping[str, str]) -> tuple[int, str]:
        """Run one; return its exit status and what it last complained of."""
        # Marked as no template: key=value would be evaluated.
        own = [f"--extra-vars={json.dumps({key: {'__ansible_unsafe': value}})}" for key, value in variables.items()]
        complaint = ""
        with files.opened(self._log) as folder, folder.append(f"{name}.log") as log:
            log.write(f"{playbook.name}\n")
            # A session of its own: an interrupt at the terminal is for whoever started all, who then ends these.
            with subprocess.Popen(
                [_program(), str(playbook), *self._options, *own],
                env=os.environ | {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default", "ANSIBLE_NOCOLOR": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            ) as child:
                self._children[name] = child
                if self._stopping.is_set():  # meanwhile
                    child.terminate()
                for line in child.stdout or ():
                    log.write(line)
                    if news := progress.read(line):
                        self._lines.put(news)
                    complaint = playbook_output.complaint(line)[:_LONGEST] or complaint
            del self._children[name]
        return child.returncode, complaint


def _program() -> str:
    """Return the ansible-playbook beside this Python, or the one that is found."""
    beside = Path(sys.executable).with_name("ansible-playbook")
    return str(beside) if beside.exists() else shutil.which("ansible-playbook") or "ansible-playbook"
