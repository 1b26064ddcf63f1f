"""Somebody who writes through PgBouncer all the time, as the tenant's role, and knows what was acknowledged."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import psycopg

_TABLES = """
CREATE TABLE IF NOT EXISTS faults_keyed (id serial PRIMARY KEY, number bigint UNIQUE);
CREATE TABLE IF NOT EXISTS faults_keyless (number bigint);
CREATE SEQUENCE IF NOT EXISTS faults_rare;
"""
_WRITE = "WITH one AS (INSERT INTO faults_keyed (number) VALUES (%(n)s)) INSERT INTO faults_keyless VALUES (%(n)s)"
_PATIENCE = 20  # seconds, more than PgBouncer's server_login_retry
_READ = "SELECT array(SELECT number FROM faults_keyed), array(SELECT number FROM faults_keyless)"


@dataclass
class Writer:
    """Numbers, each in a table with and in one without a key. Use it as a context: it writes inside the block.

    ``conninfo`` is the PgBouncer's, as Odoo has it.
    """

    conninfo: str
    first: int
    acknowledged: set[int] = field(default_factory=set)
    tried: int = 0
    longest: float = 0.0
    _done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Writer:
        with self.connect() as connection:  # a number that is counted on again only long after the move
            connection.execute("SELECT nextval('faults_rare')")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        assert self._thread is not None
        self._thread.join(60)

    def prepare(self) -> None:
        """Make tables and a sequence: a move does not carry over what is made during it."""
        with self.connect() as connection:
            connection.execute(_TABLES)

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """Connect as Odoo does."""
        return psycopg.connect(self.conninfo, autocommit=True, prepare_threshold=None, connect_timeout=5)

    def _run(self) -> None:
        last = time.monotonic()
        while not self._done.is_set():
            try:
                with self.connect() as connection:
                    while not self._done.wait(0.005):
                        self.tried += 1
                        number = self.first + self.tried
                        connection.execute(_WRITE, {"n": number})
                        self.acknowledged.add(number)
                        self.longest, last = max(self.longest, time.monotonic() - last), time.monotonic()
            except psycopg.Error:
                self._done.wait(0.05)

    def problems(self) -> list[str]:
        """Name what is missing or twice. PgBouncer tries a server that was away only after a while."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                with self.connect() as connection:
                    connection.execute(_WRITE, {"n": time.time_ns()})
                    row = connection.execute(_READ).fetchone()
                    connection.execute("DELETE FROM faults_keyed")
                    connection.execute("DELETE FROM faults_keyless")
                break
            except psycopg.OperationalError as error:
                if time.monotonic() > end:
                    return [f"can't write: {str(error).strip()}"]
            time.sleep(0.2)
        assert row is not None
        found = [] if self.acknowledged else ["nothing was written"]
        for table, numbers in zip(("keyed", "keyless"), row, strict=True):
            assert isinstance(numbers, list)
            if lost := self.acknowledged - set(numbers):
                found.append(f"{table}: {len(lost)} acknowledged writes are lost, {sorted(lost)[:3]}")
            if len(numbers) != len(set(numbers)):
                found.append(f"{table}: {len(numbers) - len(set(numbers))} writes are there twice")
        return found
