"""Pure: what ansible-runner tells of a run -> the rows of ops.run_events, without anything a task did not mean to show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.saasodoo.platform.plugins.module_utils.domain import progress

_TEXT_LIMIT = 2000  # characters kept of a message
#: The event of a line that a task told while it ran (domain/progress.py).
PROGRESS = "progress"
_FAILURES = frozenset({"runner_on_failed", "runner_on_unreachable"})
_KEPT = _FAILURES | {
    "playbook_on_play_start",
    "playbook_on_task_start",
    "playbook_on_stats",
    "runner_on_ok",
    "runner_on_skipped",
    "runner_retry",
}


@dataclass(frozen=True)
class RunEvent:
    """One row: ``duration`` in seconds for what a task did on a host, ``message`` only of failures and progress."""

    seq: int
    event: str
    task: str = ""
    host: str = ""
    duration: float | None = None
    changed: bool | None = None
    message: str = ""

    @property
    def failure(self) -> str:
        """The failure as one line, or ''."""
        return f"{self.task}: {self.message}" if self.event in _FAILURES else ""


def read(raw: Mapping[str, Any]) -> RunEvent | None:
    """Return the row for one of ansible-runner's events, or None when it tells nothing of use.

    Of what is printed only lines of progress are kept, and of a result no values: of a failure its ``msg``, which no_log has
    already censored where it must.
    """
    event = str(raw.get("event", ""))
    data = raw.get("event_data") or {}
    if event == "verbose" and (told := progress.read(str(raw.get("stdout", "")))):
        return RunEvent(int(raw["counter"]), PROGRESS, _text(data.get("task")), message=_text(told))
    if event not in _KEPT:
        return None
    result = data.get("res") or {}
    duration = data.get("duration")
    return RunEvent(
        seq=int(raw["counter"]),
        event=event,
        task=_text(data.get("task") or data.get("name")),
        host=_text(data.get("host")),
        duration=float(duration) if isinstance(duration, int | float) else None,
        changed=bool(result.get("changed")) if event == "runner_on_ok" else None,
        message=_text(result.get("msg") or "failed") if event in _FAILURES else "",
    )


def _text(value: object) -> str:
    text = "" if value is None else value if isinstance(value, str) else str(value)
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:_TEXT_LIMIT]
