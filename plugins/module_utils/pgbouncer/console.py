# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PgBouncer's console: asked through its Unix socket, as the user it runs as, who needs no password there."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import socket
import stat
import struct
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TypeAlias

from ..errors import PlatformError, Unavailable
from ..host import files

#: A row of an answer: PgBouncer tells everything as text.
Row: TypeAlias = "dict[str, str | None]"

PATIENCE = 10.0  # seconds, for one that is being restarted
TIMEOUT = 10.0  # seconds, for its answer
_LOOK = 0.002  # seconds between two looks at a pause that is not complete
_PR_SET_PDEATHSIG, _PR_GET_PDEATHSIG = 1, 2  # linux/prctl.h
_PROTOCOL = 196608  # version 3.0 of PostgreSQL's protocol


class Console:
    """The console of the PgBouncer whose socket is in ``folder``; the folder's owner runs it.

    All methods raise Unavailable when it does not answer, and PlatformError with its words when it refuses.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ask(self, *commands: str, patience: float = PATIENCE) -> list[Row]:
        """Give commands, between which no client is served, and return the rows of the last one's answer.

        A PgBouncer that does not run is tried for ``patience`` seconds.
        """
        end = time.monotonic() + patience
        while True:
            try:
                with self._open() as session:
                    return session.ask(*commands)
            except (ConnectionError, FileNotFoundError) as error:
                if time.monotonic() >= end:
                    raise self._unavailable(error) from None
            except TimeoutError as error:
                raise self._unavailable(error) from None
            time.sleep(0.1)

    def databases(self) -> dict[str, Row]:
        """Return SHOW DATABASES by name: where it leads to now, and what is paused."""
        return {str(row["name"]): row for row in self.ask("SHOW DATABASES")}

    def paused(self) -> set[str]:
        """Return the names that are paused, or are being so."""
        return {name for name, row in self.databases().items() if row["paused"] == "1"}

    def servers(self, names: Collection[str], state: str = "") -> int:
        """Return how many connections to servers the pools of ``names`` have, in one ``state`` (login, idle...) or in any."""
        rows = [row for row in self.ask("SHOW POOLS") if row["database"] in names]
        return sum(int(value or 0) for row in rows for column, value in row.items() if column.startswith(f"sv_{state}"))

    def clients(self, names: Collection[str], state: str = "") -> int:
        """Return how many clients the pools of ``names`` have, in one ``state`` (active, waiting) or in any."""
        rows = [row for row in self.ask("SHOW POOLS", patience=0) if row["database"] in names]
        return sum(int(value or 0) for row in rows for column, value in row.items() if column.startswith(f"cl_{state}"))

    def drained(self, names: Collection[str], end: float, state: str = "") -> bool:
        """Return whether that many came to be none before ``end``, a time of the monotonic clock."""
        while self.servers(names, state):
            if time.monotonic() >= end:
                return False
            time.sleep(_LOOK)
        return True

    def pause(self, name: str) -> None:
        """Let ``name`` wait from its next transaction on, without waiting for those that run.

        The answer to PAUSE is not waited for: it comes only when all that is paused is quiet, other tenants' databases too.
        That it was acted upon is, since RESUME through another connection must not come before it.
        """
        end = time.monotonic() + TIMEOUT
        try:
            with self._open() as session:
                session.send(f"PAUSE {name}")
                while not session.answered(_LOOK) and name not in self.paused():
                    if time.monotonic() >= end:
                        raise TimeoutError("it does not act upon PAUSE")
        except OSError as error:
            raise self._unavailable(error) from None

    @contextlib.contextmanager
    def _open(self) -> Iterator[Session]:
        with files.opened(self._folder) as folder:
            owner, sockets = folder.owner[0], [name for name in folder.names() if _is_socket(folder, name)]
        if not sockets:
            raise FileNotFoundError(f"no socket in {self._folder}")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT)
            with _as_user(owner):
                connection.connect(str(self._folder / sockets[0]))
            with connection.makefile("rb", buffering=0) as answer:
                session = Session(connection, answer.read)
                session.begin()
                yield session

    def _unavailable(self, error: OSError) -> Unavailable:
        return Unavailable(f"PgBouncer in {self._folder} does not answer", found=str(error))


class Session:
    """One connection to the console; one command at a time."""

    def __init__(self, connection: socket.socket, read: Callable[[int], bytes | None]) -> None:
        self._connection, self._read = connection, read
        self._done = True

    def begin(self) -> None:
        """Log in as who runs PgBouncer, who needs no password on its own machine."""
        parameters = b"user\0pgbouncer\0database\0pgbouncer\0\0"
        self._connection.sendall(struct.pack("!ii", 8 + len(parameters), _PROTOCOL) + parameters)
        self.rows()

    def ask(self, *commands: str) -> list[Row]:
        """Give commands in one piece and return the rows of the last one's answer."""
        self.send(*commands)
        return [self.rows() for _command in commands][-1]

    def send(self, *commands: str) -> None:
        """Give commands in one piece."""
        texts = [command.encode() + b";\0" for command in commands]
        self._connection.sendall(b"".join(b"Q" + struct.pack("!i", 4 + len(text)) + text for text in texts))
        self._done = False

    def answered(self, wait: float) -> bool:
        """Return whether the answer is complete; look for ``wait`` seconds."""
        if not self._done and select.select([self._connection], [], [], wait)[0]:
            self.rows()
        return self._done

    def rows(self) -> list[Row]:
        """Read messages up to ReadyForQuery (Z). Raises PlatformError with what an ErrorResponse (E) says."""
        names: list[str] = []
        rows: list[Row] = []
        while True:
            kind, length = struct.unpack("!ci", self._exactly(5))
            body = self._exactly(length - 4)
            if kind == b"E":
                fields = {field[:1]: field[1:].decode(errors="replace") for field in body.split(b"\0") if field}
                raise PlatformError("PgBouncer refuses", found=fields.get(b"M"))
            if kind == b"T":
                names = _names(body)
            if kind == b"D":
                rows.append(dict(zip(names, _values(body), strict=True)))
            if kind == b"Z":
                self._done = True
                return rows

    def _exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            part = self._read(size - len(found))
            if not part:
                raise ConnectionResetError("PgBouncer closed the connection")
            found += part
        return found


