# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Template databases on a server: made by Odoo once, kept as a dump in the cache, restored from it on every other server.

The filestore belongs to the dump: one for all servers. Each step leaves what it made under an unfinished name and renames
it when it is complete, so that a run killed at any moment is simply made again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import errors, sql

from ..domain.odoo.template import OWNER, UNFINISHED, Template, template_of
from ..errors import Unavailable
from ..host import files
from ..postgres.connection import Address, AsServer
from ..postgres.sequences import settle_sequences
from ..secrets.platform_key import derive
from ..secrets.scram import make_verifier
from ..secrets.server import SUPERUSER, subject
from . import database as odoo_database
from .program import OdooProgram, PostgresPrograms, read_release

_READY = "SELECT datistemplate AND NOT datallowconn AS ready FROM pg_database WHERE datname = %s"
_UNFINISHED = f"SELECT datname FROM pg_database WHERE datname ~ '^odoo_template_[0-9a-f]{{16}}{UNFINISHED}$'"
_TRIGRAMS = "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"
_SESSIONS = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
_RECORD = "template.json"


@dataclass(frozen=True)
class Places:
    """Where templates are kept: ``home`` (odoo_templates below the platform's home) and ``cache``."""

    home: Path
    cache: Path

    def filestore(self, template: Template) -> Path:
        """Where the template's filestore is installed."""
        return self.home / template.hash / "filestore"

    def artifact(self, template: Template) -> Path:
        """Where dump and filestore are kept once made."""
        return self.cache / template.hash


def read_options(options: Mapping[str, Any]) -> tuple[Template, Places]:
    """Return what the options that the nouns share name (module_utils.options.ODOO_TEMPLATE).

    Raises InvalidInput for names that are none of Odoo's kind, NotFound where no Odoo is installed.
    """
    release = read_release(Path(options["runtime"]))
    words = (options["modules"], options["language"], options["country"])
    places = Places(Path(options["home"]), Path(options["cache"]))
    return template_of(release["version"], release["build"], *words), places


def describe(server: AsServer, places: Places, template: Template) -> dict[str, Any]:
    """Return whether the template is ready on this server: ``{"database": ..., "filestore": ...}``, each true or false."""
    row = server.execute(_READY, (template.database,)).fetchone()
    return {"database": bool(row and row["ready"]), "filestore": (places.home / template.hash / _RECORD).exists()}


def describe_on(address: Address, places: Places, template: Template, *, check: bool, wait: float = 0) -> dict[str, Any]:
    """Return what ``describe`` does; a server that does not answer is tried for ``wait`` seconds.

    In check mode it may only be predicted: nothing is there.
    """
    try:
        with address.connect(wait=wait) as server:
            return describe(server, places, template)
    except Unavailable:
        if not check:
            raise
        return {"database": False, "filestore": False}


def facts(server_name: str, places: Places, template: Template, *, ready: bool) -> dict[str, Any]:
    """Return the template as playbooks see it."""
    return {
        "name": template.database,
        "hash": template.hash,
        "version": template.version,
        "server": server_name,
        "filestore": str(places.filestore(template)),
        "ready": ready,
    }


