"""The fleet as inventory: ansible-inventory itself, on a real registry, as the component that may only read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.registry import fleet
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import connect
from tests.fixtures.ansible import ROOT
from tests.fixtures.fleet import MANY, add_tenants, copy_inventory
from tests.fixtures.fleet import ansible as run
from tests.fixtures.registry import KEY, Registry, add_server

_PLANS = """
INSERT INTO billing.plan_entitlements (plan_name, effective_date, cpu_limit, memory_limit, storage_limit, db_type) VALUES
    ('basic-monthly', '2020-01-01', 2, '4GB', '10GB', 'shared'), ('premium', '2020-01-01', 8, '16GB', '100GB', 'dedicated')
"""
_TENANT = """
INSERT INTO tenant.tenants (subdomain, customer_id, plan_name, status, billing_status, database_name, http_port, odoo_version)
VALUES (%s, %s, %s, %s, %s, %s, %s, '19.0') RETURNING id
"""
_PLACE = (
    "INSERT INTO database.allocations (tenant_id, server_name, max_instances, slot, state) VALUES (%s, 'pool-1', 50, 1, 'in_use')"
)


def listed(inventory: Path, **environment: str) -> dict[str, Any]:
    done = run("ansible-inventory", "-i", str(inventory), "--list", SAASODOO_INVENTORY_STRICT="1", **environment)
    assert done.returncode == 0, done.stderr
    everything: dict[str, Any] = json.loads(done.stdout)
    return everything


def members(inventory: dict[str, Any], group: str) -> list[str]:
    found: list[str] = inventory.get(group, {}).get("hosts", [])
    return found


@pytest.fixture
def inventory(registry_roles: Registry, tmp_path: Path) -> Path:
    """The shipped inventory, copied, with nothing changed but where the registry is."""
    folder = copy_inventory(registry_roles, tmp_path)
    with psycopg.connect(registry_roles.owner) as connection:
        connection.execute(_PLANS)
        add_server(connection, "pool-1", 23170)
        acme = connection.execute(_TENANT, ("acme", "c1", "basic-monthly", "running", "paid", "odoo_c1_1", 23150)).fetchone()
        assert acme is not None
        connection.execute(_PLACE, acme)
        connection.execute(_TENANT, ("beta", "{{ lookup('pipe', 'id') }}", "premium", "paused", "overdue", "odoo_c2_1", 23151))
        connection.execute(_TENANT, (None, "c3", "premium", "creating", "trial", "odoo_c3_1", 23152))
        connection.execute(_TENANT, ("gone", "c4", "premium", "terminated", "paid", "odoo_c4_1", None))
    return folder


@pytest.fixture
def many(inventory: Path, registry_roles: Registry) -> str:
    """Ten thousand tenants more, each with a version; the connection string of the inventory's user."""
    with psycopg.connect(registry_roles.owner) as connection:
        add_tenants(connection)
    return registry_roles.inventory


def test_the_graph_shows_the_fleet_by_what_it_is(inventory: Path) -> None:
    done = run("ansible-inventory", "-i", str(inventory), "--graph")
    assert done.returncode == 0, done.stderr
    groups = re.findall(r"@([a-z0-9_]+):", done.stdout)
    assert set(groups) == {
        *("all", "ungrouped", "platform", "tenants", "kubernetes", "backend_kubernetes"),
        *("plan_basic_monthly", "plan_premium", "database_shared", "database_dedicated", "server_pool_1"),
        *("status_running", "status_paused", "status_creating", "billing_paid", "billing_overdue", "billing_trial"),
    }
    assert "gone" not in done.stdout
    assert done.stderr == ""


def test_each_tenant_is_in_its_groups_with_its_variables(inventory: Path) -> None:
    fleet = listed(inventory)
    assert len(members(fleet, "tenants")) == 3
    assert members(fleet, "server_pool_1") == members(fleet, "database_shared") == members(fleet, "billing_paid") == ["acme"]
    assert members(fleet, "status_paused") == ["beta"]
    acme = fleet["_meta"]["hostvars"]["acme"]
    expected = {"tenant_customer": "c1", "tenant_plan": "basic-monthly", "tenant_server": "pool-1", "tenant_http_port": 23150}
    assert {name: acme[name] for name in expected} == expected
    nameless = members(fleet, "billing_trial")[0]
    assert nameless == fleet["_meta"]["hostvars"][nameless]["tenant_short_id"]


def test_it_holds_no_secret_and_runs_nothing_a_customer_wrote(inventory: Path, registry_roles: Registry) -> None:
    shown = json.dumps(listed(inventory))
    assert KEY.hex() not in shown
    assert "pgpass:" not in shown
    tenants = listed(inventory)["_meta"]["hostvars"]
    variables = [name for host in members(listed(inventory), "tenants") for name in tenants[host] if name.startswith("tenant_")]
    assert not [name for name in variables if re.search("secret|passw|key|token", name)]
    done = run("ansible", "-i", str(inventory), "beta", "-m", "ansible.builtin.debug", "-a", "var=tenant_customer")
    assert "uid=" not in done.stdout
    assert "lookup('pipe', 'id')" in done.stdout


def test_one_tenant_by_environment_or_by_the_variable_of_a_run(inventory: Path) -> None:
    assert members(listed(inventory, SAASODOO_TENANT="beta"), "tenants") == ["beta"]
    assert members(listed(inventory, SAASODOO_TENANT="nobody"), "tenants") == []
    tenant_id = listed(inventory)["_meta"]["hostvars"]["acme"]["tenant_id"]
    assert members(listed(inventory, SAASODOO_TENANT=tenant_id), "tenants") == ["acme"]
    done = run("ansible-inventory", "-i", str(inventory), "--list", "-e", "tenant=beta")
    assert members(json.loads(done.stdout), "tenants") == ["beta"]


