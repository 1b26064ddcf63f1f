# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one tenant's Odoo has on disk, and how much it may hold: data directory, the template's filestore in it, configuration."""

from __future__ import annotations

import configparser
import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Conflict, InvalidInput, NotFound, UnsafeFile
from ..host import files, storage_limit
from ..host.users import ids_of

_SESSIONS = "sessions"
_FOLDERS = ("addons", "filestore", _SESSIONS)
_SECTION = "options"
_CONFIGURATION = "odoo.conf"


@dataclass(frozen=True)
class Instance:
    """One tenant's Odoo on disk as it is to be.

    ``user`` owns everything (used only by root). ``options`` and ``secrets`` together are odoo.conf, of which there is none where
    both are empty; the latter are never shown. ``template_filestore`` is copied for ``database`` where it has no filestore yet;
    None leaves the filestore alone. ``live`` names options that a running Odoo is told in other ways, or may learn at its next
    start. ``storage_limit`` is in bytes, None for none of ours, and kept to where the file system can (``storage_limit.py``).
    """

    path: Path
    user: str
    database: str
    options: Mapping[str, Any]
    secrets: Mapping[str, Any]
    template_filestore: Path | None = None
    live: tuple[str, ...] = ()
    storage_limit: int | None = None

    @property
    def configuration(self) -> dict[str, str]:
        """Everything that odoo.conf says. Raises InvalidInput when a value has more than one line."""
        merged = {name: str(value) for name, value in {**self.options, **self.secrets}.items()}
        if broken := [name for name, value in merged.items() if "\n" in value]:
            raise InvalidInput(f"odoo.conf: {broken[0]} has more than one line")
        return merged

    @property
    def filestore(self) -> Path:
        """Where Odoo keeps the files of the database."""
        return self.path / "filestore" / self.database

    @property
    def fingerprint(self) -> str:
        """A hash of the configuration but for what is live: a process started with another one is to be restarted."""
        lasting = {name: value for name, value in self.configuration.items() if name not in self.live}
        return hashlib.sha256(_render(lasting).encode()).hexdigest()


def describe(instance: Instance) -> dict[str, Any]:
    """Return what is there, in the words of ``target``."""
    try:
        folder = files.opened(instance.path)
    except FileNotFoundError:
        return {}
    with folder:
        found: dict[str, Any] = {"folders": [name for name in _FOLDERS if _fits(folder, name, instance.user)]}
        if instance.configuration:
            found["configuration"] = _shown(_read(folder), instance)
        if instance.template_filestore:
            found["filestore"] = _has_filestore(folder, instance)
    if limits_storage(instance):
        found["storage_limit"] = storage_limit.read(instance.path)
    return found


def target(instance: Instance) -> dict[str, Any]:
    """Return what ``describe`` says once all is as wanted."""
    wanted: dict[str, Any] = {"folders": list(_FOLDERS)}
    if instance.configuration:
        wanted["configuration"] = _shown(instance.configuration, instance)
    if instance.template_filestore:
        wanted["filestore"] = True
    if limits_storage(instance):
        wanted["storage_limit"] = instance.storage_limit
    return wanted


def limits_storage(instance: Instance) -> bool:
    """Return whether it is to have a limit, and one holds where it is, or is to be."""
    return instance.storage_limit is not None and storage_limit.enforced_below(instance.path)


def ensure(instance: Instance) -> None:
    """Make what is not there; killed anywhere, it is simply made again.

    Raises NotFound without the template's filestore, Conflict when it would hold more than it may.
    """
    owner = _owner(instance.user)
    if not instance.path.parent.is_dir():
        files.made(instance.path.parent, 0o711).close()  # tenants pass through, none sees the others' names
    with files.made(instance.path, 0o700, owner) as folder:
        for name in _FOLDERS:
            folder.make(name, 0o700, owner).close()
        if instance.storage_limit is not None and limits_storage(instance):
            storage_limit.write(instance.path, instance.storage_limit)
        if instance.template_filestore and not _has_filestore(folder, instance):
            _copy_filestore(instance.template_filestore, folder, instance.database, owner)
        if instance.configuration and _read(folder) != instance.configuration:
            with _reporting_quota(instance.path / _CONFIGURATION):
                folder.write(_CONFIGURATION, _render(instance.configuration), 0o600, owner)


