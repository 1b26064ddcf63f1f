"""The role odoo_runtime against the machine's real package sources and cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from tests.fixtures.ansible import ROOT, Run, run_playbook
from tests.fixtures.odoo import Runtime, make_template, pooler, started, tenants
from tests.fixtures.postgres import Cluster, service_user

PLAYBOOK = ROOT / "playbooks/odoo_runtime.yml"


def _play(home: Path, *, check: bool = False, **more: Any) -> Run:
    variables = {"saasodoo_user": service_user() or "", "saasodoo_home": str(home)} | more
    if version := os.environ.get("SAASODOO_TEST_ODOO_VERSION"):
        variables["saasodoo_odoo_version"] = version
    return run_playbook(PLAYBOOK, check=check, extra_vars=variables)


def test_a_second_run_changes_nothing(odoo_runtime: Runtime) -> None:
    for check in (False, True):
        run = _play(odoo_runtime.home, check=check)
        assert (run.rc, run.changed) == (0, 0), run.text


def test_check_mode_predicts_and_leaves_no_trace(odoo_runtime: Runtime, tmp_path: Path) -> None:
    run = _play(tmp_path / "home", check=True, saasodoo_cache=str(tmp_path / "cache"))
    assert run.rc == 0, run.text
    assert run.changed > 0
    assert list(tmp_path.iterdir()) == []


def test_the_service_user_can_run_it(odoo_runtime: Runtime) -> None:
    """The interpreter, the program and all it imports are readable for a user who is nobody else."""
    assert odoo_runtime.version in _version_of(odoo_runtime)


def test_other_own_files_are_installed_anew(odoo_runtime: Runtime, tmp_path: Path) -> None:
    """What was installed from another state of the role is replaced as a whole, and nothing of it is left."""
    home = tmp_path / "home"
    assert _play(home).rc == 0
    installed = home / "runtime" / (home / "runtime/current").readlink()
    (installed / "release.json").unlink()
    (installed / "addons/stray").mkdir()
    (home / "runtime" / f"{installed.name}.new").mkdir()
    assert _play(home).changed > 0
    assert (installed / "release.json").exists()
    assert not (installed / "addons/stray").exists()
    assert sorted(path.name for path in (home / "runtime").iterdir()) == ["current", installed.name]


def test_without_a_mirror_it_says_so_and_leaves_nothing_half(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    run = _play(
        tmp_path / "home",
        saasodoo_cache=str(cache),
        saasodoo_odoo_version="19.0",
        saasodoo_odoo_fallback="",
        odoo_runtime_mirror="http://127.0.0.1:1/debian",
    )
    assert run.rc != 0
    assert "Odoo 19.0 could not be built" in run.text
    assert list((cache / "odoo").iterdir()) == []
    assert not (tmp_path / "home/runtime/current").exists()


def test_a_version_for_another_python_says_so_and_leaves_nothing_half(tmp_path: Path) -> None:
    """Also where it is the fallback: then the error has both reasons."""
    cache = tmp_path / "cache"
    versions = [{**each, "python": ["2.7"]} for each in _shipped()]
    for fallback in ("", "11.0"):
        run = _play(
            tmp_path / "home",
            saasodoo_cache=str(cache),
            saasodoo_odoo_version="19.0",
            saasodoo_odoo_fallback=fallback,
            saasodoo_odoo_versions=versions,
        )
        assert run.rc != 0
        said = run.results[-1]["msg"]
        assert "Odoo 19.0 could not be built: it needs Python 2.7; found: /usr/bin/python3 is Python 3." in said
        assert not fallback or said.startswith("Odoo 11.0 could not be built: it needs Python 2.7")
        assert list(cache.glob("odoo/building-*")) == []


def test_a_version_that_is_not_listed_is_named_with_those_that_are(tmp_path: Path) -> None:
    run = _play(tmp_path / "home", saasodoo_odoo_version="18.0")
    assert run.rc != 0
    assert "Odoo 18.0 is not known; expected: one of saasodoo_odoo_versions: 19.0, 11.0" in run.text
    assert not (tmp_path / "home").exists()


@pytest.mark.timeout(900)
def test_a_version_that_is_only_listed_is_built_and_serves(odoo_runtime: Runtime, postgres: Cluster) -> None:
    """A stand-in for a version that the repository does not ship: the installed Odoo 19.0 under another number."""
    with _added(odoo_runtime, "19.7") as (home, source):
        packed = home / "source.tar.gz"
        subprocess.run(["tar", "--create", "--gzip", f"--file={packed}", f"--directory={home}", source.name], check=True)
        sha256 = hashlib.sha256(packed.read_bytes()).hexdigest()
        built = _build(home, "19.7", {"kind": "tarball", "url": f"file://{packed}", "sha256": sha256})
        _serve(built, postgres, "19.7")


@pytest.mark.timeout(900)
def test_a_source_tree_is_built_as_its_tarball_is(odoo_runtime: Runtime) -> None:
    with _added(odoo_runtime, "19.8") as (home, source):
        built = _build(home, "19.8", {"kind": "tree", "path": str(source)})
        assert "19.8" in _version_of(built)


@contextmanager
def _added(runtime: Runtime, number: str) -> Iterator[tuple[Path, Path]]:
    """Yield a new home and the source tree of a version of that number."""
    if runtime.version != "19.0":
        pytest.skip(f"the stand-in is made of Odoo 19.0; installed is {runtime.version}")
    with tempfile.TemporaryDirectory(prefix="saasodoo-odoo-added-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        yield home, _stand_in(runtime, home / f"odoo-{number}", number)


def _build(home: Path, number: str, source: dict[str, str]) -> Runtime:
    """List a version with its source, and have it built."""
    shipped = {each["version"]: each for each in _shipped()}
    added = {**shipped["19.0"], "version": number, "source": source, "health_path": "/web/health"}
    run = _play(
        home,
        saasodoo_odoo_version=number,
        saasodoo_odoo_fallback="",
        saasodoo_odoo_versions=[*shipped.values(), added],
        saasodoo_cache=str(home / "cache"),
    )
    assert run.rc == 0, run.text
    return Runtime(home, json.loads((home / "runtime/current/release.json").read_text()))


def _version_of(runtime: Runtime) -> str:
    """Ask Odoo for its version as the service user."""
    command = [*runtime.release["command"], "--version"]
    who: dict[str, Any] = {"user": service_user(), "extra_groups": []} if service_user() else {}
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", env={"PATH": "/usr/bin:/bin"}, check=False, **who)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def _stand_in(runtime: Runtime, folder: Path, number: str) -> Path:
    """Copy what Odoo itself needs into a source tree as Odoo's repository has it, which says that it is ``number``."""
    library = runtime.path / "root/usr/lib/python3/dist-packages"
    for part in ("odoo", "addons/web", "addons/bus", "addons/rpc"):
        shutil.copytree(
            library / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"), ignore_dangling_symlinks=True
        )
    release = folder / "odoo/release.py"
    text = release.read_text()
    major, minor = number.split(".")
    release.write_text(text.replace("version_info = (19, 0,", f"version_info = ({major}, {minor},"))
    assert release.read_text() != text
    return folder


