# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files in folders where somebody else may write: worked on without ever following what they have laid there.

Root works in folders of the services' users and of tenants, who may put a link, a pipe or another folder wherever a name is
known. So a folder is opened once and all else is done below that descriptor, by single names that are never followed. On the
way to it a link is followed only where nobody but root and this user could have laid it. What is made gets a name nobody can
foresee and is renamed; mode and owner are set by descriptor.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from ..errors import InvalidInput, UnsafeFile

#: Of a file that is made: (uid, gid).
Owner = tuple[int, int]

_PASS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe must keep nobody waiting
_NO_FOLDER = (errno.ELOOP, errno.ENOTDIR)
_NO_FILE = (errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO)
_MOST_LINKS = 40  # as Linux has it
_DEEPEST = 32  # levels of folders that are copied; Odoo's filestore has two
_MOST_ROUNDS = 100_000  # levels of folders that are removed
_PIECE = 1024 * 1024  # bytes
_ACTION = "find out who put it there, take it away, and run this again"
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
    stat.S_IFREG: "a file",
}


@dataclass(frozen=True)
class Copying:
    """What copied things are to be: ``owner``, and the modes, None for what the original has.

    ``link`` makes hard links to the originals instead, where both are on one file system: these stay what they are.
    """

    owner: Owner | None = None
    folder_mode: int | None = None
    file_mode: int | None = None
    link: bool = False


