"""A converge that finds nothing to do, against the least ansible-playbook can do."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.comparison import Comparison, in_turn, seconds_of
from tests.fixtures.ansible import run_playbook
from tests.fixtures.platform import LocalPlatform

_RUNS = 5
_EMPTY = "- name: Nothing\n  hosts: platform\n  tasks: []\n"


def run(platform: LocalPlatform) -> Iterator[Comparison]:
    """Provision a tenant, then provision it again and again."""
    made = platform.play("tenant_provision", tenant="bench-converge", customer="bench", plan="basic-monthly")
    assert made.rc == 0, made.failure

    def converge() -> float:
        return seconds_of(lambda: _unchanged(platform))

    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.yml"
        empty.write_text(_EMPTY)
        yield in_turn(
            "a converge with nothing to do",
            converge,
            "an empty ansible-playbook run",
            lambda: seconds_of(lambda: run_playbook(empty, environment=platform.environment)),
            _RUNS,
        )


def _unchanged(platform: LocalPlatform) -> None:
    done = platform.play("tenant_provision", tenant="bench-converge")
    assert (done.rc, done.changed) == (0, 0), done.failure
