# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The dumps that moves leave as backups: a part of one goes at once, a complete one when its time is over."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from ..domain.migration.record import Migration, MigrationStatus
from ..domain.tenant.tenant import short_id
from ..host import files
from ..postgres.connection import Connection
from ..registry import connection as registry
from . import journal
from .dump import is_dumped

#: In names of folders, where an older one comes before a newer one.
_MOMENT = "%Y%m%dT%H%M%S"
_FOLDERS = "[0-9a-f]" * 12 + "/" + "[0-9]" * 8 + "T" + "[0-9]" * 6 + "-*"


def folder_of(migration: Migration) -> str:
    """Return the folder of a move's dump, and of links to the filestore beside it, below that of the tenant's backups."""
    return f"{migration.started_at:{_MOMENT}}-{migration.source}"


def dumped(folder: Path) -> Path:
    """Return where the dump itself is in such a folder."""
    return folder / "database"


def keep_files(folder: Path, filestore: Path) -> None:
    """Keep the filestore beside the dump. Odoo never changes a file of it (its name is its hash), so links are enough."""
    if not (opened := _filestore(filestore)):
        return
    with opened, files.opened(folder) as backup, backup.make_anew("filestore") as kept:
        kept.fill(opened, files.Copying(link=True))


def _filestore(path: Path) -> files.Folder | None:
    """Open a tenant's filestore, None where it has none. From the folder of filestores on, names are the tenant's to change."""
    try:
        with files.opened(path.parents[1]) as tenant, tenant.folder(path.parent.name) as filestores:
            return filestores.folder(path.name)
    except FileNotFoundError:
        return None


def remove_partial(folder: Path) -> None:
    """Remove what a try that failed or died has left in a folder, unless its dump is complete."""
    if not is_dumped(dumped(folder)):
        files.remove(folder)


def over(connection: Connection, backups: Path, *, days: float) -> list[Path]:
    """Return the folders below ``backups`` that may go: parts, and dumps of moves that began that many days ago.

    Never that of a move which is under way, or whose way back is not over.
    """
    folders = sorted(backups.glob(_FOLDERS))  # before the journal is read: whatever is made from now on is not looked at
    needed = {
        f"{short_id(each.tenant_id)}/{folder_of(each)}"
        for each in journal.unfinished(connection)
        if each.status is MigrationStatus.UNDER_WAY or each.way_back_until is not None
    }
    oldest = _moment_before(registry.now(connection), days)
    return [
        folder
        for folder in folders
        if str(folder.relative_to(backups)) not in needed and (folder.name < oldest or not is_dumped(dumped(folder)))
    ]


def _moment_before(now: datetime, days: float) -> str:
    return f"{now - timedelta(days=days):{_MOMENT}}"
