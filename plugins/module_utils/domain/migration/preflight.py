# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Before a database moves: which way, what stands in that way, and how long it will take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from ..server.sizing import replication_settings
from .record import Strategy

_GB = 2**30
_JOBS = 2  # tables that are copied at a time
_LISTED = 3  # names in a sentence
# Measured on 2 busy cores with 600 tables, of 100 MB and of 1 GB: online 8.7 and 19.3 s, of which clients wait 0.02 to 0.1 s;
# dump and restore 5.9 and 16.0 s; comparing 0.7 and 4.1 s; a stopped Odoo answers again after 1.0 to 3.7 s.
_ONLINE = (7.5, 11.8)  # seconds for 600 tables, seconds per GB
_COPY = (4.8, 11.2)
_COMPARE = (0.3, 3.8)
_SWITCH = 0.1
_RESTART = 4.0
_TABLES = 600
# Room: shares of the database's size, and what is to stay free on each disk.
_TARGET_SHARE = 1.3
_BACKUP_SHARE = 1.0
_RESERVE_BYTES = 512 * 2**20


@dataclass(frozen=True)
class ServerFindings:
    """A server as it is: ``version`` as in server_version_num; None where the disk can't be seen. Free: not taken by others.

    ``limits`` are its settings that bound replication, by name; ``places`` is how many tenants it takes.
    """

    name: str
    version: int
    wal_level: str
    free_slots: int
    free_senders: int
    free_workers: int
    free_bytes: int | None = None
    limits: dict[str, int] = field(default_factory=dict, hash=False)
    places: int = 0

    @property
    def major(self) -> int:
        """The major version."""
        return self.version // 10000

    @property
    def too_low(self) -> str:
        """Say which limits are lower than its places need, and what gives it what it needs; '' when none is."""
        needed = replication_settings(self.places, 1, self.major)
        low = [f"{name} is {found}, not {needed[name]}" for name, found in self.limits.items() if found < needed[name]]
        if not low:
            return ""
        restart = f"ansible-playbook playbooks/postgres_pool_restart.yml -e postgres_pool_name={self.name}"
        return f"server {self.name} runs with too little for the moves of {self.places} tenants ({', '.join(low)}): {restart}"


@dataclass(frozen=True)
class Findings:
    """What was measured. Sizes in bytes, times in seconds; ``unreplicable`` holds sentences on what can't be replicated.

    ``module_operation`` tells what Odoo is about to do with its modules; ``altered`` are tables that somebody alters just now.
    ``missing_roles`` own or may do something in the database and are not at the target; ``writing`` tells, in sentences, who else
    has had a transaction that writes open for long on either server. ``closed`` are tables that the tenant's own role can't read
    whole: another's, or with rows that it hides from itself.
    """

    database: str
    source: ServerFindings
    target: ServerFindings
    size_bytes: int
    largest_table_bytes: int
    tables: int
    backup_free_bytes: int | None = None
    backup_on_target_disk: bool = False
    tables_without_key: int = 0
    unreplicable: tuple[str, ...] = ()
    large_objects: int = 0
    longest_transaction_seconds: float = 0
    prepared_transactions: int = 0
    module_operation: str = ""
    altered: tuple[str, ...] = ()
    missing_extensions: tuple[str, ...] = ()
    missing_locale: str = ""
    missing_roles: tuple[str, ...] = ()
    writing: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return them as JSON has them."""
        found = asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


@dataclass(frozen=True)
class Estimate:
    """Seconds that the whole takes, and of these the seconds that people wait."""

    seconds: float
    pause_seconds: float


def choose(strategy: str, findings: Findings, *, running: bool) -> tuple[Strategy, str]:
    """Return the strategy for ``strategy`` (auto, online, offline) and the reason in the user's words."""
    if strategy != "auto":
        return Strategy(strategy), "it was asked for"
    if not running:
        return Strategy.OFFLINE, "the tenant is stopped: nobody has to wait"
    if findings.unreplicable:
        return Strategy.OFFLINE, f"the database can't be replicated: {_some(findings.unreplicable, '; ')}"
    for server in (findings.source, findings.target):
        if server.wal_level != "logical":
            return Strategy.OFFLINE, f"server {server.name} can't replicate: its wal_level is {server.wal_level}"
    return Strategy.ONLINE, "people work on: all of the database can be replicated"


def obstacles(
    findings: Findings, strategy: Strategy, longest_transaction: float, *, running: bool, reserve: int = _RESERVE_BYTES
) -> tuple[str, ...]:
    """Return what has to be out of the way first: each says what, found, expected, and what to do.

    Transactions that have run for longer than ``longest_transaction`` seconds would have to be waited for; ``reserve`` bytes are
    to stay free on each disk.
    """
    return (
        *_target(findings),
        *_space(findings, reserve),
        *_work(findings, running),
        *(_replication(findings, longest_transaction) if strategy is Strategy.ONLINE else ()),
    )


def notes(findings: Findings, strategy: Strategy, *, running: bool) -> tuple[str, ...]:
    """Return what nobody has to do anything about, but may take longer than one thinks."""
    if strategy is not Strategy.ONLINE:
        return ()
    pause = f"people wait for {_SWITCH:g} s on a quiet machine and longer on a busy one: the switch looks for a quiet moment"
    limits = [server.too_low for server in (findings.source, findings.target) if server.too_low]
    slots = [f"{each}: if it goes on, a replication slot waits for it, while people work" for each in findings.writing]
    return (*limits, *slots, *([pause] if running else []))


