"""The verbs of tenants in a real cluster: what every backend does, and what only this one can."""

from __future__ import annotations

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.kubernetes.readiness import standing
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import connect_server
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.platform_key import read_platform_key
from tests.contract.tenant_verbs import TenantVerbs, changes_of
from tests.fixtures.kubernetes_tenants import KubernetesTenants

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900)]

ROLE = "saasodoo.platform.odoo_tenant : "


class TestVerbs(TenantVerbs):
    """In a cluster."""


@pytest.fixture(scope="module")
def tenant(tenants: KubernetesTenants) -> str:
    """A tenant that tests may stop and start, and leave running."""
    return tenants.made()


def limits(tenants: KubernetesTenants, name: str) -> dict[str, str]:
    """Return what its container really has, as the kubelet tells."""
    status = tenants.pod(tenants.record(name))["status"]["containerStatuses"][0]
    found: dict[str, str] = status["resources"]["limits"]
    return found


def test_a_plan_change_resizes_the_pod_that_runs(tenants: KubernetesTenants, tenant: str) -> None:
    before = tenants.process(tenants.record(tenant))
    foretold = tenants.run("resize", tenant, plan="standard-monthly", check=True)
    assert foretold.changed > 0
    assert limits(tenants, tenant) == {"cpu": "2", "memory": "4Gi"}
    tenants.do("resize", tenant, plan="standard-monthly")
    assert tenants.process(tenants.record(tenant)) == before
    assert limits(tenants, tenant) == {"cpu": "4", "memory": "8Gi"}
    again = changes_of(tenants.do("resize", tenant).results)
    assert [task for task, changed in again if changed] == [f"{ROLE}Begin", f"{ROLE}Finish"]
    tenants.do("restart", tenant)
    assert limits(tenants, tenant) == {"cpu": "4", "memory": "8Gi"}, "and so will the next"
    tenants.do("resize", tenant, plan="basic-monthly")
    assert limits(tenants, tenant) == {"cpu": "2", "memory": "4Gi"}


def test_the_database_moves_while_the_pod_runs_on(tenants: KubernetesTenants, tenant: str) -> None:
    pools = [{"name": name, "max_instances": 50, "cpu_limit": 1, "memory_limit": "1GB"} for name in ("pool-1", "pool-2")]
    for part in ("postgres_pools", "odoo_templates"):
        made = tenants.local.play(part, saasodoo_postgres_pools=pools)
        assert made.rc == 0, made.failure
    before, user = tenants.process(tenants.record(tenant)), tenants.log_in(tenant)
    note = user.create("res.partner", {"name": "written before"})
    tenants.do("migrate", tenant, server="pool-2")
    assert tenants.server(tenant).name == "pool-2"
    assert user.read("res.partner", note, ["name"])["name"] == "written before"
    after = user.create("res.partner", {"name": "written after"})
    tenants.do("migrate_back", tenant)
    assert tenants.server(tenant).name == "pool-1"
    assert user.read("res.partner", after, ["name"])["name"] == "written after"
    assert tenants.process(tenants.record(tenant)) == before
    assert tenants.strays() == []


def test_an_odoo_that_is_killed_comes_back_by_itself(tenants: KubernetesTenants, tenant: str) -> None:
    before = tenants.pod(tenants.record(tenant))["metadata"]

    def another() -> bool:
        pods = tenants.pods(instance=before["labels"]["app.kubernetes.io/instance"])
        return any(standing(pod).ready and pod["metadata"]["uid"] != before["uid"] for pod in pods)

    tenants.delete_pod(before["name"])
    tenants.until("another pod is ready", another)
    tenants.visit(tenant).wait_until_healthy(60)


@pytest.mark.parametrize(
    "path", ["/web/database/manager", "/web/database/selector", "/web/database", "/xmlrpc/2/db", "/xmlrpc/db"]
)
def test_the_database_manager_is_blocked(tenants: KubernetesTenants, tenant: str, path: str) -> None:
    assert tenants.ask(tenant, path).status_code == 403


def test_a_server_knows_letters_as_one_on_a_machine_does(tenants: KubernetesTenants, tenant: str) -> None:
    server, key = tenants.server(tenant), read_platform_key(tenants.platform_key_file)
    database = tenants.record(tenant).database_name
    with connect_server(tenants.reach(server.host), server.port, server.name, key, database) as admin:
        found = admin.execute("SELECT lower('É') AS lower, current_setting('data_checksums') AS checksums").fetchone()
    assert found == {"lower": "é", "checksums": "on"}


@pytest.mark.parametrize("keep", [True, False])
def test_a_server_that_is_retired_sleeps_or_goes(tenants: KubernetesTenants, keep: bool) -> None:
    name = "pool-8" if keep else "pool-9"
    pools = [{"name": name, "max_instances": 50, "cpu_limit": 1, "memory_limit": "1GB"}]
    assert tenants.local.play("postgres_pools", saasodoo_postgres_pools=pools).rc == 0
    retired = tenants.local.play("postgres_pool_retire", postgres_pool_name=name, postgres_pool_keep_data=keep)
    assert retired.rc == 0, retired.failure
    tenants.until("its pods are gone", lambda: not tenants.pods(component="pooler", instance=name) and not tenants.servers(name))
    assert [each["metadata"]["name"] for each in tenants.claims(name)] == ([f"{name}-1"] if keep else [])