def _names(body: bytes) -> list[str]:
    """Return the columns' names of a RowDescription: each is followed by 18 bytes."""
    names, at = [], 2
    for _column in range(struct.unpack_from("!h", body)[0]):
        end = body.index(b"\0", at)
        names.append(body[at:end].decode())
        at = end + 19
    return names


def _values(body: bytes) -> Iterator[str | None]:
    """Return the values of a DataRow; a length of -1 is NULL."""
    at = 2
    for _column in range(struct.unpack_from("!h", body)[0]):
        (length,) = struct.unpack_from("!i", body, at)
        at += 4
        yield None if length < 0 else body[at : at + length].decode(errors="replace")
        at += max(length, 0)


def _is_socket(folder: files.Folder, name: str) -> bool:
    found = folder.about(name)
    return name.startswith(".s.PGSQL.") and found is not None and stat.S_ISSOCK(found.st_mode)


@contextlib.contextmanager
def _as_user(uid: int) -> Iterator[None]:
    """Be that user inside the block, where this is root. The kernel forgets at each change of user what is to be sent to this
    process when its parent dies (prctl(2), PR_SET_PDEATHSIG), and an orphaned task worker would work on; so it is told again.
    """
    if os.geteuid() != 0:
        yield
        return
    parent, signal_before, libc = os.getppid(), ctypes.c_int(), ctypes.CDLL(None)
    libc.prctl(_PR_GET_PDEATHSIG, ctypes.byref(signal_before))
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        libc.prctl(_PR_SET_PDEATHSIG, signal_before)
        if signal_before and os.getppid() != parent:  # it died in between
            os.kill(os.getpid(), signal_before.value)
