"""The noun odoo_instance: a tenant's folder and configuration, with check mode, diff, and nothing secret told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput, NotFound
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo import instance as odoo_instance
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo.instance import Instance
from tests.fixtures.ansible import run_tasks
from tests.fixtures.postgres import service_user

DATABASE = "odoo_c1_0f8fad5bd9cb"
SECRET, OTHER = "a-secret-that-nobody-may-see-1234", "another-secret-nobody-may-see-567"


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    template = tmp_path / "template"
    (template / "ab").mkdir(parents=True)
    (template / "ab" / "ab01").write_text("a file of Odoo's")
    return {
        "path": str(tmp_path / "instances" / "odoo_data"),
        "user": service_user() or "",
        "database": DATABASE,
        "template_filestore": str(template),
        "options": {"http_port": 22000, "db_name": DATABASE},
        "secrets": {"db_password": SECRET},
    }


def play(*options: dict[str, Any], check: bool = False) -> list[dict[str, Any]]:
    return run_tasks([{"saasodoo.platform.odoo_instance": each} for each in options], check=check)


def test_created_again_changed_closed_removed(options: dict[str, Any]) -> None:
    path = Path(options["path"])
    (foretold,) = play(options, check=True)
    assert not path.exists()
    done, again = play(options, options)
    assert (foretold["changed"], done["changed"], again["changed"]) == (True, True, False)
    assert foretold["diff"] == done["diff"]
    assert done["instance"] == again["instance"] == foretold["instance"]
    configuration = path / "odoo.conf"
    assert f"db_password = {SECRET}\n" in configuration.read_text()
    assert (path / "filestore" / DATABASE / "ab" / "ab01").read_text() == "a file of Odoo's"
    assert [each.stat().st_mode & 0o777 for each in (path, path / "sessions", configuration)] == [0o700, 0o700, 0o600]
    if user := service_user():
        assert {each.owner() for each in (path, *path.rglob("*"))} == {user}

    (rotated,) = play(options | {"secrets": {"db_password": OTHER}})
    assert rotated["changed"]
    assert rotated["diff"]["before"]["configuration"]["db_password"] == "another"
    assert rotated["instance"]["fingerprint"] != done["instance"]["fingerprint"]
    assert SECRET not in json.dumps([foretold, done, again, rotated])
    assert OTHER not in json.dumps([foretold, done, again, rotated])

    (path / "sessions" / "s1").write_text("a session")
    closed = {name: options[name] for name in ("path", "database")} | {"state": "closed"}
    assert [each["changed"] for each in play(closed, closed)] == [True, False]
    assert not configuration.exists()
    assert not list((path / "sessions").iterdir())
    assert (path / "filestore" / DATABASE / "ab" / "ab01").exists()

    absent = closed | {"state": "absent"}
    assert [each["changed"] for each in play(absent, absent)] == [True, False]
    assert not path.exists()


def test_a_file_system_without_quotas_is_told_of(options: dict[str, Any]) -> None:
    done, again = play(*[options | {"storage_limit": 10_000_000}] * 2)
    assert (done["changed"], again["changed"]) == (True, False)
    assert not again["instance"]["storage_limit_enforced"]
    assert "storage_limit" not in again["diff"]["after"]


def instance(options: dict[str, Any]) -> Instance:
    template = Path(options["template_filestore"])
    return Instance(Path(options["path"]), "", DATABASE, options["options"], options["secrets"], template)


def test_a_file_of_the_tenants_is_never_replaced_by_the_templates(options: dict[str, Any]) -> None:
    wanted = instance(options)
    odoo_instance.ensure(wanted)
    (wanted.filestore / "ab" / "ab01").unlink()
    odoo_instance.ensure(wanted)
    assert not (wanted.filestore / "ab" / "ab01").exists()


def test_what_a_killed_copy_left_is_no_filestore(options: dict[str, Any]) -> None:
    wanted = instance(options)
    half = wanted.filestore.with_name(f".{DATABASE}.new")
    half.mkdir(parents=True)
    (half / "half").touch()
    assert odoo_instance.describe(wanted)["filestore"] is False
    odoo_instance.ensure(wanted)
    assert not half.exists()
    assert not (wanted.filestore / "half").exists()


def test_what_was_changed_by_hand_is_put_back(options: dict[str, Any]) -> None:
    wanted = instance(options)
    odoo_instance.ensure(wanted)
    (wanted.path / "odoo.conf").write_text("[options]\nlist_db = True\n")
    (wanted.path / "sessions").chmod(0o755)
    assert odoo_instance.describe(wanted) != odoo_instance.target(wanted)
    odoo_instance.ensure(wanted)
    assert odoo_instance.describe(wanted) == odoo_instance.target(wanted)


def test_a_value_cannot_smuggle_in_a_line(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="db_name has more than one line"):
        odoo_instance.ensure(instance(options | {"options": {"db_name": "x\nlist_db = True"}}))


def test_a_missing_template_and_user_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(NotFound, match="no template filestore"):
        odoo_instance.ensure(instance(options | {"template_filestore": "/nowhere"}))
    if service_user():
        assert "there is no user nobody-here" in play(options | {"user": "nobody-here"})[-1]["msg"]