def _serve(runtime: Runtime, cluster: Cluster, number: str) -> None:
    """Make a template of ``runtime`` and serve a tenant made of it."""
    template = make_template(runtime, cluster)
    makes = tenants.__wrapped__(template)  # type: ignore[attr-defined]
    tenant = next(makes)()
    with pooler(runtime.home / "pooler", [tenant]) as port, started(tenant, runtime.home / "tenant", port):
        assert tenant.odoo.version() == number
        assert tenant.odoo.log_in("admin", tenant.password).create("res.partner", {"name": "Ada"})
    next(makes, None)
    with psycopg.connect(cluster.conninfo(), autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{template.facts["name"]}" IS_TEMPLATE false')
        admin.execute(f'DROP DATABASE "{template.facts["name"]}" (FORCE)')


def _shipped() -> list[dict[str, Any]]:
    versions: list[dict[str, Any]] = yaml.safe_load((ROOT / "inventories/local/group_vars/all/odoo.yml").read_text())[
        "saasodoo_odoo_versions"
    ]
    return versions


@pytest.mark.parametrize("interpreter", ["/nowhere/python3", "/bin/false"])
def test_an_interpreter_that_will_not_do_is_named(tmp_path: Path, interpreter: str) -> None:
    run = _play(tmp_path / "home", odoo_runtime_python=interpreter)
    assert run.rc != 0
    assert f"{interpreter} can't make Odoo's virtual environment" in run.text
