"""A command typed at a terminal, by somebody who gives a password where asked for it."""

from __future__ import annotations

import os
import re
import selectors
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Self

_ASKED = re.compile(rb"(\[sudo\] password for \w+|BECOME password): *$")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Typed:
    """What came of it: exit status (124: not ended in time), all that was shown, when each line came, and how often it asked."""

    command: str
    status: int = 124
    shown: str = ""
    asked: int = 0
    lines: list[tuple[float, str]] = field(default_factory=list)  # seconds after the start
    looks: list[tuple[float, str]] = field(default_factory=list)  # each time something came: the last that could be read then
    seconds: float = 0.0

    @classmethod
    def run(cls, words: Sequence[str], command: str, password: str, log: Path, timeout: float) -> Self:
        """Run ``words``, which give ``command`` a terminal; its output is added to ``log``, each line with its time."""
        typed = cls(command)
        start = time.monotonic()
        with log.open("a") as file, subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0, start_new_session=True
        ) as process:  # fmt: skip
            file.write(f"$ {command}\n")
            assert process.stdin and process.stdout
            with selectors.DefaultSelector() as selector:
                selector.register(process.stdout, selectors.EVENT_READ)
                rest = b""
                while (left := start + timeout - time.monotonic()) > 0:
                    if not selector.select(left):
                        continue
                    if not (read := os.read(process.stdout.fileno(), 65536)):
                        break
                    rest = typed._take(rest + read, time.monotonic() - start, file.write)
                    typed._look(rest, time.monotonic() - start)
                    file.flush()
                    if _ASKED.search(rest):
                        typed.asked += 1
                        process.stdin.write(f"{password}\n".encode())
                        typed._take(rest + b"\n", time.monotonic() - start, file.write)
                        rest = b""
                else:
                    process.kill()
            typed.seconds = time.monotonic() - start
            returned = process.wait(10)
            typed.status = 124 if typed.seconds >= timeout else returned
            file.write(f"[{typed.seconds:.1f} s, exit status {typed.status}]\n\n")
        typed.shown = "\n".join(line for _, line in typed.lines)
        return typed

    def _take(self, data: bytes, now: float, write: object) -> bytes:
        *lines, rest = data.replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            text = line.decode(errors="replace")
            self.lines.append((now, text))
            assert callable(write)
            write(f"{now:7.1f}  {text}\n")
        return rest

    def _look(self, rest: bytes, now: float) -> None:
        """Note what stands last on the terminal, be it a line that is not at its end."""
        begun = rest.decode(errors="replace").strip()
        ended = (text.strip() for _, text in reversed(self.lines) if text.strip())
        self.looks.append((now, _COLOUR.sub("", begun or next(ended, ""))))

    def silences(self, longer: float) -> list[tuple[float, str]]:
        """Return the silences of more than so many seconds, each with what stood last on the terminal meanwhile."""
        times = [(0.0, ""), *self.looks, (self.seconds, "")]
        gaps = ((after[0] - before[0], before[1]) for before, after in pairwise(times))
        return [(seconds, text) for seconds, text in gaps if seconds > longer]