class Folder:
    """A folder held open at ``path``, which may have become another one since. Close it, or use it in a ``with``.

    Every name is that of an entry of this folder. All raise InvalidInput for a name with a slash, UnsafeFile for an entry that
    is not what it is to be, and OSError as the system has it.
    """

    def __init__(self, descriptor: int, path: Path) -> None:
        self.descriptor, self.path = descriptor, path

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)

    @property
    def owner(self) -> Owner:
        """Whose folder it is: (uid, gid)."""
        found = os.fstat(self.descriptor)
        return found.st_uid, found.st_gid

    def names(self) -> list[str]:
        """Return the names of all entries, hidden ones too, sorted."""
        return sorted(os.listdir(self.descriptor))  # noqa: PTH208 - a path cannot be one of a descriptor

    def about(self, name: str) -> os.stat_result | None:
        """Return what an entry is, None where there is none; of a link, what the link is."""
        try:
            return os.stat(_single(name), dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def is_folder(self, name: str) -> bool:
        """Return whether an entry is there and a folder."""
        found = self.about(name)
        return found is not None and stat.S_ISDIR(found.st_mode)

    def folder(self, name: str) -> Folder:
        """Open a folder that is there. Raises FileNotFoundError, UnsafeFile for anything else of that name."""
        try:
            return Folder(os.open(_single(name), _FOLDER, dir_fd=self.descriptor), self.path / name)
        except OSError as error:
            raise self._translated(name, error, _NO_FOLDER, "a folder") from None

    def make(self, name: str, mode: int, owner: Owner | None = None) -> Folder:
        """Open a folder, made where it is missing; from now on with this mode and owner either way."""
        with suppress(FileExistsError):
            os.mkdir(_single(name), 0o700, dir_fd=self.descriptor)
        folder = self.folder(name)
        folder.give(mode, owner)
        return folder

    def make_anew(self, name: str, mode: int = 0o700) -> Folder:
        """Remove what has this name and open an empty folder, this user's own. Raises UnsafeFile if another is there."""
        self.remove(name)
        os.mkdir(name, 0o700, dir_fd=self.descriptor)
        folder = self.folder(name)
        if folder.owner[0] != os.geteuid():
            folder.close()
            raise self._unsafe(name, f"the folder just made by uid {os.geteuid()}")
        folder.give(mode)
        return folder

    def give(self, mode: int, owner: Owner | None = None) -> None:
        """Set the folder's own mode and owner."""
        _give(self.descriptor, mode, owner)

    def read(self, name: str, uid: int | None = None) -> str:
        """Return a file's text. Raises FileNotFoundError; UnsafeFile for what is no file, or not of ``uid`` (by default of
        whoever owns the folder): a file of somebody else's may be a hard link, made to be read or copied by root.
        """
        with self._reading(name, self.owner[0] if uid is None else uid) as file:
            return file.read().decode()

    def write(self, name: str, text: str, mode: int = 0o644, owner: Owner | None = None) -> None:
        """Replace a file, or whatever has its name and is no folder, in one step: nobody ever reads half of it."""
        new = f".{name}.{secrets.token_hex(8)}"
        try:
            with self._creating(new) as file:
                file.write(text.encode())
                file.flush()
                _give(file.fileno(), mode, owner)
                os.fsync(file.fileno())
            self.rename(new, name)
        except BaseException:
            self._unlink(new)
            raise

    def append(self, name: str, mode: int = 0o600) -> IO[str]:
        """Open a file of this user's own to write at its end, made where it is missing. Raises UnsafeFile."""
        descriptor = self._open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, mode)
        self._must_be_file(name, descriptor, os.geteuid())
        return os.fdopen(descriptor, "a", encoding="utf-8")

    def make_file(self, name: str, mode: int = 0o644) -> None:
        """Make an empty file; one that is there stays."""
        try:
            self._creating(name, mode).close()
        except FileExistsError:
            found = self.about(name)
            if found is None or not stat.S_ISREG(found.st_mode):
                raise self._unsafe(name, "a file") from None

    def rename(self, old: str, new: str) -> None:
        """Rename an entry; a file or an empty folder of the new name is replaced. Raises UnsafeFile where another kind is."""
        try:
            os.replace(_single(old), _single(new), src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        except (NotADirectoryError, IsADirectoryError):
            raise self._unsafe(new, "what was made there before") from None

    def remove(self, name: str) -> None:
        """Remove whatever has this name, a folder with all that is in it, a link alone; nothing there is as good."""
        if self._unlink(name):
            return
        with self.folder(name) as folder:
            folder.empty()
        os.rmdir(name, dir_fd=self.descriptor)

    def empty(self) -> None:
        """Remove all that is in the folder, however deep. Raises UnsafeFile where somebody fills it as fast."""
        for _round in range(_MOST_ROUNDS):
            if not (names := self.names()):
                return
            for name in names:
                self._flatten(name)
        raise UnsafeFile(f"{self.path} does not become empty", action="stop who writes there, and run this again")

    @contextmanager
    def locked(self, name: str = ".lock") -> Iterator[None]:
        """Hold a lock file, made where it is missing; its content stays. Raises UnsafeFile unless it is a file of one name."""
        descriptor = self._open(name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
                raise self._unsafe(name, "a file with no second name")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder itself as a lock: no file is needed, nor can one be exchanged."""
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def fill(self, source: Folder, how: Copying | None = None) -> None:
        """Copy all that is in ``source`` into this folder, with the files' times; files that are there are replaced.

        Raises UnsafeFile for all but folders and files, for files that are not of whoever owns ``source`` (a link may stand for
        any), and for folders nested deeper than anybody needs.
        """
        self._fill(source, how or Copying(), source.owner[0], _DEEPEST)

    def _fill(self, source: Folder, how: Copying, uid: int, levels: int) -> None:
        if not levels:
            raise UnsafeFile(f"{source.path} is nested too deeply", expected=f"at most {_DEEPEST} folders in one another")
        for name in source.names():
            if source.is_folder(name):
                with source.folder(name) as below, self.make(name, 0o700) as copy:
                    copy._fill(below, how, uid, levels - 1)
            elif not (how.link and self._link(source, name)):
                self._copy(source, name, how, uid)
        mode = stat.S_IMODE(os.fstat(source.descriptor).st_mode) & 0o777
        self.give(mode if how.folder_mode is None else how.folder_mode, how.owner)

    def _link(self, source: Folder, name: str) -> bool:
        """Give a file a second name here; return whether both folders are on one file system that can."""
        try:
            os.link(name, name, src_dir_fd=source.descriptor, dst_dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            raise
        except OSError:
            return False
        found = self.about(name)
        if found is None or not stat.S_ISREG(found.st_mode):
            self._unlink(name)
            raise source._unsafe(name, "a file")
        return True

    def _copy(self, source: Folder, name: str, how: Copying, uid: int) -> None:
        with source._reading(name, uid) as original:
            self._unlink(name)
            with self._creating(name) as copy:
                shutil.copyfileobj(original, copy, _PIECE)
                copy.flush()
                found = os.fstat(original.fileno())
                os.utime(copy.fileno(), ns=(found.st_atime_ns, found.st_mtime_ns))
                mode = stat.S_IMODE(found.st_mode) & 0o777
                _give(copy.fileno(), mode if how.file_mode is None else how.file_mode, how.owner)

    def _unlink(self, name: str) -> bool:
        """Remove an entry that is no folder; return whether there is none of that name now."""
        try:
            os.unlink(_single(name), dir_fd=self.descriptor)
        except FileNotFoundError:
            return True
        except IsADirectoryError:
            return False
        return True

    def _flatten(self, name: str) -> None:
        """Remove an entry. The folders in it come up into this one, so that no depth is too much."""
        if self._unlink(name):
            return
        with self.folder(name) as below:
            for inner in below.names():
                if not below._unlink(inner):
                    below._lift(inner, self)
        os.rmdir(name, dir_fd=self.descriptor)

    def _lift(self, name: str, to: Folder) -> None:
        try:
            os.rmdir(name, dir_fd=self.descriptor)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            os.rename(name, secrets.token_hex(16), src_dir_fd=self.descriptor, dst_dir_fd=to.descriptor)

    def _creating(self, name: str, mode: int = 0o600) -> IO[bytes]:
        return os.fdopen(self._open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb")

    def _reading(self, name: str, uid: int) -> IO[bytes]:
        descriptor = self._open(name, os.O_RDONLY)
        self._must_be_file(name, descriptor, uid)
        return os.fdopen(descriptor, "rb")

    def _open(self, name: str, flags: int, mode: int = 0) -> int:
        try:
            return os.open(_single(name), flags | _FILE, mode, dir_fd=self.descriptor)
        except OSError as error:
            raise self._translated(name, error, _NO_FILE, "a file") from None

    def _must_be_file(self, name: str, descriptor: int, uid: int) -> None:
        """Raise UnsafeFile, the descriptor closed, unless it is a regular file's, and that user's."""
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != uid:
            os.close(descriptor)
            raise self._unsafe(name, f"a file of uid {uid}")

    def _translated(self, name: str, error: OSError, unsafe: tuple[int, ...], expected: str) -> Exception:
        """Return the error to raise: UnsafeFile where the entry is of another kind, else the system's with the whole path."""
        if error.errno in unsafe:
            return self._unsafe(name, expected)
        error.filename = str(self.path / name)
        return error

    def _unsafe(self, name: str, expected: str) -> UnsafeFile:
        what = f"{self.path / name} is not what it is to be"
        return UnsafeFile(what, found=words(self.about(name)), expected=expected, action=_ACTION)


def opened(path: Path) -> Folder:
    """Open a folder. Raises FileNotFoundError, UnsafeFile where the way there leads over what somebody else may have laid."""
    return Folder(_walk(path, _MOST_LINKS), path)


def made(path: Path, mode: int, owner: Owner | None = None) -> Folder:
    """Open a folder, made where it is missing with those above it; from now on with this mode and owner either way."""
    try:
        folder = opened(path)
    except FileNotFoundError:
        with _parents(path.parent) as above:
            return above.make(path.name, mode, owner)
    folder.give(mode, owner)
    return folder


def write(path: Path, text: str, mode: int = 0o644, owner: Owner | None = None) -> None:
    """Replace a file in one step (Folder.write) in a folder that is there."""
    with opened(path.parent) as folder:
        folder.write(path.name, text, mode, owner)


def remove(path: Path) -> None:
    """Remove whatever is at ``path`` (Folder.remove); nothing there is as good."""
    try:
        folder = opened(path.parent)
    except FileNotFoundError:
        return
    with folder:
        folder.remove(path.name)


def _parents(path: Path) -> Folder:
    try:
        return opened(path)
    except FileNotFoundError:
        with _parents(path.parent) as above:
            with suppress(FileExistsError):
                os.mkdir(path.name, dir_fd=above.descriptor)
            return above.folder(path.name)


def _walk(path: Path, links: int) -> int:
    """Return a descriptor of a folder, come to from / by one name after the other."""
    names, safe = path.absolute().parts[1:], True
    here = os.open("/", _PASS)
    try:
        for number, name in enumerate(names):
            safe = safe and _is_safe(here, name)
            try:
                below = os.open(name, _PASS, dir_fd=here)
            except OSError as error:
                so_far = Path("/", *names[:number])
                if error.errno not in _NO_FOLDER:
                    error.filename = str(so_far / name)
                    raise
                target = _target(here, so_far / name, safe=safe and links > 0)
                return _walk(so_far.joinpath(target, *names[number + 1 :]), links - 1)
            os.close(here)
            here = below
        return os.open(".", _FOLDER, dir_fd=here)
    finally:
        os.close(here)


def _target(here: int, path: Path, *, safe: bool) -> str:
    """Return where a link leads. Raises UnsafeFile for what is none, or is not ours to follow."""
    found = os.stat(path.name, dir_fd=here, follow_symlinks=False)
    if not safe or not stat.S_ISLNK(found.st_mode):
        expected = "a folder; links only where root or this user alone may write"
        raise UnsafeFile(f"{path} is not to be followed", found=words(found), expected=expected, action=_ACTION)
    return os.readlink(path.name, dir_fd=here)


def _is_safe(here: int, name: str) -> bool:
    """Return whether nobody but root and this user can have laid ``name`` in a folder."""
    found, ours = os.fstat(here), (0, os.geteuid())
    others = found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and found.st_gid not in (0, os.getegid()))
    if found.st_uid in ours and not others:
        return True
    try:
        entry = os.stat(name, dir_fd=here, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return bool(found.st_mode & stat.S_ISVTX) and found.st_uid in ours and entry.st_uid in ours


def _give(descriptor: int, mode: int, owner: Owner | None) -> None:
    if owner:
        os.fchown(descriptor, *owner)
    os.fchmod(descriptor, mode)  # after the owner, since a change of that takes bits away


def _single(name: str) -> str:
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise InvalidInput("not the name of a file", found=name, expected="one name, without /")
    return name


def words(found: os.stat_result | None) -> str:
    """Return what is there, for a person."""
    if found is None:
        return "nothing"
    more = f", with {found.st_nlink} names" if stat.S_ISREG(found.st_mode) and found.st_nlink > 1 else ""
    return f"{_KINDS.get(stat.S_IFMT(found.st_mode), 'something else')} of uid {found.st_uid}{more}"
