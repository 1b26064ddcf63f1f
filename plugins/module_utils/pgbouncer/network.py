# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The console of a PgBouncer that runs elsewhere, and the choice between that and the one on this machine."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg

from ..postgres.connection import Address
from ..secrets.platform_key import read_platform_key
from .console import TIMEOUT, Console, Session
from .databases import PgBouncer

_HERE = "127.0.0.1"


class NetworkConsole(Console):
    """The console at an address, asked as the server's superuser, which PgBouncer's users file knows."""

    def __init__(self, folder: Path, address: Address) -> None:
        super().__init__(folder)
        self._address = address

    @contextlib.contextmanager
    def _open(self) -> Iterator[Session]:
        """Log in by libpq, which knows SCRAM, and go on by hand: libpq can't give several commands in one piece."""
        try:
            login = psycopg.connect(**self._address.parameters("pgbouncer") | {"sslmode": "disable"}, autocommit=True)
        except psycopg.OperationalError as error:
            raise ConnectionError(" ".join(str(error).split())) from None
        with contextlib.closing(login), socket.socket(fileno=os.dup(login.fileno())) as connection:
            connection.settimeout(TIMEOUT)
            with connection.makefile("rb", buffering=0) as answer:
                yield Session(connection, answer.read)


def pgbouncer(folder: Path, host: str, port: int, platform_key_file: str) -> PgBouncer:
    """Return the PgBouncer of the server that ``folder`` is named after, listening at ``host``:``port``.

    Only one on this machine can be asked through its socket; for another the platform key is read, which raises what
    ``read_platform_key`` does.
    """
    if host == _HERE:
        return PgBouncer(folder)
    return PgBouncer(folder, NetworkConsole(folder, Address(host, port, folder.name, read_platform_key(platform_key_file))))
