"""How a run ended: what interrupted it goes on by itself, what has a reason of its own does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook_runner.ending import GOES_ON, Seen, Tries, judge
from webhook_runner.run_events import read

_FAILED = {"whole": True, "failure": "Do it: why"}


@pytest.mark.parametrize(
    ("code", "tasks", "more", "status", "message"),
    [
        (0, 3, {"whole": True}, "succeeded", ""),
        (0, 3, {"whole": True, "failure": "rescued"}, "succeeded", ""),
        (2, 3, _FAILED, "failed", "Do it: why"),
        (2, 3, _FAILED | {"code": "conflict"}, "failed", "Do it: why"),
        (2, 3, _FAILED | {"code": "unavailable"}, "interrupted", "Do it: why"),
        (2, 3, _FAILED | {"code": "timeout"}, "interrupted", "Do it: why"),
        (2, 3, _FAILED | {"code": "killed"}, "interrupted", "Do it: why"),
        (4, 0, {"complaint": "ERROR! no such file"}, "failed", "ERROR! no such file"),
        (75, 0, {"complaint": "[ERROR]: busy"}, "interrupted", "[ERROR]: busy"),
        (75, 4, {"complaint": "[ERROR]: gone", "task": "Wait"}, "interrupted", "[ERROR]: gone"),
        (137, 0, {}, "interrupted", "killed by signal 9 (SIGKILL) before its first task"),
        (-9, 2, {"task": "Copy"}, "interrupted", "killed by signal 9 (SIGKILL) in the middle of 'Copy'"),
        (143, 2, {"task": "Copy"}, "interrupted", "killed by signal 15 (SIGTERM) in the middle of 'Copy'"),
        (None, 2, {"task": "Copy"}, "interrupted", "was killed in the middle of 'Copy'"),
        (1, 2, {"task": "Copy"}, "interrupted", "ended with 1 in the middle of 'Copy'"),
        (None, 2, {"task": "Copy", "trouble": "lost it"}, "interrupted", "lost it in the middle of 'Copy'"),
        (250, 0, {}, "interrupted", "ended with 250"),
    ],
)
def test_what_was_seen_says_how_it_ended(code: int | None, tasks: int, more: dict[str, Any], status: str, message: str) -> None:
    result = judge(Seen(code, tasks, **{"whole": False} | more))
    assert (result.status, message in result.message) == (status, True), result


@given(st.none() | st.integers(-64, 255), st.integers(0, 2), st.booleans(), st.sampled_from(["", "unavailable", "error"]))
def test_whatever_is_seen_is_judged_and_only_what_did_nothing_was_refused(
    code: int | None, tasks: int, whole: bool, kind: str
) -> None:
    result = judge(Seen(code, tasks, whole, code=kind))
    assert result.status in {"succeeded", "failed"} | GOES_ON
    assert (result.status == "succeeded") == (code == 0)
    assert not result.refused or tasks == 0
    assert result.message or result.status == "succeeded" or code == 75


@given(st.integers(1, 50), st.floats(0.1, 60))
def test_pauses_grow_and_tries_end(most: int, pause: float) -> None:
    tries = Tries(most, pause)
    pauses = [tries.pause_after(attempt) for attempt in range(1, most)]
    assert pauses == sorted(pauses, key=lambda each: each or 0)
    assert all(each is not None and pause <= each <= 600 for each in pauses)
    assert tries.pause_after(most) is None


def failed(event: str = "runner_on_failed", action: str = "saasodoo.platform.process", **result: Any) -> Any:
    return read({"counter": 1, "event": event, "event_data": {"task": "Do it", "task_action": action, "res": result}})


def test_the_kind_of_a_failure_is_its_nouns_own_word_or_how_its_program_ended() -> None:
    assert failed(code="unavailable", msg="away").code == "unavailable"
    assert failed("runner_on_unreachable").code == "unavailable"
    assert failed(rc=-9).code == failed(rc=137).code == "killed"
    assert failed(rc=1).code == failed(msg="no").code == ""
    assert [failed(action=name).repeats for name in ("ansible.builtin.fail", "fail", "copy")] == [True, True, False]
