"""Stops a run exactly at an entry of its journal: a trigger in the registry waits for a lock that the test holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Address
from tests.fixtures.pools import superuser

_LOCK = 7_104_711
_PATIENCE = 60  # seconds
_INSTALL = f"""
CREATE SCHEMA IF NOT EXISTS faults;
CREATE TABLE IF NOT EXISTS faults.stop (course text, step text, state text);
CREATE OR REPLACE FUNCTION faults.wait() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    IF EXISTS (SELECT FROM faults.stop s WHERE (s.course, s.step, s.state) = (NEW.course, NEW.step, NEW.state)) THEN
        PERFORM pg_advisory_xact_lock_shared({_LOCK});
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION faults.wait_at_end() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    IF EXISTS (SELECT FROM faults.stop s WHERE (s.course, s.step) = ('end', NEW.status)) THEN
        PERFORM pg_advisory_xact_lock_shared({_LOCK});
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER faults AFTER INSERT ON ops.migration_steps FOR EACH ROW EXECUTE FUNCTION faults.wait();
CREATE OR REPLACE TRIGGER faults AFTER INSERT OR UPDATE OF status ON ops.migrations FOR EACH ROW
    EXECUTE FUNCTION faults.wait_at_end();
"""
_WAITS = f"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = {_LOCK} AND NOT granted"


class Gate:
    """The way past one entry, (course, step, state), held shut: not yet written for others to see, and its writer waits.

    ("end", status, "done") is what is recorded of the migration as a whole: under_way when it begins, kept, returned, settled.
    """

    def __init__(self, registry: Address, entry: tuple[str, str, str]) -> None:
        self._registry, self._entry = registry, entry

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Let no run past the entry inside the block."""
        with superuser(self._registry, "saasodoo") as database:
            database.execute("DELETE FROM faults.stop")
            database.execute(f"SELECT pg_advisory_lock({_LOCK})")
            database.execute("INSERT INTO faults.stop VALUES (%s, %s, %s)", self._entry)
            yield
            database.execute("DELETE FROM faults.stop")

    @contextmanager
    def shut(self, goes_on: Callable[[], bool]) -> Iterator[bool]:
        """Let a run come to the entry, and yield whether it did before it ended (``goes_on`` tells); then let it pass."""
        with self.closed():
            yield self.reached(goes_on)

    def reached(self, goes_on: Callable[[], bool] = lambda: True) -> bool:
        """Wait until a run stands before it; return whether one did before it ended, or within a minute."""
        with superuser(self._registry, "saasodoo") as database:
            end = time.monotonic() + _PATIENCE
            while goes_on() and time.monotonic() < end:
                if database.execute(_WAITS).fetchone():
                    return True
                time.sleep(0.01)
        return False


def install(registry: Address) -> None:
    """Put the trigger into the registry's database."""
    with superuser(registry, "saasodoo") as database:
        database.execute(_INSTALL)
