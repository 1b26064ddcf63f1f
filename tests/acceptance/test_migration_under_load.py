"""A real Odoo whose database moves while everybody works: nothing fails, nothing acknowledged is lost, nobody waits for long."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry
from demo.timeline import wait_until
from tests.fixtures.ansible import PLAIN, ROOT
from tests.fixtures.platform import PARTS_TENANTS, local_platform
from tests.fixtures.reporting import Report
from tests.fixtures.tenants import Tenants
from tests.fixtures.writers import Load

pytestmark = pytest.mark.timeout(900)

_POOL = {"max_instances": 50, "cpu_limit": 1, "memory_limit": "1GB"}
_POOLS = [{"name": "pool-1", **_POOL}, {"name": "pool-2", **_POOL}]
# A scheduled job becomes due, and Odoo's thread for these is told; it looks by itself once a minute only.
_DUE = "UPDATE ir_cron SET nextcall = now() AT TIME ZONE 'UTC' - interval '1 minute' WHERE cron_name = 'load'"
_NOTIFY = "SELECT pg_notify('cron_trigger', current_database())"
_RAN = "SELECT count(*) AS times FROM res_partner WHERE name = 'written by cron'"
_LAST = "SELECT * FROM ops.migrations WHERE tenant_id = %s ORDER BY started_at DESC LIMIT 1"
# Some 1.3 kB a row, too short for Postgres to compress.
_LARGE = "CREATE TABLE large AS SELECT id, repeat(md5(id::text), 40) AS filler FROM generate_series(1, 250000) AS id"
_MEMORY = 256 << 20  # bytes that each process of a run may have; ansible-playbook takes about half
_CONTENT = b"a letter to the customer"
_STALL = 30  # seconds that nobody waits for longer, however busy the machine; 0.3 on a quiet one (make bench-migration)


@pytest.fixture(scope="module")
def tenants() -> Iterator[Tenants]:
    """A platform with two pools; it makes a dedicated server when one is asked for."""
    with local_platform(PARTS_TENANTS, port_base=24000, instance="test-moves", saasodoo_postgres_pools=_POOLS) as platform:
        yield Tenants(platform)


@pytest.fixture(scope="module")
def tenant(tenants: Tenants) -> str:
    """A tenant with a letter in its filestore."""
    name = tenants.made()
    user = tenants.log_in(name)
    user.create("ir.attachment", {"name": "letter", "datas": base64.b64encode(_CONTENT).decode()})
    (model,) = user.search("ir.model", [["model", "=", "res.partner"]])
    job = {"name": "load", "model_id": model, "state": "code", "code": "model.create({'name': 'written by cron'})"}
    user.create("ir.cron", job | {"interval_number": 999, "interval_type": "months", "nextcall": "2100-01-01 00:00:00"})
    return name


@pytest.fixture
def load(tenants: Tenants, tenant: str, report: Report) -> Load:
    """Its writers; what was measured is printed."""
    return Load(tenants, tenant, report)


def last_migration(tenants: Tenants, name: str) -> dict[str, Any]:
    """Return what the registry has of the tenant's last migration."""
    with registry.connect(tenants.registry) as connection:
        row = connection.execute(_LAST, (tenants.record(name).id,)).fetchone()
    assert row is not None
    return row


def letter(tenants: Tenants, name: str) -> bytes:
    user = tenants.log_in(name)
    (found,) = user.search("ir.attachment", [["name", "=", "letter"]])
    return base64.b64decode(user.read("ir.attachment", found, ["datas"])["datas"])


def troubles(tenants: Tenants, name: str) -> list[str]:
    """Return what the tenant's Odoo logged as gone wrong."""
    short = tenants.record(name).short_id
    text = "".join(file.read_text(errors="replace") for file in sorted(tenants.local.home.glob(f"log/odoo-{short}.log*")))
    return re.findall(r"^\S+ \S+ \d+ (?:ERROR|CRITICAL) .*$", text, re.MULTILINE)


def cron_is_notified(load: Load) -> None:
    """Let a job become due on the server the tenant lives on, and wait until Odoo has done it."""
    with load.home() as database:

        def ran() -> int:
            row = database.execute(_RAN).fetchone()
            assert row is not None
            return int(row["times"])

        before = ran()
        database.execute(_DUE)
        database.execute(_NOTIFY)
        wait_until("cron does what it is told of", lambda: ran() > before, 40)


