# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The registry's schema, forward and back: numbered SQL files read and recorded by yoyo, and procrastinate's own tables.

Each step and the record of it are one transaction, so a run killed anywhere is simply run again.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from procrastinate.schema import SchemaManager
from psycopg import sql

from ..errors import Conflict, InvalidInput
from ..postgres.connection import Connection
from .connection import check_conninfo

LATEST = "latest"

_HAS_TABLE = "SELECT to_regclass(%s) IS NOT NULL AS there"
_APPLIED = "SELECT migration_id FROM public._yoyo_migration ORDER BY migration_id"
_QUEUE_VERSION = "SELECT obj_description('public.procrastinate_jobs'::regclass) AS version"


def available(folder: Path) -> list[str]:
    """Return the ids (file names without suffix) of the steps in ``folder``, oldest first."""
    names = sorted(file.name for file in folder.glob("*.sql") if not file.name.endswith(".rollback.sql"))
    if not names:
        raise InvalidInput(f"no steps of the registry's schema in {folder}")
    return [name.removesuffix(".sql") for name in names]


def up_to(steps: Sequence[str], version: str) -> list[str]:
    """Return the steps up to ``version``: ``latest``, or a step's number; ``0000`` is none. Raises InvalidInput."""
    if version == LATEST:
        return list(steps)
    numbers = [step.partition("-")[0] for step in steps]
    if version != "0000" and version not in numbers:
        raise InvalidInput("unknown version of the registry's schema", found=version, expected=f"0000, {', '.join(numbers)}")
    return [step for step, number in zip(steps, numbers, strict=True) if number <= version]


def applied(connection: Connection) -> list[str]:
    """Return the ids of the steps the database has."""
    if not _has_table(connection, "public._yoyo_migration"):
        return []
    return [row["migration_id"] for row in connection.execute(_APPLIED)]


def check_known(present: Sequence[str], steps: Sequence[str]) -> None:
    """Raise Conflict when the database has steps this release does not know: it is of a newer one."""
    if unknown := [step for step in present if step not in steps]:
        raise Conflict(
            "the registry's schema is newer than this release",
            found=", ".join(unknown),
            expected=f"nothing after {steps[-1]}",
            action="go back with the newer release's playbooks and -e registry_version=NUMBER, or upgrade this one",
        )


def apply(owner: str, folder: Path, wanted: Sequence[str]) -> None:
    """Undo the steps that are not in ``wanted``, newest first, then apply those that are missing, as ``owner`` (conninfo).

    Raises Conflict with PostgreSQL's words when a step fails; the steps before it stay done.
    """
    from yoyo import get_backend, read_migrations  # 60 ms, and needed only when there is something to do

    with get_backend(_uri(owner)) as backend:
        steps = read_migrations(str(folder))
        undo = [(step, "rollback", backend.unmark_one) for step in backend.to_rollback(steps) if step.id not in wanted]
        do = [(step, "apply", backend.mark_one) for step in backend.to_apply(steps) if step.id in wanted]
        for step, direction, record in [*undo, *do]:
            try:
                with backend.transaction():
                    step.process_steps(backend, direction)
                    record(step, log=False)
            except psycopg.Error as error:
                raise Conflict(f"{direction} of the registry's schema step {step.id} failed", found=str(error).strip()) from None


def queue_version(connection: Connection) -> str:
    """Return the version of procrastinate the database's job tables are of; '' when there are none."""
    if not _has_table(connection, "public.procrastinate_jobs"):
        return ""
    row = connection.execute(_QUEUE_VERSION).fetchone()
    return str(row["version"] or "unknown") if row else ""


def installed_queue_version() -> str:
    """Return the version of procrastinate that is installed."""
    return importlib.metadata.version("procrastinate")


def update_queue(connection: Connection) -> None:
    """Make procrastinate's tables, or bring them forward by the steps it ships, to the installed version.

    Raises Conflict when they are of a newer version, or of one that is not known.
    """
    present, wanted = queue_version(connection), installed_queue_version()
    with connection.transaction():
        if not present:
            connection.execute(SchemaManager.get_schema())
        else:
            for file in queue_steps(present, wanted):
                connection.execute(file.read_text(encoding="utf-8"))
        connection.execute(sql.SQL("COMMENT ON TABLE public.procrastinate_jobs IS {}").format(sql.Literal(wanted)))


def queue_steps(present: str, wanted: str) -> list[Path]:
    """Return procrastinate's steps after version ``present``; their names start with the version, as 03.04.00."""
    try:
        since = _numbers(present)
    except ValueError:
        since = _numbers("999")
    if since > _numbers(wanted):
        raise Conflict("the registry's job tables are of another procrastinate", found=present, expected=f"{wanted} or older")
    files = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    return [file for file in files if since < _numbers(file.name.partition("_")[0]) <= _numbers(wanted)]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _has_table(connection: Connection, name: str) -> bool:
    row = connection.execute(_HAS_TABLE, (name,)).fetchone()
    return bool(row and row["there"])


def _uri(conninfo: str) -> str:
    """Return yoyo's form of a libpq connection string."""
    parts = check_conninfo(conninfo)
    where = f"{parts.pop('host')}:{parts.pop('port')}/{quote(parts.pop('dbname'))}"
    return f"postgresql+psycopg://{quote(parts.pop('user'))}@{where}?{urlencode(parts)}"
