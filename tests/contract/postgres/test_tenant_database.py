"""The noun tenant_database on a real server; the template has just the tables of Odoo's that the noun writes to."""

from __future__ import annotations

import base64
import multiprocessing
import random
import secrets
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.odoo import database as odoo_database
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo.database import TenantDatabase
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo.password import hash_password
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Address
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.platform_key import derive, read_platform_key
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.scram import matches
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.tenant import tenant_secrets
from tests.fixtures.ansible import run_tasks
from tests.fixtures.postgres import Cluster

NOUN = "saasodoo.platform.tenant_database"
TABLES = """
ALTER SCHEMA public OWNER TO odoo_template;
SET ROLE odoo_template;
CREATE TABLE ir_config_parameter (id serial PRIMARY KEY, key text UNIQUE, value text,
    create_uid int, create_date timestamp, write_uid int, write_date timestamp);
CREATE TABLE res_users (id serial PRIMARY KEY, login text, password text);
CREATE TABLE ir_model_data (module text, model text, name text, res_id int);
INSERT INTO res_users (login, password) VALUES ('__system__', NULL), ('admin', 'admin');
INSERT INTO ir_model_data VALUES ('base', 'res.users', 'user_root', 1), ('base', 'res.users', 'user_admin', 2);
INSERT INTO ir_config_parameter (key, value) VALUES ('database.uuid', 'the template''s'), ('database.secret', 'the template''s'),
    ('database.create_date', '2000-01-01 00:00:00'), ('web.base.url', 'http://localhost:8069'), ('other', 'kept'),
    ('mail.web_push_vapid_private_key', 'the template''s')
"""


@dataclass
class Place:
    """A server with a template, and a tenant that is to have a database there."""

    cluster: Cluster
    template: str
    key_file: Path
    name: str
    tenant: uuid.UUID

    @property
    def key(self) -> bytes:
        return read_platform_key(self.key_file)

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.cluster.port, "test", self.key)

    @property
    def server(self) -> dict[str, Any]:
        return {"name": "test", "port": self.cluster.port}

    def play(self, *, check: bool = False, **more: Any) -> dict[str, Any]:
        """Run the noun and return its result."""
        options = {"name": self.name, "server": self.server, "platform_key_file": str(self.key_file)}
        if more.get("state") != "absent":
            urls = {"base_url": "http://acme.localhost", "report_url": "http://127.0.0.1:1"}
            options |= {"tenant_id": str(self.tenant), "template": self.template, **urls}
        return run_tasks([{NOUN: options | more}], check=check)[-1]

    def query(self, statement: str, dbname: str = "") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.cluster.conninfo(dbname or self.name), autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    def parameters(self) -> dict[str, str]:
        return dict(self.query("SELECT key, value FROM ir_config_parameter"))

    def found(self) -> list[str]:
        """Return what there is that belongs to the tenant."""
        like = f"LIKE '{self.name}%'"
        databases = self.query(f"SELECT 'database ' || datname FROM pg_database WHERE datname {like} ORDER BY 1", "postgres")
        roles = self.query(f"SELECT 'role ' || rolname FROM pg_roles WHERE rolname {like} ORDER BY 1", "postgres")
        return [str(row[0]) for row in databases + roles]

    @property
    def complete(self) -> list[str]:
        """Return what there is to be."""
        return [f"database {self.name}", f"role {self.name}"]


@pytest.fixture(scope="module")
def template(postgres: Cluster) -> Iterator[str]:
    name = "odoo_template_contract"
    with psycopg.connect(postgres.conninfo(), autocommit=True) as server:
        if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = 'odoo_template'").fetchone():
            server.execute("CREATE ROLE odoo_template NOLOGIN")
        server.execute(f"CREATE DATABASE {name}".encode())
        with psycopg.connect(postgres.conninfo(name), autocommit=True) as database:
            database.execute(TABLES.encode())
        server.execute(f"ALTER DATABASE {name} IS_TEMPLATE true ALLOW_CONNECTIONS false".encode())
        yield name
        server.execute(f"ALTER DATABASE {name} IS_TEMPLATE false".encode())
        server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def place(postgres: Cluster, template: str, tmp_path: Path) -> Iterator[Place]:
    key_file = tmp_path / "platform.key"
    key_file.touch(mode=0o600)
    key_file.write_text(secrets.token_hex(32))
    place = Place(postgres, template, key_file, f"odoo_c_{uuid.uuid4().hex[:12]}", uuid.uuid4())
    yield place
    with place.address.connect() as server:
        odoo_database.remove(server, place.name)


def test_a_database_is_made_kept_and_dropped(place: Place) -> None:
    predicted = place.play(check=True)
    assert predicted["changed"]
    assert place.found() == []

    made = place.play()
    assert (made["changed"], made["diff"]) == (True, predicted["diff"])
    assert made["database"] == {"name": place.name, "server": "test"}
    assert place.found() == place.complete
    for again in (place.play(), place.play(check=True)):
        assert not again["changed"], again["diff"]

    assert place.play(check=True, state="absent")["changed"]
    assert place.found() == place.complete
    assert place.play(state="absent")["changed"]
    assert place.found() == []
    assert not place.play(state="absent")["changed"]


def test_the_clone_is_the_tenants_own(place: Place) -> None:
    place.play()
    found = place.parameters()
    assert found["other"] == "kept"
    assert found["web.base.url"] == "http://acme.localhost"
    assert found["database.secret"] == derive(place.key, str(place.tenant), "odoo-secret")
    assert "the template's" not in found.values()
    assert uuid.UUID(found["database.uuid"])
    assert found["database.create_date"] > "2020"

    ((stored,),) = place.query("SELECT password FROM res_users WHERE id = 2")
    salt = stored.split("$")[3]
    admin = derive(place.key, str(place.tenant), "odoo-admin")
    assert stored == hash_password(admin, salt=_salt(salt))
    assert place.query("SELECT password FROM res_users WHERE id = 1") == [(None,)]