def closed(instance: Instance) -> dict[str, bool]:
    """Return what of an instance that is kept but closed is still there: its configuration, its visitors' sessions."""
    try:
        folder = files.opened(instance.path)
    except FileNotFoundError:
        return {"configuration": False, _SESSIONS: False}
    with folder:
        return {"configuration": folder.about(_CONFIGURATION) is not None, _SESSIONS: _has_sessions(folder)}


def close(instance: Instance) -> None:
    """Take away what gives access: the configuration with its passwords, and the sessions. The data stays."""
    try:
        folder = files.opened(instance.path)
    except FileNotFoundError:
        return
    with folder:
        folder.remove(_CONFIGURATION)
        if not folder.is_folder(_SESSIONS):
            folder.remove(_SESSIONS)  # a link, which is not followed
            return
        with folder.folder(_SESSIONS) as sessions:
            sessions.empty()


def remove(instance: Instance) -> None:
    """Remove everything, the data too."""
    files.remove(instance.path)


def _copy_filestore(source: Path, to: files.Folder, database: str, owner: files.Owner | None) -> None:
    try:
        template = files.opened(source)
    except FileNotFoundError:
        raise NotFound(f"no template filestore {source}", action="make the template with odoo_template") from None
    new = f".{database}.new"
    with template, to.folder("filestore") as filestores, _reporting_quota(filestores.path / database):
        with filestores.make_anew(new) as copy:
            copy.fill(template, files.Copying(owner=owner, folder_mode=0o700))
        filestores.rename(new, database)


def _has_filestore(folder: files.Folder, instance: Instance) -> bool:
    if not folder.is_folder("filestore"):
        return False
    with folder.folder("filestore") as filestores:
        return filestores.is_folder(instance.database)


def _has_sessions(folder: files.Folder) -> bool:
    """Return whether there are any; what is there instead of their folder is taken for some."""
    if not folder.is_folder(_SESSIONS):
        return folder.about(_SESSIONS) is not None
    with folder.folder(_SESSIONS) as sessions:
        return bool(sessions.names())


@contextmanager
def _reporting_quota(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.EDQUOT:
            raise
        raise Conflict(
            f"{file} would be more than the storage limit of the tenant's folder",
            action="remove some of the tenant's files, or give it a larger plan",
        ) from None


def _render(configuration: Mapping[str, str]) -> str:
    lines = "".join(f"{name} = {value}\n" for name, value in configuration.items())
    return f"# Written by the platform: the next run puts back what is changed here.\n[{_SECTION}]\n{lines}"


def _read(folder: files.Folder) -> dict[str, str]:
    """Return what odoo.conf says; nothing where it is none that the platform made, which is then replaced."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(folder.read(_CONFIGURATION))
    except (OSError, UnsafeFile, UnicodeDecodeError, configparser.Error):
        return {}
    return dict(parser[_SECTION]) if parser.has_section(_SECTION) else {}


def _shown(found: Mapping[str, str], wanted: Instance) -> dict[str, str]:
    """Return a configuration for a diff: of a secret, only whether it is the one wanted."""
    secrets = {name: str(value) for name, value in wanted.secrets.items()}
    hidden = {name: "as derived" if found[name] == secrets[name] else "another" for name in secrets if name in found}
    return {**found, **hidden}


def _fits(folder: files.Folder, name: str, user: str) -> bool:
    facts, owner = folder.about(name), _owner(user)
    if facts is None or not stat.S_ISDIR(facts.st_mode):
        return False
    return facts.st_mode & 0o777 == 0o700 and (owner is None or facts.st_uid == owner[0])


def _owner(user: str) -> files.Owner | None:
    if os.geteuid() != 0 or not user:
        return None
    return ids_of(user)
