"""A crowd of customers, and what is killed meanwhile: drawn by a seed, looked for on the machine at its moment."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults import victims
from tests.fixtures.processes import command, environment, kill, parent, running

#: How many kills there are, and in how many seconds.
KILLS, SECONDS = 14, 55.0


def playbooks(home: Path) -> list[int]:
    """Return each ansible-playbook of a run, what the fork server has started and what waits for that."""
    servers = _fork_servers(home)
    started = [pid for pid in servers if parent(parent(pid)) in servers]
    return started + _of(home, "/ansible-playbook")


def workers(home: Path) -> list[int]:
    """Return the runner's worker."""
    return victims.runner(home)


def registries(home: Path) -> list[int]:
    """Return the registry's postmaster."""
    return running(lambda pid: f"{home}/postgres/registry/data" in command(pid))


def pools(home: Path) -> list[int]:
    """Return the postmasters of all servers of tenants."""
    found = running(lambda pid: any(word.startswith(f"{home}/postgres/") and word.endswith("/data") for word in command(pid)))
    return sorted(set(found) - set(registries(home)))


def poolers(home: Path) -> list[int]:
    """Return all PgBouncers."""
    return running(lambda pid: any(word.startswith(f"{home}/pgbouncer/") for word in command(pid)))


def webs(home: Path) -> list[int]:
    """Return the runner's web process."""
    return [pid for pid in _of(home, "webhook_runner") if command(pid)[1:4] == ["-m", "webhook_runner", "web"]]


def fork_servers(home: Path) -> list[int]:
    """Return the process that keeps Ansible loaded; what it has started outlives it."""
    servers = _fork_servers(home)
    return [pid for pid in servers if parent(pid) not in servers]


def proxies(home: Path) -> list[int]:
    """Return Caddy."""
    return running(lambda pid: Path(command(pid)[0] if command(pid) else "").name == "caddy" and str(home) in _words(pid))


def odoos(home: Path) -> list[int]:
    """Return the main process of each tenant's Odoo."""
    found = running(lambda pid: any(word.startswith(str(home)) and word.endswith("odoo.conf") for word in command(pid)))
    return [pid for pid in found if parent(pid) not in found]


VICTIMS: tuple[Callable[[Path], list[int]], ...] = (
    playbooks, workers, registries, pools, poolers, webs, fork_servers, proxies, odoos,
)  # fmt: skip


@dataclass(frozen=True)
class Kill:
    """One kill: ``after`` so many seconds, one of these."""

    after: float
    among: Callable[[Path], list[int]]
    lot: float  # which of them, 0 to 1

    def do(self, home: Path) -> str:
        """Kill it with signal 9, and say in words what it was."""
        found = sorted(self.among(home))
        chosen = found[int(self.lot * len(found)) :][:1]
        words = " ".join(command(chosen[0]))[:120] if chosen else "none is there"
        kill(chosen)
        return f"{self.after:5.1f} s  {self.among.__name__:<12} {words}"


def drawn(seed: int) -> list[Kill]:
    """Return the kills of a seed in their order: every kind of victim at least once."""
    lot = random.Random(seed)
    chosen = [*VICTIMS, *lot.choices(VICTIMS, k=KILLS - len(VICTIMS))]
    lot.shuffle(chosen)
    moments = sorted(lot.uniform(0, SECONDS) for _ in chosen)
    return [Kill(after, among, lot.random()) for after, among in zip(moments, chosen, strict=True)]


def carry_out(kills: list[Kill], home: Path, report: Callable[[str], None]) -> None:
    """Kill at each one's moment, counted from now."""
    begun = time.monotonic()
    for each in kills:
        time.sleep(max(0.0, begun + each.after - time.monotonic()))
        report(each.do(home))


def _fork_servers(home: Path) -> list[int]:
    return running(lambda pid: "webhook_runner.fork_server" in command(pid) and str(home) in _words(pid))


def _of(home: Path, word: str) -> list[int]:
    mine = f"SAASODOO_HOME={home}"
    return running(lambda pid: any(word in each for each in command(pid)[:3]) and mine in environment(pid))


def _words(pid: int) -> str:
    return " ".join(command(pid))