@dataclass(frozen=True)
class Builder:
    """Makes templates on one server. ``owner_password`` is the role's that owns them, used while Odoo initialises one."""

    server: AsServer
    address: Address
    odoo: OdooProgram
    postgres: PostgresPrograms
    places: Places
    owner_password: str

    @classmethod
    def on(cls, server: AsServer, address: Address, options: Mapping[str, Any], places: Places) -> Builder:
        """Return the builder for the server at ``address``, with what a noun's options name."""
        major = server.info.server_version // 10000
        programs = PostgresPrograms(address.host, address.port, major, SUPERUSER, address.password)
        odoo = OdooProgram(Path(options["runtime"]), options["user"], address.host, address.port)
        password = derive(address.key, subject(address.name), "odoo-template")
        return cls(server, address, odoo, programs, places, password)

    def ensure(self, template: Template) -> None:
        """Make what of the template is missing."""
        with odoo_database.exclusively(self.server, OWNER), self._artifact_held(template):
            found = describe(self.server, self.places, template)
            if all(found.values()):
                return  # somebody else made it meanwhile
            if not (self.places.artifact(template) / _RECORD).exists():
                self._make_artifact(template)
            elif not found["database"]:
                self._restore(template)
            if not (self.places.home / template.hash / _RECORD).exists():
                self._install_filestore(template)

    def remove(self, template: Template) -> None:
        """Drop the template from this server; clones live on."""
        with odoo_database.exclusively(self.server, OWNER):
            for name in (template.database, template.database + UNFINISHED):
                odoo_database.drop_database(self.server, name)

    def _make_artifact(self, template: Template) -> None:
        """Let Odoo make the database, keep its dump and filestore in the cache."""
        artifact = self.places.artifact(template)
        with self._unfinished(template) as database, _removed_on_error(artifact.with_suffix(".new")) as new:
            self._let_owner_in(database)
            with self.odoo.folder(self.places.home / f"{template.hash}.building") as work:
                self.odoo.initialise(work, template, database, self.owner_password)
                with files.opened(work) as folder, folder.folder("filestore") as filestores, filestores.folder(database) as made:
                    _copy(made, new)
            self.postgres.dump(database, new / "database.dump")
            (self.places.home / template.hash / _RECORD).unlink(missing_ok=True)
            self._seal(template, database)
            _record(new, template)
            files.remove(artifact)
            new.rename(artifact)

    def _restore(self, template: Template) -> None:
        with self._unfinished(template) as database:
            self.postgres.restore(database, self.places.artifact(template) / "database.dump", OWNER)
            self._seal(template, database)

    @contextmanager
    def _unfinished(self, template: Template) -> Iterator[str]:
        """Yield the name of an empty database, made as Odoo would; on an error nothing of it remains.

        Its objects will be the owner's, who can log in only while Odoo fills it; the database itself is the superuser's.
        """
        database = template.database + UNFINISHED
        for name in (template.database, *self._left_behind()):
            odoo_database.drop_database(self.server, name)
        with suppress(errors.DuplicateObject):
            self.server.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(OWNER)))
        self._lock_owner_out()
        create = "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C'"
        self.server.execute(sql.SQL(create).format(sql.Identifier(database)))
        self.server.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
        with self.address.into_unfinished(database) as inside:
            inside.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(sql.Identifier(OWNER)))
            if inside.execute(_TRIGRAMS).fetchone():
                inside.execute("CREATE EXTENSION pg_trgm")  # as Odoo does; its indexes for searching texts need it
        try:
            yield database
        except BaseException:
            odoo_database.drop_database(self.server, database)
            raise
        finally:
            self._lock_owner_out()

    def _left_behind(self) -> list[str]:
        """Return the unfinished templates of killed runs: who holds the lock is the only one at work on this server."""
        return [str(row["datname"]) for row in self.server.execute(_UNFINISHED)]

    def _lock_owner_out(self) -> None:
        self.server.execute(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(sql.Identifier(OWNER)))

    def _let_owner_in(self, database: str) -> None:
        role = sql.Identifier(OWNER)
        verifier = sql.Literal(make_verifier(self.owner_password))
        self.server.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(role, verifier))
        self.server.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(sql.Identifier(database), role))
        # Odoo looks there first whether its database exists; servers of the platform let nobody in unasked.
        self.server.execute(sql.SQL("GRANT CONNECT ON DATABASE postgres TO {}").format(role))

    def _seal(self, template: Template, database: str) -> None:
        """Close the finished database to all connections, mark it a template, give it its name."""
        with self.address.into_unfinished(database) as inside:
            settle_sequences(inside)
            inside.execute("VACUUM (FREEZE, ANALYZE)")
        names = {"new": sql.Identifier(database), "name": sql.Identifier(template.database)}
        self.server.execute(sql.SQL("ALTER DATABASE {new} ALLOW_CONNECTIONS false IS_TEMPLATE true").format(**names))
        self.server.execute(_SESSIONS, (database,))
        self.server.execute(sql.SQL("ALTER DATABASE {new} RENAME TO {name}").format(**names))

    def _install_filestore(self, template: Template) -> None:
        """Copy the filestore to the platform's home, readable for the service user, who can't read the cache.

        Files are named by their content, so what an artifact before this one left is kept beside: another server's template
        may need it.
        """
        new = _fresh(self.places.home / f"{template.hash}.new")
        for source in (self.places.filestore(template), self.places.artifact(template) / "filestore"):
            if source.exists():
                with files.opened(source) as made:
                    _copy(made, new, files.Copying(folder_mode=0o755, file_mode=0o644))
        _record(new, template)
        files.remove(self.places.home / template.hash)
        new.rename(self.places.home / template.hash)

    @contextmanager
    def _artifact_held(self, template: Template) -> Iterator[None]:
        """Let one process of this machine at a time make the artifact, whichever server it is for."""
        self.places.cache.mkdir(mode=0o755, parents=True, exist_ok=True)
        # The service user's Odoo works below it, whatever the umask was when it was made.
        files.made(self.places.home, 0o755).close()
        with files.opened(self.places.cache) as folder, folder.locked(f"{template.hash}.lock"):
            yield


@contextmanager
def _removed_on_error(folder: Path) -> Iterator[Path]:
    try:
        yield _fresh(folder)
    except BaseException:
        files.remove(folder)
        raise


def _fresh(folder: Path) -> Path:
    """Return ``folder``, empty: what a killed run left in it is gone."""
    files.remove(folder)
    files.made(folder, 0o755).close()
    return folder


def _copy(filestore: files.Folder, to: Path, how: files.Copying | None = None) -> None:
    """Copy a filestore, which Odoo wrote as the service user, below ``to``."""
    with files.opened(to) as folder, folder.make("filestore", 0o700) as copy:
        copy.fill(filestore, how)


def _record(folder: Path, template: Template) -> None:
    text = {"version": template.version, "build": template.build, "modules": template.modules, "language": template.language}
    files.write(folder / _RECORD, json.dumps(text | {"country": template.country}, indent=2) + "\n")
