# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a subscription's server does not apply what it is sent: PostgreSQL tells it in its log only."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

_TAIL = 256 * 1024  # bytes
_LINES = 2000
_TIMEOUT = 5  # seconds
# log_line_prefix begins with the time and the process in brackets, as PostgreSQL's default does.
_LINE = re.compile(r"\[(?P<pid>\d+)\].*?(?P<level>LOG|ERROR|CONTEXT): +(?P<text>.*)")
_STARTED = 'for subscription "{}" has started'
_RELATION = re.compile(r'target relation "(.+?)" (?:column|in transaction)|target relation "([^"]+)"')


def apply_error(log: Path, subscription: str) -> str:
    """Return the server's last words about why ``subscription`` can't go on, with the table; '' where it told nothing.

    ``log`` is the process' own, ``postgres-<server>.log``; where that is not a file the journal has it. Details are left out:
    they hold the tenant's data.
    """
    return last_error(_lines(log), subscription)


def last_error(lines: Iterable[str], subscription: str) -> str:
    """Return the last error of the processes that applied ``subscription``, '' when there is none since the last start."""
    workers: set[str] = set()
    found = ""
    failed = ""
    for line in lines:
        entry = _LINE.search(line)
        if entry is None:
            continue
        if entry["level"] == "LOG" and _STARTED.format(subscription) in entry["text"]:
            workers.add(entry["pid"])
        elif entry["level"] == "ERROR" and entry["pid"] in workers:
            found, failed = entry["text"], entry["pid"]
        elif entry["level"] == "CONTEXT" and entry["pid"] == failed and (table := _RELATION.search(entry["text"])):
            found, failed = f"{found} (table {table[1] or table[2]})", ""
    return found


def _lines(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            return file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return _journal(log.stem)


def _journal(process: str) -> list[str]:
    whose = [] if os.geteuid() == 0 else ["--user"]
    what = [f"--lines={_LINES}", "--output=cat", "--quiet", "--no-pager", f"--unit=saasodoo-*-{process}.service"]
    try:
        done = subprocess.run(
            ["journalctl", *whose, *what], capture_output=True, text=True, errors="replace", timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines()
