"""What the services' user lays into its folders for root to follow: nothing of root's is changed, emptied, given away or told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import kept_dumps
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.odoo.template import template_of
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import PlatformError
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo import instance as odoo_instance
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo.instance import Instance
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo.program import OdooProgram, PostgresPrograms
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo.template import Builder, Places
from ansible_collections.saasodoo.platform.plugins.module_utils.pgbouncer.databases import Entry, PgBouncer
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.cluster import Cluster
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.scram import make_verifier
from tests.attacks.conftest import Intruder, Roots

DATABASE = "odoo_c1_0f8fad5bd9cb"
_ROUNDS = 300
_VERIFIER = make_verifier("secret", b"0123456789abcdef")
_ENTRY = Entry(DATABASE, DATABASE, _VERIFIER, "127.0.0.1", 5432)
#: Puts a link to root's folder in a place, and the folder back, as fast as it can.
_EXCHANGE = 'while :; do mv -T "$0" "$0.kept"; ln -s "$1" "$0"; rm "$0"; mv -T "$0.kept" "$0"; done 2>/dev/null'
pytestmark = pytest.mark.timeout(60)  # a pipe that is waited for is an attack that worked


def instance(intruder: Intruder, **more: Any) -> Instance:
    template = intruder.base / "template"
    (template / "ab").mkdir(parents=True, exist_ok=True)
    (template / "ab/ab01").write_text("a file of Odoo's")
    words = {"user": intruder.name, "database": DATABASE, "options": {"db_name": DATABASE}, "secrets": {}}
    return Instance(intruder.base / "odoo_instances/odoo_data", **(words | {"template_filestore": template} | more))


@pytest.fixture
def tenant(intruder: Intruder) -> Instance:
    made = instance(intruder)
    odoo_instance.ensure(made)
    return made


def changed(tenant: Instance) -> Instance:
    return Instance(**{**vars(tenant), "options": {"db_name": DATABASE, "http_port": 22000}})


@contextmanager
def refused_or_done() -> Iterator[None]:
    """What is laid may be refused or stepped over; what counts is that nothing of root's is touched."""
    with suppress(PlatformError):
        yield


def temporary(name: str) -> str:
    return f".{name}.{os.getpid()}"


@pytest.mark.parametrize("lay", [Intruder.link, Intruder.hard_link])
def test_at_the_temporary_name_of_a_configuration(
    intruder: Intruder, roots: Roots, tenant: Instance, lay: Callable[[Intruder, Path, Path], None]
) -> None:
    lay(intruder, tenant.path / temporary("odoo.conf"), roots.file)
    odoo_instance.ensure(changed(tenant))
    roots.check()
    found = (tenant.path / "odoo.conf").lstat()
    assert (found.st_uid, found.st_mode & 0o777) == (intruder.owner[0], 0o600)


def test_a_link_in_place_of_a_configuration(intruder: Intruder, roots: Roots, tenant: Instance) -> None:
    intruder.link(tenant.path / "odoo.conf", roots.file)
    odoo_instance.ensure(tenant)
    assert not (tenant.path / "odoo.conf").is_symlink()
    assert odoo_instance.describe(tenant) == odoo_instance.target(tenant)


def test_a_pipe_in_place_of_a_configuration(intruder: Intruder, tenant: Instance) -> None:
    intruder.pipe(tenant.path / "odoo.conf")
    odoo_instance.ensure(tenant)
    assert odoo_instance.describe(tenant) == odoo_instance.target(tenant)


def test_a_link_in_place_of_the_sessions_at_the_end(intruder: Intruder, roots: Roots, tenant: Instance) -> None:
    intruder.link(tenant.path / "sessions", roots.folder)
    odoo_instance.close(tenant)
    roots.check()
    assert odoo_instance.closed(tenant) == {"configuration": False, "sessions": False}


def test_a_link_among_the_sessions_at_the_end(intruder: Intruder, roots: Roots, tenant: Instance) -> None:
    intruder.link(tenant.path / "sessions/s1", roots.folder)
    intruder.run("mkdir", tenant.path / "sessions/s2")
    intruder.link(tenant.path / "sessions/s2/s3", roots.folder)
    odoo_instance.close(tenant)
    assert odoo_instance.closed(tenant) == {"configuration": False, "sessions": False}


