# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A PostgreSQL cluster's files: born whole and closed, or not at all."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Conflict, InvalidInput, NotFound, PlatformError
from ..host import files
from ..outcome import Outcome
from ..secrets.server import SUPERUSER

_PACKAGES = Path("/usr/lib/postgresql")
_DISTRIBUTION = Path("/usr/share/postgresql-common/supported-versions")
_SUPPORTED = range(15, 19)
_CHOOSE = "set saasodoo_postgres_version"
_TIMEOUT = 120  # seconds
_DATA, _NEW = "data", "data.new"
_INITDB = ("--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--auth=reject", f"--username={SUPERUSER}")
_SINGLE = ("-c", "exit_on_error=on", "-c", "log_min_error_statement=panic", "postgres")
# Only the verifier is ever told, on standard input. Nobody but the superuser has business in these databases.
_CLOSE = """\
ALTER ROLE {superuser} PASSWORD '{verifier}';
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
REVOKE ALL ON DATABASE template1 FROM PUBLIC;
"""


@dataclass(frozen=True)
class Cluster:
    """The cluster in ``folder``/data, owned by ``user`` (used only by root; anybody else owns what they make)."""

    folder: Path
    user: str
    packages: Path = _PACKAGES
    distribution: Path = _DISTRIBUTION  # prints versions, the distribution's own last

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / _DATA

    def version(self) -> int | None:
        """Return the major version of the cluster, None when there is none."""
        try:
            with files.opened(self.folder) as folder, folder.folder(_DATA) as data:
                return int(data.read("PG_VERSION"))
        except FileNotFoundError:
            return None

    def ensure(self, verifier: str, *, version: int | None = None, like: Path | None = None, check: bool) -> Outcome:
        """Make the cluster where there is none, with ``verifier`` as its superuser's password.

        A new one is of ``version``, or of that of the cluster in the folder ``like``, or of the distribution's; never simply of
        the newest that is installed, since no tenant could go back from it. It is made beside its place and moved there when
        complete, so a run that is killed leaves no half of one. Raises NotFound when no PostgreSQL that fits is installed,
        Conflict when the installed versions can't run the cluster, InvalidInput when its user is none or can't get there.
        """
        found = self.version()
        major = self._installed(found) if found else self._new(version, like, check=check)
        if not check and not found:
            self._make(self._programs(major), verifier)
        after = {"data": str(self.data), "version": major}
        facts = {"bin_dir": str(self._programs(major)), "data_dir": str(self.data), "version": major}
        return Outcome(before=after if found else {}, after=after, facts=facts)

    def _programs(self, major: int) -> Path:
        return self.packages / str(major) / "bin"

    def _installed(self, major: int) -> int:
        installed = self._all()
        if major not in installed:
            raise Conflict(f"no program for the cluster {self.data}", found=installed, expected=f"PostgreSQL {major}")
        return major

    def _new(self, version: int | None, like: Path | None, *, check: bool) -> int:
        """Return the version of a cluster that is to be made; in check mode also of one that is yet to be installed."""
        installed = self._all()
        fit = [major for major in installed if major in _SUPPORTED]
        wanted = version or (Cluster(like, self.user).version() if like else None) or self._distributions()
        major = wanted or (fit[0] if len(fit) == 1 else None)
        range_ = f"{_SUPPORTED.start} to {_SUPPORTED.stop - 1}"
        if wanted and wanted not in _SUPPORTED:
            raise InvalidInput(f"PostgreSQL {wanted} is not supported", expected=range_, action=_CHOOSE)
        if check and not fit:
            return major or _SUPPORTED.start
        if major not in fit:
            what = f"PostgreSQL {wanted}" if wanted else "one version of PostgreSQL" if fit else "PostgreSQL"
            action = f"run playbooks/host.yml, or {_CHOOSE}"
            raise NotFound(f"{what} is not installed", found=installed, expected=f"{range_} below {self.packages}", action=action)
        return major

    def _all(self) -> list[int]:
        return sorted(int(path.parents[1].name) for path in self.packages.glob("*/bin/postgres"))

    def _distributions(self) -> int | None:
        """Return the version that the machine's distribution comes with, None where it does not say."""
        if not self.distribution.exists():
            return None
        output = subprocess.run([self.distribution], capture_output=True, text=True, timeout=_TIMEOUT, check=False).stdout.split()
        return int(output[-1]) if output and output[-1].isdigit() else None

    def _make(self, programs: Path, verifier: str) -> None:
        owner = _owner(self.user)
        if owner:
            _refuse_out_of_reach(self.folder, owner)
        with files.made(self.folder, 0o750, (owner.pw_uid, owner.pw_gid) if owner else None) as folder, folder.locked():
            if not self.version():  # two runs may make the same server
                self._build(folder, programs, verifier, owner)

    def _build(self, folder: files.Folder, programs: Path, verifier: str, owner: pwd.struct_passwd | None) -> None:
        new = self.folder / _NEW
        folder.remove(_NEW)
        _run([str(programs / "initdb"), *_INITDB, f"--pgdata={new}"], owner)
        close = _CLOSE.format(superuser=SUPERUSER, verifier=verifier)
        _run([str(programs / "postgres"), "--single", "-D", str(new), *_SINGLE], owner, close)
        folder.rename(_NEW, _DATA)


def _owner(user: str) -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    try:
        owner = pwd.getpwnam(user)
    except KeyError:
        raise InvalidInput(f"there is no user {user}", action="run playbooks/host.yml") from None
    if owner.pw_uid == 0:
        raise InvalidInput("PostgreSQL does not run as root", expected="an unprivileged user")
    return owner


def _refuse_out_of_reach(folder: Path, owner: pwd.struct_passwd) -> None:
    """Raise InvalidInput where a folder above lets its owner not pass, as root's home does."""
    for above in (each for each in reversed(folder.parents) if each.exists()):
        found = above.stat()
        rights = stat.S_IXUSR if found.st_uid == owner.pw_uid else stat.S_IXGRP if found.st_gid == owner.pw_gid else stat.S_IXOTH
        if not found.st_mode & rights:
            raise InvalidInput(
                f"{owner.pw_name} can't get to {folder}",
                found=f"{above} is {stat.filemode(found.st_mode)}",
                expected="folders that it may pass through",
                action="choose another SAASODOO_HOME, or let it pass (chmod o+x)",
            )


def _run(command: list[str], owner: pwd.struct_passwd | None, text: str = "") -> None:
    who: dict[str, Any] = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=_TIMEOUT, cwd="/", env=environment, check=False, **who
    )
    if done.returncode:
        raise PlatformError(f"{Path(command[0]).name} failed", found=done.stderr.strip()[-500:])
