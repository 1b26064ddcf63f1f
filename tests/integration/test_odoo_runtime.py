"""The role odoo_runtime against the machine's real package sources and cache."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.ansible import ROOT, Run, run_playbook
from tests.fixtures.odoo import Runtime
from tests.fixtures.postgres import service_user

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
    command = [*odoo_runtime.release["command"], "--version"]
    who: dict[str, Any] = {"user": service_user(), "extra_groups": []} if service_user() else {}
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", env={"PATH": "/usr/bin:/bin"}, check=False, **who)
    assert (done.returncode, odoo_runtime.version in done.stdout) == (0, True), done.stderr


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
        saasodoo_odoo_fallback=False,
        odoo_runtime_mirror="http://127.0.0.1:1/debian",
    )
    assert run.rc != 0
    assert "Odoo 19.0 could not be built" in run.text
    assert list((cache / "odoo").iterdir()) == []
    assert not (tmp_path / "home/runtime/current").exists()


@pytest.mark.parametrize("interpreter", ["/nowhere/python3", "/bin/false"])
def test_an_interpreter_that_will_not_do_is_named(tmp_path: Path, interpreter: str) -> None:
    run = _play(tmp_path / "home", odoo_runtime_python=interpreter)
    assert run.rc != 0
    assert f"{interpreter} can't make Odoo's virtual environment" in run.text
