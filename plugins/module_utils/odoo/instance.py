# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one tenant's Odoo has on disk, and how much it may hold: data directory, the template's filestore in it, configuration."""

from __future__ import annotations

import configparser
import errno
import hashlib
import os
import pwd
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Conflict, InvalidInput, NotFound
from ..host import storage_limit
from ..host.processes import write_file

_FOLDERS = ("addons", "filestore", "sessions")
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
    if not instance.path.is_dir():
        return {}
    found: dict[str, Any] = {
        "folders": [name for name in _FOLDERS if _fits(instance.path / name, instance.user)],
    }
    if instance.configuration:
        found["configuration"] = _shown(_read(instance.path / _CONFIGURATION), instance)
    if instance.template_filestore:
        found["filestore"] = instance.filestore.is_dir()
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
        instance.path.parent.mkdir(parents=True)
        instance.path.parent.chmod(0o711)  # tenants pass through, none sees the others' names
    for folder in (instance.path, *(instance.path / name for name in _FOLDERS)):
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        _give(folder, owner)
    if instance.storage_limit is not None and limits_storage(instance):
        storage_limit.write(instance.path, instance.storage_limit)
    if instance.template_filestore and not instance.filestore.is_dir():
        _copy_filestore(instance.template_filestore, instance.filestore, owner)
    if instance.configuration and _read(instance.path / _CONFIGURATION) != instance.configuration:
        with _reporting_quota(instance.path / _CONFIGURATION):
            write_file(instance.path / _CONFIGURATION, _render(instance.configuration), 0o600, owner)


def closed(instance: Instance) -> dict[str, bool]:
    """Return what of an instance that is kept but closed is still there: its configuration, its visitors' sessions."""
    sessions = instance.path / "sessions"
    return {
        "configuration": (instance.path / _CONFIGURATION).exists(),
        "sessions": sessions.is_dir() and any(sessions.iterdir()),
    }


def close(instance: Instance) -> None:
    """Take away what gives access: the configuration with its passwords, and the sessions. The data stays."""
    (instance.path / _CONFIGURATION).unlink(missing_ok=True)
    if (sessions := instance.path / "sessions").is_dir():
        for each in sessions.iterdir():
            shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()


def remove(instance: Instance) -> None:
    """Remove everything, the data too."""
    if instance.path.is_dir():
        shutil.rmtree(instance.path)


def _copy_filestore(source: Path, to: Path, owner: tuple[int, int] | None) -> None:
    if not source.is_dir():
        raise NotFound(f"no template filestore {source}", action="make the template with odoo_template")
    new = to.with_name(f".{to.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(source, new, copy_function=_copy_file)
    for folder, _folders, files in os.walk(new):
        Path(folder).chmod(0o700)
        _give(Path(folder), owner)
        for name in files:
            _give(Path(folder) / name, owner)
    new.rename(to)


def _copy_file(source: str, to: str) -> None:
    with _reporting_quota(Path(to)):
        shutil.copy2(source, to)


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


def _read(file: Path) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
    except (OSError, configparser.Error):
        return {}
    return dict(parser[_SECTION]) if parser.has_section(_SECTION) else {}


def _shown(found: Mapping[str, str], wanted: Instance) -> dict[str, str]:
    """Return a configuration for a diff: of a secret, only whether it is the one wanted."""
    secrets = {name: str(value) for name, value in wanted.secrets.items()}
    hidden = {name: "as derived" if found[name] == secrets[name] else "another" for name in secrets if name in found}
    return {**found, **hidden}


def _fits(folder: Path, user: str) -> bool:
    if not folder.is_dir():
        return False
    facts, owner = folder.stat(), _owner(user)
    return facts.st_mode & 0o777 == 0o700 and (owner is None or facts.st_uid == owner[0])


def _owner(user: str) -> tuple[int, int] | None:
    if os.geteuid() != 0 or not user:
        return None
    if user.isdecimal():  # one that only a container has
        return int(user), int(user)
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise NotFound(f"no user {user}", action="run playbooks/host.yml") from None
    return entry.pw_uid, entry.pw_gid


def _give(path: Path, owner: tuple[int, int] | None) -> None:
    if owner:
        os.chown(path, *owner, follow_symlinks=False)
