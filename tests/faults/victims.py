"""What is killed: the processes of a run, of a Postgres server, of a PgBouncer, of the runner."""

from __future__ import annotations

from pathlib import Path

from tests.fixtures.processes import command, environment, family, parent, running, stop


def playbook(run: int) -> list[int]:
    """ansible-playbook and its workers; the programs they run (pg_dump, pg_restore) outlive them, which is worse."""
    return [pid for pid in family(run) if any("ansible-playbook" in word for word in command(pid))]


def playbook_of(home: Path, tenant: str) -> list[int]:
    """ansible-playbook with its task workers, for a tenant's id: by its environment, or what the fork server has started."""
    server = running(lambda pid: "webhook_runner.fork_server" in command(pid) and str(home) in " ".join(command(pid)))
    started = [pid for pid in server if parent(pid) in server]
    return started + running(lambda pid: f"SAASODOO_TENANT={tenant}" in environment(pid))


def postgres(home: Path, server: str) -> list[int]:
    """All processes of a server, the postmaster first, which is stopped so that it makes no more of them.

    One that is left alone may wait for ever for a lock that a killed one held, and no server starts beside it.
    """
    postmasters = running(lambda pid: f"{home}/postgres/{server}/data" in command(pid))
    stop(postmasters)
    return [pid for each in postmasters for pid in family(each)]


def pgbouncer(home: Path, server: str) -> list[int]:
    """The PgBouncer in front of a server."""
    return running(lambda pid: f"{home}/pgbouncer/{server}/pgbouncer.ini" in command(pid))


def runner(home: Path) -> list[int]:
    """The webhook runner's worker; the run it has begun outlives it."""
    workers = running(lambda pid: command(pid)[1:4] == ["-m", "webhook_runner", "worker"])
    return [pid for pid in workers if str(home) in " ".join(environment(pid))]
