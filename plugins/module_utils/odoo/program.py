# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The programs that fill a template database: Odoo itself, pg_dump and pg_restore. No secret in argv."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..domain.odoo.template import OWNER, Template
from ..errors import NotFound, PlatformError, TimedOut
from ..host import files
from ..host.users import ids_of

_PACKAGES = Path("/usr/lib/postgresql")
_TIMEOUT = 900  # seconds; many modules on a busy machine
_TROUBLE = re.compile(r"^Traceback.*|^.* ERROR .* odoo\.(?:modules|registry).*|^.*invalid module names.*", re.MULTILINE)
_CONFIGURATION = """\
[options]
addons_path = {addons_path}
data_dir = {folder}
db_host = {host}
db_port = {port}
db_user = {user}
db_password = {password}
without_demo = {without_demo}
max_cron_threads = 0
list_db = False
"""


@dataclass(frozen=True)
class OdooProgram:
    """The Odoo installed in ``runtime`` (role odoo_runtime), run as ``user`` against the server at ``host``:``port``."""

    runtime: Path
    user: str
    host: str
    port: int

    def release(self) -> dict[str, Any]:
        """Return the installed Odoo's release.json. Raises NotFound."""
        return read_release(self.runtime)

    @contextmanager
    def folder(self, path: Path) -> Iterator[Path]:
        """Give Odoo a folder of its own to work in, and remove it in the end."""
        files.remove(path)
        files.made(path, 0o700, self._owner()).close()
        try:
            yield path
        finally:
            files.remove(path)

    def initialise(self, work: Path, template: Template, database: str, password: str) -> None:
        """Install the template's modules into the empty ``database``, set its country, make what first pages need."""
        release = self.release()
        configuration = work / "odoo.conf"
        text = _CONFIGURATION.format(
            addons_path=",".join(release["addons_path"]),
            folder=work,
            host=self.host,
            port=self.port,
            user=OWNER,
            password=password,
            without_demo=release["without_demo"],
        )
        files.write(configuration, text, 0o600, self._owner())
        base = [*release["command"], "shell", "-c", str(configuration), "-d", database]
        language = [f"--load-language={template.language}"] if template.language != "en_US" else []
        install = [*release["command"], "-c", str(configuration), "-d", database, "-i", ",".join(template.modules)]
        self._run([*install, *language, "--stop-after-init", "--no-http"], work)
        prepare = (self.runtime / "lib/prepare_template.py").read_text(encoding="utf-8")
        self._run(base, work, prepare, {"SAASODOO_COUNTRY": template.country, "SAASODOO_LANGUAGE": template.language})

    def _owner(self) -> files.Owner | None:
        who = _identity(self.user)
        return (who["user"], who["group"]) if who else None

    def _run(self, command: list[str], work: Path, text: str = "", more: Mapping[str, str] | None = None) -> None:
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(work), **(more or {})}
        run(command, environment, who=_identity(self.user), directory=work, text=text)


@dataclass(frozen=True)
class PostgresPrograms:
    """pg_dump and pg_restore, as the superuser ``user`` of the server at ``host``:``port``, whose major version is ``major``."""

    host: str
    port: int
    major: int
    user: str
    password: str

    def dump(self, database: str, file: Path) -> None:
        """Write a dump of ``database`` to ``file``."""
        self._run("pg_dump", "--format=custom", "--compress=1", "--no-owner", "--no-acl", f"--file={file}", database)

    def restore(self, database: str, file: Path, owner: str) -> None:
        """Fill the empty ``database`` from ``file``; all that is new in it is then the ``owner``'s.

        Extensions are left out: only the superuser, who made the database, may make them, and has.
        """
        contents = self._run("pg_restore", "--list", str(file)).splitlines()
        wanted = file.with_suffix(".list")
        files.write(wanted, "\n".join(line for line in contents if " EXTENSION " not in line))
        options = ("--exit-on-error", "--no-owner", "--no-acl", "--jobs=2", f"--role={owner}", f"--dbname={database}")
        self._run("pg_restore", *options, f"--use-list={wanted}", str(file))

    def _run(self, program: str, *arguments: str) -> str:
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PGHOST": self.host, "PGPORT": str(self.port)}
        environment |= {"PGUSER": self.user, "PGPASSWORD": self.password, "PGSSLMODE": "prefer"}
        return run([str(fitting(program, self.major)), *arguments], environment, who={}, directory=Path("/"))


def read_release(runtime: Path) -> dict[str, Any]:
    """Return what role odoo_runtime recorded about the Odoo in ``runtime``. Raises NotFound when there is none."""
    try:
        release: dict[str, Any] = json.loads((runtime / "release.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound(f"no Odoo is installed in {runtime}", action="run playbooks/odoo_runtime.yml") from None
    return release


def run(command: list[str], environment: Mapping[str, str], *, who: Mapping[str, Any], directory: Path, text: str = "") -> str:
    """Run a program to its end and return what it said.

    Raises PlatformError with the last of that when it fails, TimedOut when it does not end.
    """
    name = " ".join(Path(word).name for word in command[:2])
    try:
        done = subprocess.run(
            command,
            input=text,
            env=dict(environment),
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT,
            check=False,
            **who,
        )
    except subprocess.TimeoutExpired:
        raise TimedOut(f"{name} did not end", expected=f"an end within {_TIMEOUT} s") from None
    # `odoo shell` tells a failure of what it read, and the server one of a module, only in what they say.
    if done.returncode or _TROUBLE.search(done.stdout):
        raise PlatformError(f"{name} failed", found=_reason(done.stdout))
    output: str = done.stdout
    return output


def _reason(output: str) -> str:
    """Return what tells most of a program's output: from the first sign of trouble on its end, or its end."""
    trouble = _TROUBLE.search(output)
    lines = output.strip().splitlines()
    return "\n".join([*([trouble[0]] if trouble else []), *lines[-6:]])[-1500:]


def _identity(user: str) -> dict[str, Any]:
    """Return how subprocess becomes ``user``; only root can, anybody else stays who they are."""
    if os.geteuid() != 0:
        return {}
    uid, gid = ids_of(user)
    return {"user": uid, "group": gid, "extra_groups": []}


def fitting(program: str, major: int, packages: Path = _PACKAGES) -> Path:
    """Return a PostgreSQL program of the server's ``major`` version, or of the next newer one that is installed.

    An older one refuses the server, and what a newer one restores begins with settings that the server may not know. Raises
    NotFound.
    """
    versions = sorted((int(path.parents[1].name), path) for path in packages.glob(f"*/bin/{program}"))
    found = next((path for version, path in versions if version >= major), None)
    if found is None and not versions and (elsewhere := shutil.which(program)):
        found = Path(elsewhere)
    if found is None:
        there = ", ".join(str(version) for version, _folder in versions) or "none"
        raise NotFound(
            f"{program} of PostgreSQL {major} is not installed", found=there, expected=f"{major} or newer", action="install it"
        )
    return found
