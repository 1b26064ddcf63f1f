# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The databases that a PgBouncer serves: its two files, changed in one step each, and read again without dropping a client."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidInput, NotFound, PlatformError, Unavailable
from ..host import files
from ..outcome import Outcome
from .console import PATIENCE, Console

_IDENTIFIER = re.compile(r"^[a-z_][a-z0-9_]*$")
_VERIFIER = re.compile(r"^SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$")
_LONGEST = 63
_NO_POOL = " pool_size=0"  # at the end of a line: PgBouncer takes the last of two
_PLACE = re.compile(r" host=(\S+) port=([0-9]+) ")


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
    """The PgBouncer configured in ``folder``; the folder's owner runs it. Without ``console`` it is on this machine."""

    def __init__(self, folder: Path, console: Console | None = None) -> None:
        self._folder = folder
        self.console = console or Console(folder)

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
                self._replace("userlist.txt", {**roles, f'"{entry.role}"': new_role})
                kept = {name: line for name, line in databases.items() if name not in old_lines}
                self._replace("databases.ini", {**kept, **new_lines})
        if not check:
            self._reload(must_run)
        same = "present" if old_role == new_role else "present, with another verifier"
        return Outcome(
            before={"databases": sorted(old_lines.values()), "role": "present" if old_role else "absent"},
            after={"databases": sorted(new_lines.values()), "role": (same if old_role else "present") if new_role else "absent"},
        )

    def databases(self) -> dict[str, tuple[str, int]]:
        """Return (host, port) of every name in databases.ini, those pooled by session too, whether PgBouncer runs or not."""
        lines = self._read("databases.ini", " = ")
        found = {name: _PLACE.search(line) for name, line in lines.items()}
        return {name: (place[1], int(place[2])) for name, place in found.items() if place}

    def destination(self, database: str) -> tuple[str, int] | None:
        """Return (host, port) of the server that the running PgBouncer routes ``database`` to, None when it knows none."""
        row = self.console.databases().get(database)
        return (str(row["host"]), int(row["port"] or 0)) if row else None

    def route(self, database: str, host: str, port: int, *, resume: bool = False) -> None:
        """Route ``database`` and its session name to another server from the next transaction on; all else stays.

        Call it while paused, and with ``resume`` unless there is a reason to let clients wait on: one that connects between
        the two makes PgBouncer begin a login and cut it off (see _begin_pause). Connections to its former server are used
        no more: PgBouncer closes those of a database whose host or port changed in a RELOAD, as RECONNECT does. Repeating it
        is harmless, and mends a run killed in between. Raises NotFound without such an entry; Unavailable when PgBouncer
        does not run: then it is routed there when it starts.
        """
        with self._locked(check=False):
            lines = self._read("databases.ini", " = ")
            moved = {
                name: _PLACE.sub(f" host={host} port={port} ", lines[name]) for name in self._names(database) if name in lines
            }
            if database not in moved:
                raise NotFound(f"PgBouncer in {self._folder} has no database {database}")
            self._replace("databases.ini", {**lines, **moved})
        self._reload(must_run=True, resume=self._names(database) if resume else ())
        if (found := self.destination(database)) != (host, port):
            raise PlatformError(f"PgBouncer did not take database {database} over", found=found, expected=(host, port))

    def pause(self, database: str, timeout: float) -> bool:
        """Let new transactions wait; return whether the running ones ended within ``timeout`` seconds, else it is resumed.

        The session name is paused without waiting: each of its sessions lasts until its client or the server ends it, and
        the client that comes back then waits. Repeating it is harmless. PgBouncer forgets a pause when it is restarted, and
        ends the wait of a client after query_wait_timeout. Raises NotFound without such a database.
        """
        end = time.monotonic() + timeout
        there = self.console.databases()
        if database not in there:
            raise NotFound(f"PgBouncer in {self._folder} has no database {database}")
        names = [name for name in self._names(database) if name in there]
        try:
            # One that was killed meanwhile and is back has forgotten the pause.
            complete = self._begin_pause(names, end) and self.console.drained([database], end) and self.is_paused(database)
        except BaseException:
            self.resume(database)
            raise
        if not complete:
            self.resume(database)
        return complete

    def _begin_pause(self, names: list[str], end: float) -> bool:
        """Pause once no connection to the server is logging in; return whether that came about before ``end``.

        PAUSE would cut it off, which counts as a failed login: after RESUME no other would be tried for server_login_retry,
        and clients that ask for a connection would be dropped until one succeeds. Pools of size 0 begin none.
        """
        with self._locked(check=False):
            lines = self._read("databases.ini", " = ")
            closed = {name: f"{lines[name]}{_NO_POOL}" for name in names if name in lines}
            self._replace("databases.ini", {**lines, **closed})
            try:
                self._reload(must_run=True)
                if not self.console.drained(names, end, "login"):
                    return False
                for name in names:
                    self.console.pause(name)
            finally:
                self._replace("databases.ini", lines)  # read again when it is routed elsewhere or resumed
        return True

    def is_paused(self, database: str) -> bool:
        """Return whether new transactions and new sessions wait. Those that ran may run still: pause() waits for them."""
        there = self.console.databases()
        found = [there[name]["paused"] for name in self._names(database) if name in there]
        return bool(found) and set(found) == {"1"}

    def clients(self, database: str, state: str = "") -> int:
        """Return how many connections of clients there are to it and its session name; 0 where PgBouncer does not run.

        In one ``state`` (active, waiting), or in any.
        """
        try:
            return self.console.clients(self._names(database), state)
        except Unavailable:
            return 0

    def resume(self, database: str) -> None:
        """Let all clients go on; what is not paused, or not there, is no error."""
        with self._locked(check=False):
            self._replace("databases.ini", self._read("databases.ini", " = "))
        self._reload(must_run=True, resume=self._names(database))

    @staticmethod
    def _names(database: str) -> tuple[str, str]:
        return database, session_name(database)

    @contextlib.contextmanager
    def _locked(self, check: bool) -> Iterator[None]:
        if check:  # the server itself may only be predicted
            yield
            return
        try:
            folder = files.opened(self._folder)
        except FileNotFoundError:
            raise NotFound(f"there is no PgBouncer in {self._folder}", action="run playbooks/postgres_pools.yml") from None
        with folder, folder.locked():
            yield

    def _read(self, name: str, separator: str) -> dict[str, str]:
        """Return the lines of a file by what each is about; what a killed run closed is open again."""
        try:
            with files.opened(self._folder) as folder:
                lines = folder.read(name).splitlines()
        except FileNotFoundError:
            return {}
        return {line.partition(separator)[0]: line.removesuffix(_NO_POOL) for line in lines if line}

    def _replace(self, name: str, wanted: Mapping[str, str | None]) -> None:
        text = "".join(f"{line}\n" for _name, line in sorted(wanted.items()) if line)
        with files.opened(self._folder) as folder:
            if not folder.about(name) or folder.read(name) != text:
                folder.write(name, text, 0o600, folder.owner if os.geteuid() == 0 else None)

    def _reload(self, must_run: bool, resume: Collection[str] = ()) -> None:
        try:
            paused = self.console.paused() if resume else set()
            self.console.ask(
                "RELOAD", *(f"RESUME {name}" for name in resume if name in paused), patience=PATIENCE if must_run else 0
            )
        except Unavailable:
            if must_run:
                raise
