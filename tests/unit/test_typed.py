"""How the tests of fresh machines read a terminal: what stood there while nothing came."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fresh.typed import Typed

_PLAYED = """
import sys, time
for text in ("\\nTASK [Install] ***\\n", "\\x1b[0;33mchanged: [local]\\x1b[0m\\n", "  log in ...", " 0.3 s\\n"):
    sys.stdout.write(text)
    sys.stdout.flush()
    time.sleep(0.3)
"""


@pytest.fixture
def typed(tmp_path: Path) -> Typed:
    return Typed.run([sys.executable, "-c", _PLAYED], "play", "", tmp_path / "log", 30)


def test_each_silence_is_told_with_what_stood_last_on_the_terminal(typed: Typed) -> None:
    assert typed.status == 0
    assert [text for _, text in typed.silences(0.2) if text] == [
        "TASK [Install] ***",
        "changed: [local]",
        "log in ...",
        "log in ... 0.3 s",
    ]
    assert typed.silences(25) == []


def test_what_was_shown_is_its_lines(typed: Typed) -> None:
    assert [text for _, text in typed.lines][1] == "TASK [Install] ***"
    assert typed.shown.endswith("  log in ... 0.3 s")