@pytest.mark.parametrize("name", ["addons", "filestore", "sessions"])
def test_a_link_in_place_of_a_folder_whose_mode_is_set(intruder: Intruder, roots: Roots, tenant: Instance, name: str) -> None:
    intruder.link(tenant.path / name, roots.folder)
    with refused_or_done():
        odoo_instance.ensure(tenant)
    roots.check()


def test_the_filestore_is_not_copied_to_where_a_link_leads(intruder: Intruder, roots: Roots) -> None:
    bare = instance(intruder, template_filestore=None)
    odoo_instance.ensure(bare)
    intruder.link(bare.path / "filestore", roots.folder)
    with refused_or_done():
        odoo_instance.ensure(instance(intruder))
    roots.check()


def test_a_folder_that_is_exchanged_all_the_time(intruder: Intruder, roots: Roots, tenant: Instance) -> None:
    attack = intruder.start("/bin/sh", "-c", _EXCHANGE, tenant.path / "sessions", roots.folder)
    try:
        for _round in range(_ROUNDS):
            for act in (odoo_instance.ensure, odoo_instance.close):
                with suppress(PlatformError, OSError):
                    act(tenant)
            roots.check()
    finally:
        attack.kill()
        attack.wait()


def test_a_removed_tenant_takes_nothing_along(intruder: Intruder, roots: Roots, tenant: Instance) -> None:
    intruder.link(tenant.path / "filestore/elsewhere", roots.folder)
    intruder.link(tenant.path / "addons", roots.folder)
    odoo_instance.remove(tenant)
    assert not tenant.path.exists()


@pytest.fixture
def pooler(intruder: Intruder) -> Path:
    """The folder of a PgBouncer, in one that is the services' user's as well."""
    made = intruder.folder / "pgbouncer/pool-1"
    intruder.run("mkdir", "-p", made)
    return made


def ensure_entry(folder: Path) -> None:
    with refused_or_done():
        PgBouncer(folder).ensure(_ENTRY, present=True, must_run=False, check=False)


@pytest.mark.parametrize(
    "name",
    [".lock", temporary("userlist.txt"), temporary("databases.ini"), "userlist.txt", "databases.ini"],
    ids=["lock", "temporary userlist", "temporary databases", "userlist", "databases"],  # temporary names differ by process
)
@pytest.mark.parametrize("lay", [Intruder.link, Intruder.hard_link])
def test_in_place_of_a_file_of_pgbouncers(
    intruder: Intruder, roots: Roots, pooler: Path, name: str, lay: Callable[[Intruder, Path, Path], None]
) -> None:
    lay(intruder, pooler / name, roots.file)
    ensure_entry(pooler)
    roots.check()
    theirs = [each for each in pooler.iterdir() if each.is_file() and each.lstat().st_uid == intruder.owner[0]]
    assert not [each for each in theirs if each.resolve() != roots.file and "key" in each.read_text()]


@pytest.mark.parametrize("name", [".lock", "userlist.txt", "databases.ini"])
def test_a_pipe_in_place_of_a_file_of_pgbouncers(intruder: Intruder, pooler: Path, name: str) -> None:
    intruder.pipe(pooler / name)
    ensure_entry(pooler)


def test_a_link_in_place_of_a_folder_on_the_way(intruder: Intruder, roots: Roots, pooler: Path) -> None:
    intruder.link(pooler.parent, roots.folder)
    (roots.folder / "pool-1").mkdir()
    ensure_entry(pooler)
    left = list((roots.folder / "pool-1").iterdir())
    (roots.folder / "pool-1").rmdir() if not left else None
    assert not left


@pytest.mark.parametrize("lay", [Intruder.link, Intruder.hard_link])
def test_in_place_of_the_lock_of_a_cluster(intruder: Intruder, roots: Roots, lay: Callable[[Intruder, Path, Path], None]) -> None:
    cluster = Cluster(intruder.folder / "pool-1", intruder.name)
    intruder.run("mkdir", cluster.folder)
    lay(intruder, cluster.folder / ".lock", roots.file)
    with refused_or_done():
        cluster.ensure(_VERIFIER, check=False)


