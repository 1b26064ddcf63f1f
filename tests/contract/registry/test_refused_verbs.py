"""What a playbook refuses it has not done: the tenant's row is what it was, whatever else was asked for."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import MOVING, Verb
from tests.fixtures.ansible import Run, run_playbook
from tests.fixtures.registry import Registry, add_server

_PLANS = """
INSERT INTO billing.plan_entitlements (plan_name, effective_date, cpu_limit, memory_limit, storage_limit, db_type)
VALUES ('basic', '2020-01-01', 2, '4GB', '10GB', 'shared'), ('premium', '2020-01-01', 8, '16GB', '100GB', 'dedicated')
"""
_TENANT = """
INSERT INTO tenant.tenants (subdomain, customer_id, plan_name, applied_plan, status, operation, provisioning_status,
    desired_state, database_name, http_port, odoo_version)
VALUES ('acme', 'c1', 'basic', 'basic', %s, %s, 'ready', 'manual', 'odoo_acme', 23150, '19.0')
"""
_PLACE = """
INSERT INTO database.allocations (tenant_id, server_name, max_instances, slot, state)
SELECT id, 'pool-1', 50, 1, 'in_use' FROM tenant.tenants
"""


def tenant(registry: Registry, status: str = "running", operation: Verb | None = None) -> None:
    """Record acme, which has its database on a pool."""
    with psycopg.connect(registry.admin, autocommit=True) as admin:
        admin.execute(_PLANS)
        admin.execute(_TENANT, (status, operation))
        add_server(admin, "pool-1", 20001)
        admin.execute(_PLACE)


def recorded(registry: Registry) -> list[dict[str, Any]]:
    """Return all that is known of tenants, with their history."""
    with psycopg.connect(registry.admin, row_factory=dict_row) as admin:
        return admin.execute(
            "SELECT to_jsonb(t) AS now, v.row FROM tenant.tenants t JOIN tenant.tenant_versions v ON true"
        ).fetchall()


def play(registry: Registry, verb: Verb, **asked: str) -> Run:
    return run_playbook(
        f"playbooks/tenant_{verb}.yml", extra_vars={"tenant": "acme", "saasodoo_registry": registry.operator, **asked}
    )


def refusal(registry: Registry, verb: Verb, **asked: str) -> str:
    """Return why the playbook failed, having seen that it changed nothing."""
    before = recorded(registry)
    run = play(registry, verb, **asked)
    assert run.failure is not None, run.text
    assert recorded(registry) == before
    return str(run.failure["msg"])


@pytest.mark.parametrize("verb", Verb)
def test_a_verb_that_may_not_begin(registry_roles: Registry, verb: Verb) -> None:
    if verb in MOVING:
        tenant(registry_roles, "paused")
    else:
        tenant(registry_roles, "migrating", Verb.MIGRATE)
    why = refusal(registry_roles, verb, plan="premium" if verb is Verb.RESIZE else "basic", customer="c1")
    assert f"cannot {verb} a tenant" in why


def test_a_resize_to_a_plan_that_is_unknown(registry_roles: Registry) -> None:
    tenant(registry_roles)
    assert "unknown plan 'golden'" in refusal(registry_roles, Verb.RESIZE, plan="golden")


def test_a_provision_with_a_plan_that_does_not_fit_where_the_tenant_is(registry_roles: Registry) -> None:
    tenant(registry_roles)
    assert "needs another type of database" in refusal(registry_roles, Verb.PROVISION, plan="premium", customer="c1")


def test_a_name_or_customer_that_cannot_be(registry_roles: Registry) -> None:
    tenant(registry_roles)
    assert "reserved subdomain" in refusal(registry_roles, Verb.PROVISION, tenant="WebMail", plan="basic", customer="c1")
    assert "is taken" in refusal(registry_roles, Verb.PROVISION, tenant="ACME", plan="basic", customer="another")


def test_what_is_no_name_at_all(registry_roles: Registry) -> None:
    extra: dict[str, Any] = {"tenant": ["acme"], "saasodoo_registry": registry_roles.operator}
    with pytest.raises(AssertionError, match=r"ended with 2:(.|\n)*tenant must be a name or an id; found: \['acme'\]"):
        run_playbook("playbooks/tenant_stop.yml", extra_vars=extra)
