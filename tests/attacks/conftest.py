"""Whoever attacks: the Unix user of the services, and what of root's is worth having."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fixtures.postgres import service_user

_SECRET = "the platform's key\n"


@dataclass(frozen=True)
class Intruder:
    """The services' user ``name``, with a folder of its own below ``base``, which is root's."""

    name: str
    base: Path

    @property
    def folder(self) -> Path:
        return self.base / "services"

    @property
    def owner(self) -> tuple[int, int]:
        found = pwd.getpwnam(self.name)
        return found.pw_uid, found.pw_gid

    def run(self, *command: str | Path) -> None:
        """Run a program as this user."""
        done = subprocess.run([*map(str, command)], user=self.name, group=self.owner[1], extra_groups=[], cwd="/", check=False)
        assert not done.returncode, command

    def start(self, *command: str | Path) -> subprocess.Popen[bytes]:
        """Start a program as this user."""
        return subprocess.Popen([*map(str, command)], user=self.name, group=self.owner[1], extra_groups=[], cwd="/")

    def link(self, path: Path, to: Path) -> None:
        """Put a symbolic link, in place of whatever is there."""
        self.run("rm", "-rf", path)
        self.run("ln", "-s", to, path)

    def hard_link(self, path: Path, to: Path) -> None:
        """Put a hard link. Where the kernel refuses that (fs.protected_hardlinks) root does it: other systems let this user."""
        self.run("rm", "-rf", path)
        with suppress(FileNotFoundError):
            path.unlink()
        os.link(to, path)
        if Path("/proc/sys/fs/protected_hardlinks").read_text(encoding="ascii").strip() == "0":
            path.unlink()
            self.run("ln", to, path)

    def pipe(self, path: Path) -> None:
        """Put a pipe, in place of whatever is there."""
        self.run("rm", "-rf", path)
        self.run("mkfifo", path)


@dataclass(frozen=True)
class Roots:
    """A file and a folder of root's, which nobody else may read or change."""

    file: Path
    folder: Path

    def check(self) -> None:
        """Fail unless they are as they were."""
        facts = self.file.lstat()
        assert (facts.st_uid, facts.st_mode & 0o777, self.file.read_text()) == (0, 0o600, _SECRET)
        assert sorted(each.name for each in self.folder.iterdir()) == ["below", "first"]
        assert [(each.stat().st_uid, each.stat().st_mode & 0o777) for each in (self.folder, self.folder / "first")] == [
            (0, 0o755),
            (0, 0o644),
        ]
        assert (self.folder / "first").read_text() == _SECRET
        assert (self.folder / "below/second").read_text() == _SECRET


@pytest.fixture
def base() -> Iterator[Path]:
    if service_user() is None:
        pytest.skip("root alone is worth following: these attacks need root, and a second user")
    made = Path(tempfile.mkdtemp(prefix="saasodoo-attack-"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made)


@pytest.fixture
def intruder(base: Path) -> Intruder:
    made = Intruder(service_user() or "", base)
    made.folder.mkdir(mode=0o750)
    os.chown(made.folder, *made.owner)
    return made


@pytest.fixture
def roots(base: Path) -> Iterator[Roots]:
    made = Roots(base / "secret", base / "roots")
    made.file.touch(mode=0o600)
    made.file.write_text(_SECRET)
    (made.folder / "below").mkdir(parents=True)
    for name in ("first", "below/second"):
        (made.folder / name).write_text(_SECRET)
    for path, mode in ((made.folder, 0o755), (made.folder / "below", 0o755), (made.folder / "first", 0o644)):
        path.chmod(mode)
    yield made
    made.check()
