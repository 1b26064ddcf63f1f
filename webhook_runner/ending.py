"""Pure: what was seen of a run -> how it ended, and when it is tried again.

A run that was interrupted (something it needs died, was away or was slow) says nothing about what it was for, so it goes on by
itself. One that failed for a reason of its own would only fail again: that is for a person.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import PASSING
from ansible_collections.saasodoo.platform.plugins.module_utils.host.exit_status import in_words, signal_of

#: Codes of failures that interrupt a run: those of errors.PASSING, and a task whose own process was killed.
KILLED = "killed"
_INTERRUPTING = PASSING | {KILLED}
#: The exit status of a playbook that may not begin or go on now (plugins/callback/tenant_lock.py).
NOT_NOW = os.EX_TEMPFAIL
#: The statuses of runs that go on by themselves.
GOES_ON = frozenset({"interrupted", "lost"})
_UNEXPECTED = 250  # what ansible-playbook, or the client of the fork server, returns for what nobody foresaw
_LONGEST_PAUSE = 600.0  # seconds


@dataclass(frozen=True)
class Result:
    """How it ended: ``status`` as in ops.runs (succeeded, failed, timed_out, interrupted, lost), ``message`` says why."""

    status: str
    exit_code: int
    message: str
    refused: bool = False  # ended before its first task, because it could not begin now


@dataclass(frozen=True)
class Seen:
    """What was seen of a run that nobody ended. ``exit_code`` is None where it could not be known, or a signal was the end.

    ``whole`` says that the playbook came to its end by itself. ``failure`` is the last failed task's, ``code`` its kind;
    ``complaint`` is ansible-playbook's own, ``trouble`` ansible-runner's.
    """

    exit_code: int | None
    tasks: int
    whole: bool
    task: str = ""
    failure: str = ""
    code: str = ""
    complaint: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class Tries:
    """How often a run is tried at most, and the seconds before the second time, which then double."""

    most: int
    pause: float

    def pause_after(self, attempt: int) -> float | None:
        """Return the seconds to leave a tenant alone after the interrupted try number ``attempt``; None if it was the last."""
        return min(self.pause * 2 ** min(attempt - 1, 32), _LONGEST_PAUSE) if attempt < self.most else None


def judge(seen: Seen) -> Result:
    """Return how the run ended."""
    code = -1 if seen.exit_code is None else seen.exit_code
    if code == 0:
        return Result("succeeded", 0, "")
    message = seen.failure or seen.complaint
    if seen.whole and code != NOT_NOW:
        status = "interrupted" if seen.code in _INTERRUPTING else "failed"
        return Result(status, code, message or f"ansible-playbook ended with {code}")
    if code == NOT_NOW:
        return Result("interrupted", code, seen.complaint or message, refused=seen.tasks == 0)
    died = seen.trouble or _death(seen.exit_code)
    if died or seen.tasks or (code == _UNEXPECTED and not message):
        place = f" in the middle of '{seen.task}'" if seen.task else " before its first task"
        return Result("interrupted", code, f"{died or seen.complaint or f'ansible-playbook ended with {code}'}{place}")
    return Result("failed", code, message or f"ansible-playbook ended with {code} before its first task")


def _death(code: int | None) -> str:
    if code is None:
        return "ansible-playbook was killed"
    return f"ansible-playbook {in_words(code)}" if signal_of(code) else ""
