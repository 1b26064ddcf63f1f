"""Templates on real servers, made by a real Odoo: once, whole or not at all, and cheap on the next server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.fixtures.ansible import ROOT, run_tasks
from tests.fixtures.odoo import Template, template_task
from tests.fixtures.postgres import Cluster, free_port
from tests.fixtures.processes import family, kill

COUNTS = """
SELECT relname, (xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM ' || oid::regclass, false, true, '')))[1]::text
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1
"""
OWNERS = "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'public'::regnamespace"


@pytest.fixture
def second(odoo_template: Template) -> Iterator[Template]:
    """Another server, with nothing on it yet."""
    folder = Path(tempfile.mkdtemp(prefix="saasodoo-pg-"))
    folder.chmod(0o755)
    cluster = Cluster(folder, free_port())
    try:
        cluster.create()
        cluster.start()
        yield replace(odoo_template, cluster=cluster)
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_it_is_there_to_be_asked_for_and_made_once(odoo_template: Template) -> None:
    again, asked = run_tasks([template_task(odoo_template), template_task(odoo_template, "odoo_template_info")])
    assert not again["changed"]
    assert asked["template"] == again["template"] == odoo_template.facts


def test_another_server_gets_the_same_from_the_cache(odoo_template: Template, second: Template) -> None:
    (predicted,) = run_tasks([template_task(second)], check=True)
    asked, made, after = run_tasks(
        [
            template_task(second, "odoo_template_info"),
            template_task(second),
            template_task(second, "odoo_template_info"),
        ]
    )
    assert predicted["changed"]
    assert not asked["template"]["ready"]
    assert (made["changed"], made["diff"]) == (True, predicted["diff"])
    assert after["template"] == odoo_template.facts
    first, other = (_open(each) for each in (odoo_template, second))
    assert first[0] == other[0] != []
    assert first[1] == other[1] == [("odoo_template",)]


def test_nobody_can_connect_to_a_template_and_drop_needs_to_be_meant(odoo_template: Template) -> None:
    name = odoo_template.facts["name"]
    with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
        psycopg.connect(odoo_template.cluster.conninfo(name))
    with psycopg.connect(odoo_template.cluster.conninfo(), autocommit=True) as server:
        with pytest.raises(psycopg.errors.WrongObjectType):
            server.execute(f"DROP DATABASE {name}".encode())
        owner = "SELECT rolcanlogin, rolpassword FROM pg_authid WHERE rolname = 'odoo_template'"
        assert server.execute(owner.encode()).fetchone() == (False, None)


def test_killed_in_the_middle_nothing_half_remains(second: Template, tmp_path: Path) -> None:
    """Kill -9 while Odoo fills it, at two moments; the next run makes it whole."""
    own: dict[str, Any] = {"country": "FR", "cache": str(tmp_path / "cache")}
    for seconds in (3.0, 9.0):
        _kill_after(seconds, template_task(second, **own))
        (asked,) = run_tasks([template_task(second, "odoo_template_info", **own)])
        assert not asked["template"]["ready"]
    (made,) = run_tasks([template_task(second, **own)])
    assert made.get("changed"), made
    with psycopg.connect(second.cluster.conninfo()) as server:
        names = server.execute("SELECT datname FROM pg_database WHERE datname LIKE 'odoo_template_%'").fetchall()
    assert names == [(made["template"]["name"],)]
    home = Path(made["template"]["filestore"]).parents[1]
    assert not [path.name for path in home.iterdir() if path.suffix]
    kept = [path.name for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock"]
    assert kept == [made["template"]["hash"]]
    assert _open(second, made["template"]["name"], "SELECT code FROM res_company c JOIN res_partner p ON p.id = c.partner_id "
                 "JOIN res_country n ON n.id = p.country_id")[2] == [("FR",)]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"modules": ["no_such_module"]}, "no_such_module"),
        ({"language": "english"}, "english"),
        ({"country": "XX"}, "XX"),
        ({"runtime": "/nowhere"}, "/nowhere"),
    ],
)
def test_what_can_not_be_made_says_why_and_leaves_nothing(
    odoo_template: Template, tmp_path: Path, wrong: dict[str, Any], named: str
) -> None:
    (result,) = run_tasks([template_task(odoo_template, cache=str(tmp_path / "cache"), **wrong)])
    assert result["failed"]
    assert named in result["msg"]
    with psycopg.connect(odoo_template.cluster.conninfo()) as server:
        names = server.execute("SELECT datname FROM pg_database WHERE datname LIKE 'odoo_template_%'").fetchall()
        owner = server.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'odoo_template'").fetchone()
    assert (odoo_template.facts["name"],) in names
    assert not [name for (name,) in names if name.endswith("__new")]
    assert owner == (False,)
    assert not [path for path in tmp_path.glob("cache/*") if path.suffix != ".lock"]


def _open(template: Template, name: str = "", query: str = OWNERS) -> tuple[list[Any], list[Any], list[Any]]:
    """Return the counts of all tables, the owners, and what ``query`` returns, from a clone made for looking."""
    source = name or template.facts["name"]
    with psycopg.connect(template.cluster.conninfo(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE looking TEMPLATE {source}".encode())
        try:
            with psycopg.connect(template.cluster.conninfo("looking")) as database:
                found = [database.execute(each.encode()).fetchall() for each in (COUNTS, OWNERS, query)]
        finally:
            server.execute("DROP DATABASE looking WITH (FORCE)")
    return found[0], found[1], found[2]


def _kill_after(seconds: float, task: dict[str, Any]) -> None:
    """Run the task's module and kill it with all below it, Odoo included: Ansible gives its modules sessions of their own."""
    ansible = str(Path(sys.executable).with_name("ansible"))
    command = [ansible, "localhost", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}"]
    process = subprocess.Popen(
        [*command, "-m", next(iter(task)), "-a", json.dumps(next(iter(task.values())))],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(seconds)
    assert process.poll() is None, "it ended before it could be killed"
    kill(family(process.pid))
    process.wait()
