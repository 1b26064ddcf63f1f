"""Writers on another machine of a fresh one's network, while that one is started and stopped."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fixtures.ansible import ROOT
from tests.fixtures.waiting import eventually
from tests.fresh.machine import Machine

_ENVIRONMENT = {"PYTHONPATH": f"{ROOT}:{ROOT}/collections", "NO_PROXY": "*", "no_proxy": "*"}
_PATIENCE = 90  # seconds until writes are acknowledged, or the writers have ended


@dataclass
class Load:
    """What the writers have said so far, in ``file``."""

    file: Path

    @property
    def acknowledged(self) -> list[str]:
        """Return the writes that were acknowledged."""
        return self.file.read_text().partition("\n\n")[0].splitlines()

    @property
    def found(self) -> Counter[str]:
        """Return how often the tenant has each write, once the writers have ended."""
        return Counter(self.file.read_text().partition("\n\n")[2].splitlines())

    def go_on(self) -> None:
        """Wait until more is acknowledged."""
        before = len(self.acknowledged)
        eventually(lambda: len(self.acknowledged) > before + 20, "writes are acknowledged", _PATIENCE)


@contextmanager
def writers(machine: Machine, url: str, host: str, database: str, password: str) -> Iterator[Load]:
    """Let them write to a tenant during the block; see ``writer``."""
    load = Load(machine.folder / "written")
    words = machine.cell.command([sys.executable, "-m", "tests.fresh.writer", url, host, database])
    environment = os.environ | _ENVIRONMENT
    with load.file.open("w") as file, subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=file, env=environment, cwd=ROOT, text=True
    ) as process:  # fmt: skip
        assert process.stdin
        process.stdin.write(f"{password}\n")
        process.stdin.flush()
        yield load
        process.stdin.close()
        assert process.wait(_PATIENCE) == 0