def test_a_link_in_place_of_a_clusters_folder(intruder: Intruder, roots: Roots) -> None:
    cluster = Cluster(intruder.folder / "pool-1", intruder.name)
    intruder.link(cluster.folder, roots.folder)
    with refused_or_done():
        cluster.ensure("it's none", check=False)


@pytest.mark.parametrize("lay", [lambda user, path, to: user.pipe(path), Intruder.link])
def test_in_place_of_a_clusters_version(intruder: Intruder, roots: Roots, lay: Callable[[Intruder, Path, Path], None]) -> None:
    cluster = Cluster(intruder.folder / "pool-1", intruder.name)
    intruder.run("mkdir", "-p", cluster.data)
    lay(intruder, cluster.data / "PG_VERSION", roots.file)
    with pytest.raises(PlatformError) as error:
        cluster.version()
    assert "key" not in str(error.value)


@pytest.fixture
def building(intruder: Intruder) -> tuple[Builder, Any]:
    """A template's builder without a server, whose Odoo makes a filestore of one file."""
    release = '{"command": ["/bin/true"], "addons_path": [], "without_demo": "all", "version": "19.0", "build": "1"}'
    (intruder.base / "runtime/lib").mkdir(parents=True)
    (intruder.base / "runtime/release.json").write_text(release)
    (intruder.base / "runtime/lib/prepare_template.py").touch()
    places = Places(intruder.base / "odoo_templates", intruder.base / "cache")
    for each in (places.home, places.cache):
        each.mkdir(mode=0o755)
    odoo = OdooProgram(intruder.base / "runtime", intruder.name, "127.0.0.1", 1)
    none = cast("Any", None)
    programs = PostgresPrograms("127.0.0.1", 1, 15, "nobody", "secret")
    return Builder(none, none, odoo, programs, places, "secret"), template_of("19.0", "1", ["base"], "en_US", "DE")


def test_a_link_in_place_of_the_building_odoos_configuration(
    intruder: Intruder, roots: Roots, building: tuple[Builder, Any]
) -> None:
    builder, template = building
    with builder.odoo.folder(builder.places.home / "building") as work:
        intruder.link(work / "odoo.conf", roots.file)
        with refused_or_done():
            builder.odoo.initialise(work, template, "building", "secret")
        roots.check()


@pytest.mark.parametrize("lay", [Intruder.link, Intruder.hard_link])
def test_what_a_building_odoo_lays_into_its_filestore(
    intruder: Intruder,
    roots: Roots,
    building: tuple[Builder, Any],
    lay: Callable[[Intruder, Path, Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A template's filestore is everybody's to read."""
    builder, template = building

    def initialise(_self: OdooProgram, work: Path, _template: object, database: str, _password: str) -> None:
        intruder.run("mkdir", "-p", work / "filestore" / database)
        lay(intruder, work / "filestore" / database / "ab01", roots.file)
        intruder.link(work / "filestore" / database / "ab", roots.folder)

    @contextmanager
    def unfinished(_self: Builder, _template: object) -> Iterator[str]:
        yield "building"

    monkeypatch.setattr(OdooProgram, "initialise", initialise)
    monkeypatch.setattr(Builder, "_unfinished", unfinished)
    for name in ("_let_owner_in", "_seal"):
        monkeypatch.setattr(Builder, name, lambda *_: None)
    monkeypatch.setattr(PostgresPrograms, "dump", lambda *_: None)
    with refused_or_done():
        builder._make_artifact(template)
    with refused_or_done():
        builder._install_filestore(template)
    copies = [each for folder in (builder.places.home, builder.places.cache) for each in folder.rglob("ab*")]
    assert not [each for each in copies if each.is_file() and "key" in each.read_text()]


def test_a_link_to_a_folder_is_not_gone_through_for_a_backup(intruder: Intruder, roots: Roots, tenant: Instance) -> None:
    """Nor is one that is found kept instead of what it leads to."""
    intruder.link(tenant.filestore / "cd", roots.folder)

    backup = intruder.base / "backup"
    backup.mkdir(mode=0o700)
    with refused_or_done():
        kept_dumps.keep_files(backup, tenant.filestore)
    assert not list((intruder.base / "backup").rglob("first"))
    assert (roots.folder / "first").stat().st_nlink == 1