def estimate(findings: Findings, strategy: Strategy, *, running: bool) -> Estimate:
    """Return how long it will take, scaled from what was measured; a table larger than the others is copied by one job alone."""
    size = max(findings.size_bytes, _JOBS * findings.largest_table_bytes) / _GB
    tables = findings.tables / _TABLES
    compare = _COMPARE[0] * tables + _COMPARE[1] * findings.size_bytes / _GB
    if strategy is Strategy.ONLINE:
        return Estimate(round(_ONLINE[0] * tables + _ONLINE[1] * size + compare + 1, 1), _SWITCH)
    stopped = _COPY[0] * tables + _COPY[1] * size + compare + _RESTART
    return Estimate(round(stopped + 1, 1), round(stopped, 1) if running else 0)


def _target(findings: Findings) -> Iterator[str]:
    source, target = findings.source, findings.target
    if target.major < source.major:
        yield _sentence(
            f"server {target.name} is older than the database",
            f"PostgreSQL {target.major}",
            f"{source.major} or newer",
            "choose another server",
        )
    if findings.missing_extensions:
        yield _sentence(
            f"server {target.name} lacks extensions of the database",
            _some(findings.missing_extensions),
            "all of them",
            "install them there, or choose another server",
        )
    if findings.missing_locale:
        yield _sentence(
            f"server {target.name} lacks the database's locale",
            f"no {findings.missing_locale}",
            findings.missing_locale,
            "install it there, or choose another server",
        )
    if findings.missing_roles:
        yield _sentence(
            f"server {target.name} lacks roles that something in the database belongs or is granted to",
            _some(findings.missing_roles),
            "the tenant's own role only, or roles that are on both servers",
            "REVOKE it, or make the role there (CREATE ROLE ... NOLOGIN)",
        )
    if findings.closed:
        yield _sentence(
            "there are tables that the tenant's own role can't read whole, as which a database is moved",
            _some(findings.closed),
            "tables of its own, that hide no rows from it",
            "ALTER TABLE ... OWNER TO the role, or NO FORCE ROW LEVEL SECURITY",
        )


def _space(findings: Findings, reserve: int) -> Iterator[str]:
    on_target = round(findings.size_bytes * _TARGET_SHARE)
    backup = round(findings.size_bytes * _BACKUP_SHARE)
    both = findings.backup_on_target_disk
    needs = [
        (f"server {findings.target.name}", findings.target.free_bytes, on_target + backup * both),
        ("the backup", findings.backup_free_bytes, 0 if both else backup),
        (f"server {findings.source.name}", findings.source.free_bytes, 0),
    ]
    for what, free, need in needs:
        if free is not None and free < need + reserve:
            expected = f"{_size(need + reserve)}, of which {_size(reserve)} stay free"
            yield _sentence(f"too little space for {what}", f"{_size(free)} free", expected, "make room")


def _work(findings: Findings, running: bool) -> Iterator[str]:
    if findings.module_operation and running:
        yield _sentence(
            "Odoo is about to change its modules", findings.module_operation, "no such operation", "wait until it has ended"
        )
    if findings.altered and running:
        yield _sentence("tables are being altered", _some(findings.altered), "none", "wait until that has ended")
    if findings.prepared_transactions:
        yield _sentence(
            "transactions are prepared and not decided",
            findings.prepared_transactions,
            "none",
            "see pg_prepared_xacts, and COMMIT or ROLLBACK PREPARED each",
        )


def _replication(findings: Findings, longest_transaction: float) -> Iterator[str]:
    for sentence in findings.unreplicable:
        yield _sentence("not all of the database can be replicated", sentence, "nothing of the kind", "move it offline")
    for server in (findings.source, findings.target):
        if server.wal_level != "logical":
            yield _sentence(
                f"server {server.name} can't replicate",
                f"wal_level {server.wal_level}",
                "logical",
                "set it and restart the server",
            )
        # To and from: the way back is replication, too.
        free = (server.free_slots, server.free_senders, server.free_workers)
        for what, count in zip(("replication slot", "WAL sender", "subscription worker"), free, strict=True):
            if count < 1:
                action = server.too_low or "wait until another migration has ended, or drop what is left of one"
                yield _sentence(f"server {server.name} has no free {what}", count, "1 or more", action)
    if findings.longest_transaction_seconds > longest_transaction:
        found = f"one that has run for {findings.longest_transaction_seconds:.0f} s"
        expected = f"none longer than {longest_transaction:.0f} s"
        yield _sentence("a transaction goes on for long: nothing can be copied until it ends", found, expected, "wait, or end it")


def _sentence(what: str, found: object, expected: object, action: str) -> str:
    return f"{what}; found: {found}; expected: {expected}; {action}"


def _some(names: tuple[str, ...], separator: str = ", ") -> str:
    more = len(names) - _LISTED
    return separator.join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _size(count: int) -> str:
    return f"{count / _GB:.1f} GB" if count >= _GB else f"{count / 2**20:.0f} MB"
