# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The databases a PgBouncer leads to: its two files, changed in one step each, and read again without dropping a client."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.processes import write_file
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput, NotFound, PlatformError, Unavailable
from ansible_collections.saasodoo.platform.plugins.module_utils.reporting import Outcome

_IDENTIFIER = re.compile(r"^[a-z_][a-z0-9_]*$")
_VERIFIER = re.compile(r"^SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$")
_LONGEST = 63
_PATIENCE = 10.0  # seconds, for one that is being restarted
_TIMEOUT = 10.0  # seconds, for its answer
_PROTOCOL = 196608  # version 3.0 of PostgreSQL's protocol


def session_name(database: str) -> str:
    """Return the name under which ``database`` is pooled by session."""
    return f"{database}__session"


@dataclass(frozen=True)
class Entry:
    """What PgBouncer is to know of a database on the server at ``host``:``port``.

    In transaction mode there is a second name, ``<database>__session``, pooled by session: LISTEN needs it.
    ``pool_size`` and ``session_pool_size`` are server connections. ``verifier`` is the role's rolpassword.
    """

    database: str
    role: str
    verifier: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    pool_mode: str = "transaction"
    pool_size: int = 8
    session_pool_size: int = 4

    def __post_init__(self) -> None:
        for name in (session_name(self.database), self.role):
            if not _IDENTIFIER.match(name) or len(name) > _LONGEST:
                expected = f"lower case letters, digits and _, at most {_LONGEST} of them"
                raise InvalidInput("PgBouncer can't have such a database or role", found=name, expected=expected)

    def require(self) -> None:
        """Raise InvalidInput unless verifier and port are fit; check mode may not know them yet."""
        if not _VERIFIER.match(self.verifier) or not self.port:
            raise InvalidInput(f"database {self.database}: no SCRAM verifier or no port given")

    def lines(self) -> dict[str, str]:
        """Return the lines of databases.ini by the name each defines."""
        modes = {self.database: (self.pool_mode, self.pool_size)}
        if self.pool_mode == "transaction":
            modes[session_name(self.database)] = ("session", self.session_pool_size)
        target = f"host={self.host} port={self.port} dbname={self.database}"
        return {name: f"{name} = {target} pool_mode={mode} pool_size={size}" for name, (mode, size) in modes.items()}


class PgBouncer:
    """The PgBouncer configured in ``folder``; the folder's owner runs it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ensure(self, entry: Entry, *, present: bool, must_run: bool, check: bool) -> Outcome:
        """Bring the entry to its state and have the files read again, which waits for no client and drops none.

        They are read again even when nothing changed, so a run killed between the two is mended. Raises Unavailable when
        PgBouncer ``must_run`` and does not.
        """
        if present and not check:
            entry.require()
        with self._locked(check):
            databases, roles = self._read("databases.ini", " = "), self._read("userlist.txt", " ")
            old_lines = {name: line for name, line in databases.items() if name in (entry.database, session_name(entry.database))}
            new_lines = entry.lines() if present else {}
            old_role, new_role = roles.get(f'"{entry.role}"'), f'"{entry.role}" "{entry.verifier}"' if present else None
            if not check:
                self._replace("userlist.txt", {**roles, f'"{entry.role}"': new_role}, roles)
                kept = {name: line for name, line in databases.items() if name not in old_lines}
                self._replace("databases.ini", {**kept, **new_lines}, databases)
        if not check:
            self._reload(must_run)
        same = "present" if old_role == new_role else "present, with another verifier"
        return Outcome(
            before={"databases": sorted(old_lines.values()), "role": "present" if old_role else "absent"},
            after={"databases": sorted(new_lines.values()), "role": (same if old_role else "present") if new_role else "absent"},
        )

    @contextlib.contextmanager
    def _locked(self, check: bool) -> Iterator[None]:
        if check:  # the server itself may only be predicted
            yield
            return
        if not self._folder.is_dir():
            raise NotFound(f"there is no PgBouncer in {self._folder}", action="run playbooks/postgres_pools.yml")
        with (self._folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self, name: str, separator: str) -> dict[str, str]:
        try:
            lines = (self._folder / name).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return {}
        return {line.partition(separator)[0]: line for line in lines if line}

    def _replace(self, name: str, wanted: dict[str, str | None], found: dict[str, str]) -> None:
        lines = {key: line for key, line in wanted.items() if line}
        if lines != found or not (self._folder / name).exists():
            owner = self._folder.stat()
            text = "".join(f"{line}\n" for _, line in sorted(lines.items()))
            write_file(self._folder / name, text, 0o600, (owner.st_uid, owner.st_gid) if os.geteuid() == 0 else None)

    def _reload(self, must_run: bool) -> None:
        end = time.monotonic() + (_PATIENCE if must_run else 0)
        while True:
            try:
                _tell(self._console(), self._folder.stat().st_uid, "RELOAD")
            except (ConnectionError, FileNotFoundError) as error:
                if not must_run:
                    return
                if time.monotonic() > end:
                    raise Unavailable(f"PgBouncer in {self._folder} does not answer", found=str(error)) from None
            else:
                return
            time.sleep(0.1)

    def _console(self) -> Path:
        sockets = [path for path in self._folder.glob(".s.PGSQL.*") if path.is_socket()]
        if not sockets:
            raise FileNotFoundError(f"no socket in {self._folder}")
        return sockets[0]


def _tell(console: Path, uid: int, command: str) -> None:
    """Give PgBouncer's console one command, as the user it runs as, who needs no password there (PgBouncer: admin console)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT)
        with _as_user(uid):
            connection.connect(str(console))
        parameters = b"user\0pgbouncer\0database\0pgbouncer\0\0"
        connection.sendall(struct.pack("!ii", 8 + len(parameters), _PROTOCOL) + parameters)
        with connection.makefile("rb") as answer:
            _until_ready(answer.read)
            text = command.encode() + b";\0"
            connection.sendall(b"Q" + struct.pack("!i", 4 + len(text)) + text)
            _until_ready(answer.read)


def _until_ready(read: Callable[[int], bytes]) -> None:
    """Read messages up to ReadyForQuery (Z). Raises PlatformError with what an ErrorResponse (E) says."""
    while True:
        head = read(5)
        if len(head) < 5:
            raise ConnectionResetError("PgBouncer closed the connection")
        kind, length = struct.unpack("!ci", head)
        body = read(length - 4)
        if kind == b"E":
            fields = {field[:1]: field[1:].decode(errors="replace") for field in body.split(b"\0") if field}
            raise PlatformError("PgBouncer refuses", found=fields.get(b"M"))
        if kind == b"Z":
            return


@contextlib.contextmanager
def _as_user(uid: int) -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