def test_the_role_owns_what_is_inside_and_may_nothing_else(place: Place) -> None:
    place.play()
    owners = "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert place.query(owners) == [(place.name,)]
    database = "SELECT pg_get_userbyid(datdba), has_database_privilege('public', oid, 'CONNECT') FROM pg_database"
    assert place.query(f"{database} WHERE datname = '{place.name}'") == [("saasodoo_admin", False)]
    role = (
        "SELECT rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolconnlimit, rolpassword "
        f"FROM pg_authid WHERE rolname = '{place.name}'"
    )
    ((*rights, verifier),) = place.query(role)
    assert rights == [True, False, False, False, False, False, 20]
    assert matches(verifier, derive(place.key, str(place.tenant), "database"))
    assert place.query(f"SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '{place.template}'") == [
        ("saasodoo_admin",)
    ]


def test_changes_are_made_to_what_the_platform_owns_only(place: Place) -> None:
    place.play()
    place.query("UPDATE res_users SET password = 'changed by the customer' WHERE id = 2 RETURNING 1")
    before = place.parameters()
    wanted: dict[str, Any] = {"base_url": "https://acme.example.com", "connection_limit": 5}
    predicted = place.play(check=True, **wanted)
    assert place.parameters() == before
    done = place.play(**wanted)
    assert (done["changed"], done["diff"]) == (True, predicted["diff"])
    assert place.parameters() == before | {"web.base.url": "https://acme.example.com"}
    assert place.query("SELECT password FROM res_users WHERE id = 2") == [("changed by the customer",)]
    assert not place.play(**wanted)["changed"]


def test_raising_the_generation_rotates_every_secret(place: Place) -> None:
    place.play()
    secrets_before = [*place.query("SELECT password FROM res_users WHERE id = 2"), place.parameters()["database.secret"]]
    assert place.play(secret_generation=2)["changed"]
    secrets_after = [*place.query("SELECT password FROM res_users WHERE id = 2"), place.parameters()["database.secret"]]
    assert not set(secrets_before) & set(secrets_after)
    ((verifier,),) = place.query(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{place.name}'")
    assert matches(verifier, derive(place.key, str(place.tenant), "database", 2))
    assert not place.play(secret_generation=2)["changed"]


def test_no_secret_is_in_any_result(place: Place) -> None:
    shown = repr([place.play(check=True), place.play(), place.play(secret_generation=2), place.play(state="absent")])
    for generation in (1, 2):
        own = tenant_secrets(place.key, str(place.tenant), generation)
        hidden = [own.admin_password, own.database_secret, own.role_verifier]
        assert not [secret for secret in hidden if secret in shown]
        assert own.admin_password not in repr(own)


def test_pgbouncer_gets_the_verifier_that_the_server_has(place: Place) -> None:
    """Else PgBouncer could not log in to the server with what the client sends."""
    place.play()
    lookup = f"lookup('saasodoo.platform.tenant_verifier', '{place.tenant}', generation=1, platform_key_file='{place.key_file}')"
    (said,) = run_tasks([{"ansible.builtin.debug": {"msg": "{{ " + lookup + " }}"}}])
    assert place.query(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{place.name}'") == [(said["msg"],)]


def test_a_missing_template_is_named(place: Place) -> None:
    result = place.play(template="odoo_template_0000000000000000")
    assert result["failed"]
    assert "odoo_template_0000000000000000" in result["msg"]
    assert "odoo_template" in result["msg"]


def test_a_server_that_is_away_is_named(place: Place) -> None:
    result = place.play(server={"name": "gone", "port": 1})
    assert result["failed"]
    assert "gone" in result["msg"]
    predicted = place.play(check=True, server={"name": "predicted", "port": 1})
    assert predicted["changed"], "in check mode a server may only be predicted"


def test_killed_anywhere_it_is_made_by_the_next_run(place: Place) -> None:
    """Kill -9 at random moments; then exactly one database and one role are there, and nothing else."""
    chance = random.Random(7)
    context = multiprocessing.get_context("fork")
    for _ in range(12):
        process = context.Process(target=_make, args=(place,))
        process.start()
        process.join(chance.uniform(0.02, 0.6))
        process.kill()
        process.join()
        if f"database {place.name}" in place.found():
            assert place.parameters().get("saasodoo.secret_generation") == "1", "a database under its name is complete"
            with place.address.connect() as server:
                odoo_database.remove(server, place.name)
    _make(place)
    assert place.found() == place.complete
    assert not place.play()["changed"]


def test_two_runs_at_once_make_one_database(place: Place) -> None:
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=_make, args=(place,)) for _ in range(2)]
    for process in both:
        process.start()
    end = time.monotonic() + 60
    for process in both:
        process.join(max(0, end - time.monotonic()))
    assert [process.exitcode for process in both] == [0, 0]
    assert place.found() == place.complete


def _make(place: Place) -> None:
    """Do what the action plugin does, in this process."""
    parameters = {"web.base.url": "http://acme.localhost", "web.base.url.freeze": "True", "report.url": "http://127.0.0.1:1"}
    wanted = TenantDatabase(place.name, place.template, parameters, 20)
    odoo_database.converge(place.address, wanted, tenant_secrets(place.key, str(place.tenant), 1), check=False)


def _salt(text: str) -> bytes:
    """Read passlib's adapted base64."""
    return base64.b64decode(text.replace(".", "+") + "=" * (-len(text) % 4))