def test_the_fleet_of_a_past_moment(inventory: Path, registry_roles: Registry) -> None:
    with psycopg.connect(registry_roles.owner, autocommit=True) as connection:
        row = connection.execute(
            "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
        ).fetchone()
        connection.execute("DELETE FROM database.allocations")
        connection.execute("UPDATE tenant.tenants SET status = 'terminated'")
    assert row is not None
    assert members(listed(inventory), "tenants") == []
    assert members(listed(inventory, SAASODOO_AS_OF="2020-01-01"), "tenants") == []
    for moment in (row[0], f"{row[0]}Z", f"{row[0]}+00:00"):
        then = listed(inventory, SAASODOO_AS_OF=moment)
        assert members(then, "server_pool_1") == ["acme"]
        assert len(members(then, "tenants")) == 3


def test_a_moment_that_is_none_is_an_error(inventory: Path) -> None:
    done = run("ansible-inventory", "-i", str(inventory), "--graph", SAASODOO_AS_OF="yesterday")
    assert done.returncode != 0
    assert "as_of is no moment; found: yesterday" in done.stderr


def test_its_user_cannot_write(registry_roles: Registry, inventory: Path) -> None:
    for statement in (
        "UPDATE tenant.tenants SET status = 'error'",
        "DELETE FROM database.allocations",
        "CREATE TABLE tenant.x ()",
    ):
        with psycopg.connect(registry_roles.inventory) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.commit()
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_before_there_is_a_registry_the_fleet_is_empty_unless_told_to_be_strict(inventory: Path, tmp_path: Path) -> None:
    (inventory / "group_vars/all/zz_test.yml").write_text(json.dumps({"saasodoo_home": str(tmp_path / "nowhere")}))
    nothing = run("ansible-inventory", "-i", str(inventory), "--graph")
    assert (nothing.returncode, nothing.stderr) == (0, "")
    (tmp_path / "nowhere/secrets/registry").mkdir(parents=True)
    done = run("ansible-inventory", "-i", str(inventory), "--graph")
    assert done.returncode == 0
    assert "local" in done.stdout
    assert re.search(r"no registry user and password.*run playbooks/registry.yml.*no tenant is in the inventory", done.stderr)
    strict = run("ansible-inventory", "-i", str(inventory), "--graph", SAASODOO_INVENTORY_STRICT="1")
    assert strict.returncode != 0


def test_a_registry_that_is_away_is_said(inventory: Path) -> None:
    file = inventory / "group_vars/all/zz_test.yml"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"saasodoo_port_registry": 23198}))
    done = run("ansible-inventory", "-i", str(inventory), "--graph")
    assert done.returncode == 0
    assert "the registry at 127.0.0.1:23198 does not answer" in done.stderr


def test_two_copies_side_by_side_and_any_folder(tmp_path: Path) -> None:
    """The shipped file follows SAASODOO_HOME and SAASODOO_PORT_BASE, from wherever it is run."""
    for base in ("23100", "23110"):
        home = tmp_path / base
        passfile = home / "secrets/registry/inventory.pgpass"
        passfile.parent.mkdir(parents=True)
        passfile.touch(mode=0o600)
        done = run(
            "ansible-inventory",
            "-i",
            str(ROOT / "inventories/local"),
            "--graph",
            SAASODOO_HOME=str(home),
            SAASODOO_PORT_BASE=base,
        )
        assert f"the registry at 127.0.0.1:{int(base) + 32} does not answer" in done.stderr


def test_a_list_says_each_thing_once(inventory: Path) -> None:
    """What holds for all stands at ``all``, a tenant's own at the tenant; playbooks find both at the tenant nevertheless."""
    fleet = listed(inventory)
    assert {name.partition("_")[0] for name in fleet["_meta"]["hostvars"]["acme"]} == {"tenant"}
    assert fleet["all"]["vars"]["saasodoo_tls_issuer"] == "acme"
    assert fleet["tenants"]["vars"] == {"ansible_connection": "local"}
    shown = run("ansible-inventory", "-i", str(inventory), "--host", "acme")
    assert json.loads(shown.stdout) == fleet["_meta"]["hostvars"]["acme"]
    message = "msg='{{ tenant_customer }} at {{ saasodoo_base_domain }} by {{ ansible_connection }}'"
    done = run("ansible", "-i", str(inventory), "acme", "-m", "ansible.builtin.debug", "-a", message)
    assert "c1 at localhost by local" in done.stdout, done.stdout + done.stderr


def test_ten_thousand_tenants(inventory: Path, many: str) -> None:
    done = run("ansible-inventory", "-i", str(inventory), "--list")
    assert len(done.stdout) < 12e6  # bytes: each variable of each host took 122 MB
    assert len(members(json.loads(done.stdout), "plan_premium")) == MANY + 2
    assert members(listed(inventory, SAASODOO_TENANT="many-7777"), "tenants") == ["many-7777"]


def test_the_past_of_ten_thousand_tenants_is_what_the_present_was(inventory: Path, many: str) -> None:
    with connect(many) as connection:
        moment = connection.execute("SELECT clock_timestamp() AS now").fetchone()
        assert moment is not None
        past, present = list(fleet.at(connection, moment["now"])), list(fleet.present(connection))
    assert len(past) == MANY + 3
    assert sorted(map(str, past)) == sorted(map(str, present))
