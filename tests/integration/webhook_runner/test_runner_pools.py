"""What the administration's API says of Postgres servers, on a real registry."""

from __future__ import annotations

import psycopg
import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.plan import DatabaseType
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.database_server import Health, ServerStatus
from tests.fixtures.registry import Registry, add_server
from tests.fixtures.runner import TOKEN, Web

_TENANT = """
WITH made AS (
    INSERT INTO tenant.tenants (subdomain, customer_id, plan_name, database_name, odoo_version)
    SELECT 'acme', 'c1', plan_name, 'odoo_acme', '19.0' FROM billing.plan_entitlements LIMIT 1 RETURNING id
)
INSERT INTO database.allocations (tenant_id, server_name, max_instances, slot, state)
SELECT id, 'pool-1', 50, 1, 'in_use' FROM made
"""


@pytest.fixture(autouse=True)
def fleet(registry_roles: Registry, runner_registry: str) -> None:  # which has a plan
    """A pool with a tenant, a sick one that is draining, and a dedicated server that was retired."""
    with psycopg.connect(registry_roles.admin, autocommit=True) as admin:
        add_server(admin, "pool-1", 21101, health_status=Health.HEALTHY)
        add_server(admin, "pool-2", 21103, 20, health_status=Health.UNHEALTHY, status=ServerStatus.DRAINING)
        add_server(admin, "own-1", 21105, 1, server_type=DatabaseType.DEDICATED, status=ServerStatus.RETIRED)
        admin.execute(_TENANT)


def test_each_is_told_with_its_places_and_its_health(web: Web) -> None:
    pools = {each["name"]: each for each in web.get("/api/admin/pools", token=TOKEN).json()["pools"]}
    assert sorted(pools) == ["own-1", "pool-1", "pool-2"]
    wanted = {
        "server_type": "shared", "status": "active", "health_status": "healthy", "host": "127.0.0.1", "port": 21101,
        "pooler_port": 21102, "max_instances": 50, "current_instances": 1, "kept_databases": 0, "cpu_limit": 2.0,
    }  # fmt: skip
    assert wanted.items() <= pools["pool-1"].items()
    assert (pools["pool-2"]["status"], pools["pool-2"]["health_status"]) == ("draining", "unhealthy")
    assert web.get("/api/admin/pools/pool-1", token=TOKEN).json()["pool"] == pools["pool-1"]
    assert web.get("/api/admin/pools/pool-3", token=TOKEN).status_code == 404


def test_stats_count_what_is_in_use(web: Web) -> None:
    assert web.get("/api/admin/pools/stats", token=TOKEN).json()["stats"] == [
        {"server_type": "shared", "servers": 2, "healthy": 1, "max_instances": 70, "current_instances": 1}
    ]
