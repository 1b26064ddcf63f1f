# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PostgreSQL's client programs against a server of the platform: listened to, and never left running alone."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

from ..errors import NotFound, PlatformError
from .connection import Address

_PACKAGES = Path("/usr/lib/postgresql")
_TICK = 0.5  # seconds
_GRACE = 10.0  # seconds that a program may take to cancel what it has begun on the server
_LAST_LINES = 8
# util-linux; the program is told when its parent dies, and pg_dump and pg_restore then end those they have started.
_DIE_WITH_PARENT = ("/usr/bin/setpriv", "--pdeathsig", "TERM", "--")


def program_of(address: Address, name: str, packages: Path = _PACKAGES) -> Path:
    """Return the program of the server's own major version. Raises NotFound, Unavailable."""
    with address.connect() as server:
        major = server.info.server_version // 10000
    found = packages / str(major) / "bin" / name
    if not found.exists():
        raise NotFound(f"{name} {major} is not installed", expected=str(found), action="install the client of that version")
    return found


def run_program(
    server: str,
    access: Mapping[str, Any],
    command: Sequence[str | Path],
    *,
    on_line: Callable[[str], None],
    tick: Callable[[], None],
    options: str = "",
) -> None:
    """Run a client program to its end; ``on_line`` gets each line it writes, ``tick`` is called twice a second and at the end.

    It connects to ``server`` with ``access`` (libpq's parameters) by its environment; ``options`` are settings of its sessions
    (libpq: PGOPTIONS). When this is left early, or this process dies, the program ends too. Raises PlatformError with the last
    lines that it wrote.
    """
    last: deque[str] = deque(maxlen=_LAST_LINES)
    lines: SimpleQueue[str] = SimpleQueue()

    def listen(stream: IO[str]) -> None:
        with stream:  # which nobody else may close while this reads
            for line in stream:
                lines.put(line.rstrip())

    def pass_on() -> None:
        """Tell the caller in its own thread, where what it raises ends the program."""
        while not lines.empty():
            last.append(lines.get())
            on_line(last[-1])

    with _running(command, _environment(access, options)) as process:
        listener = threading.Thread(target=listen, args=(process.stderr,), daemon=True)
        listener.start()
        while process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_TICK)
            pass_on()
            tick()
        listener.join(_GRACE)
        pass_on()
        tick()
    if process.returncode:
        raise PlatformError(f"{Path(command[0]).name} failed on server {server}", found="\n".join(last)[-1500:])


def _environment(access: Mapping[str, Any], options: str) -> dict[str, str]:
    where = {f"PG{name.upper()}": str(access[name]) for name in ("host", "port", "user", "password")}
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **where, "PGOPTIONS": options, "PGCONNECT_TIMEOUT": "10"}


@contextmanager
def _running(command: Sequence[str | Path], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run it in a process group of its own, which is ended on leaving."""
    process = subprocess.Popen(
        [*_DIE_WITH_PARENT, *command],
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