def moved(load: Load, verb: str, source: str, target: str, **more: str) -> None:
    """Let the tenant move while all write: its Odoo is the same process before and after, and hears of cron's calls again."""
    tenants, name = load.tenants, load.name
    pid, errors = tenants.process(tenants.record(name)), troubles(tenants, name)
    assert re.fullmatch(source, load.server().name)
    with load.writing(f"{verb} from {source} to {target}"):
        tenants.do(verb, name, **more)
    assert max(writer.stall for writer in load.writers.values()) < _STALL
    assert re.fullmatch(target, load.server().name)
    record = tenants.record(name)
    assert (record.status, record.operation) == (Status.RUNNING, None)
    assert tenants.process(record) == pid
    assert troubles(tenants, name) == errors
    cron_is_notified(load)
    assert letter(tenants, name) == _CONTENT


def test_from_pool_to_pool_and_back_with_all_that_was_written_there(load: Load) -> None:
    moved(load, "migrate", "pool-1", "pool-2", server="pool-2")
    kept = last_migration(load.tenants, load.name)
    assert (kept["strategy"], kept["status"], kept["report"]["equal"]) == ("online", "kept", True)
    there = load.writers["keyed"].acknowledged
    with load.home() as database:
        database.execute("INSERT INTO load_keyed (note) VALUES ('written only there')")
    moved(load, "migrate_back", "pool-2", "pool-1")
    assert last_migration(load.tenants, load.name)["status"] == "returned"
    with load.home() as database:
        found = {row["note"] for row in database.execute("SELECT note FROM load_keyed")}
    assert {*there, "written only there"} <= found


def test_from_shared_to_dedicated_and_back_by_plan(load: Load) -> None:
    moved(load, "resize", "pool-1", "dedicated-.*", plan="premium-monthly")
    load.tenants.do("settle", load.name, let_go="true")  # Odoo goes through the new server's PgBouncer from now on
    moved(load, "resize", "dedicated-.*", "pool-.*", plan="basic-monthly")


def test_a_table_larger_than_a_run_s_memory_moves(load: Load, tmp_path: Path) -> None:
    with load.home() as database:
        database.execute(_LARGE)
        size = database.execute("SELECT pg_relation_size('large') AS bytes").fetchone()
    assert size is not None
    assert size["bytes"] > _MEMORY
    playbook = [*PLAIN, "playbooks/tenant_migrate.yml"]
    command = ["prlimit", f"--data={_MEMORY}", *playbook, f"--extra-vars=tenant={load.name}"]
    environment = os.environ | load.tenants.local.environment | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    with (tmp_path / "log").open("wb") as log:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=log, timeout=300, check=False)
    assert done.returncode == 0, (tmp_path / "log").read_text()[-4000:]
    migration = last_migration(load.tenants, load.name)
    assert (migration["strategy"], migration["status"], migration["report"]["equal"]) == ("online", "kept", True)
    with load.home() as database:
        assert database.execute("SELECT count(*) AS rows FROM large").fetchone() == {"rows": 250000}
        database.execute("DROP TABLE large")


def test_what_can_not_be_replicated_moves_while_odoo_stands_still(load: Load) -> None:
    tenants, name = load.tenants, load.name
    with load.home() as database:
        database.execute("SELECT lo_from_bytea(1001, 'a large object')")
    tenants.do("migrate", name)
    migration = last_migration(tenants, name)
    assert (migration["strategy"], migration["status"]) == ("offline", "kept")
    assert "can't be replicated" in migration["reason"]
    assert "large object" in migration["reason"]
    assert (migration["report"]["equal"], migration["report"]["large_objects"]) == (True, 1)
    assert tenants.record(name).status is Status.RUNNING
    assert letter(tenants, name) == _CONTENT
    with load.home() as database:
        assert database.execute("SELECT lo_get(1001) AS text").fetchone() == {"text": b"a large object"}
        database.execute("SELECT lo_unlink(1001)")
    back = tenants.run("migrate_back", name)
    assert back.rc != 0
    assert "no way back" in (back.failure or {})["msg"]
    assert (tenants.record(name).status, tenants.record(name).operation) == (Status.RUNNING, None)


def test_a_stopped_tenant_moves_and_stays_stopped(load: Load) -> None:
    tenants, name = load.tenants, load.name
    tenants.do("stop", name)
    before = load.server().name
    tenants.do("migrate", name)
    migration = last_migration(tenants, name)
    assert (migration["strategy"], migration["reason"]) == ("offline", "the tenant is stopped: nobody has to wait")
    assert (migration["source"], migration["report"]["equal"]) == (before, True)
    assert tenants.record(name).status is Status.STOPPED
    with pytest.raises(LookupError):
        tenants.process(tenants.record(name))
    tenants.do("start", name)
    assert load.server().name == migration["target"]
    assert letter(tenants, name) == _CONTENT
