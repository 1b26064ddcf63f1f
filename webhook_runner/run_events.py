"""Pure: what ansible-runner tells of a run -> the rows of ops.run_events, without anything a task did not mean to show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.saasodoo.platform.plugins.module_utils.domain import progress
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Unavailable
from ansible_collections.saasodoo.platform.plugins.module_utils.host.exit_status import signal_of
from webhook_runner.ending import KILLED

_TEXT_LIMIT = 2000  # characters kept of a message
#: The event of a line that a task told while it ran (domain/progress.py).
PROGRESS = "progress"
_FAILURES = frozenset({"runner_on_failed", "runner_on_unreachable"})
_UNREACHABLE = "runner_on_unreachable"
#: A task that only fails says again what another has said (a rescue's last one).
_ONLY_FAILS = ("fail", "ansible.builtin.fail")
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
    """One row: ``duration`` in seconds for what a task did on a host, ``message`` only of failures and progress.

    Not kept: of a failure ``code``, the kind it is (errors.py, or ending.KILLED), and whether it only ``repeats`` another.
    """

    seq: int
    event: str
    task: str = ""
    host: str = ""
    duration: float | None = None
    changed: bool | None = None
    message: str = ""
    code: str = ""
    repeats: bool = False

    @property
    def is_news(self) -> bool:
        """Whether it says more than that all was as it should be, and still is."""
        return bool(self.changed or self.message or self.event == "runner_retry")

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
    if event == "verbose" and (news := progress.read(str(raw.get("stdout", "")))):
        return RunEvent(int(raw["counter"]), PROGRESS, _text(data.get("task")), message=_text(news))
    if event not in _KEPT:
        return None
    result = data.get("res") or {}
    if event in _FAILURES:
        result = _of_failed_item(result)
    duration = data.get("duration")
    return RunEvent(
        seq=int(raw["counter"]),
        event=event,
        task=_text(data.get("task") or data.get("name")),
        host=_text(data.get("host")),
        duration=float(duration) if isinstance(duration, int | float) else None,
        changed=bool(result.get("changed")) if event == "runner_on_ok" else None,
        message=_text(result.get("msg") or "failed") if event in _FAILURES else "",
        code=_code(event, result) if event in _FAILURES else "",
        repeats=event in _FAILURES and data.get("task_action") in _ONLY_FAILS,
    )


def _of_failed_item(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the result of the first item of a loop that failed, which says why; ``result`` itself where there is no loop."""
    items = result.get("results")
    failed = [each for each in items if isinstance(each, Mapping) and each.get("failed")] if isinstance(items, list) else []
    return failed[0] if failed else result


def _code(event: str, result: Mapping[str, Any]) -> str:
    """Return what kind of failure it is: a noun's own word, or what can be told from how a program ended."""
    if event == _UNREACHABLE:
        return Unavailable.code
    code, status = result.get("code"), result.get("rc")
    if isinstance(code, str):
        return code
    return KILLED if isinstance(status, int) and signal_of(status) else ""


def _text(value: object) -> str:
    text = "" if value is None else value if isinstance(value, str) else str(value)
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:_TEXT_LIMIT]
