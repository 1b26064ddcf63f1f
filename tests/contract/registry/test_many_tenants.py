"""The nouns attention_info and tenants_verb, and the playbooks that use them, as the registry's operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.fixtures.ansible import run_tasks
from tests.fixtures.registry import Registry

ATTENTION = "saasodoo.platform.attention_info"
MANY = "saasodoo.platform.tenants_verb"
# What the verb's own playbook would do is not this noun's: it tells its tenant, and one of them fails.
_PLAYBOOK = """
- name: Do
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Fail for one
      ansible.builtin.assert:
        that: tenant != lookup('ansible.builtin.env', 'FAILS')
        fail_msg: no room for it
"""
_PLAN = """
INSERT INTO billing.plan_entitlements (plan_name, effective_date, cpu_limit, memory_limit, storage_limit)
VALUES ('basic', '2020-01-01', 2, '4GB', '10GB')
"""
_FAILED = """
INSERT INTO ops.runs (tenant_id, kind, playbook, status, started_at, finished_at, message)
SELECT id, 'provision', 'tenant_provision.yml', 'failed', clock_timestamp(), clock_timestamp(), 'Find room: no room'
FROM tenant.tenants WHERE subdomain = %s
"""


@pytest.fixture
def registry(registry_roles: Registry) -> str:
    """The registry as playbooks use it, with the tenants acme and beta in error, and gamma that is new."""
    with psycopg.connect(registry_roles.operator) as connection:
        connection.execute(_PLAN)
    tenant = "saasodoo.platform.tenant"
    options = {"registry": registry_roles.operator, "customer_id": "c1", "plan": "basic"}
    made = run_tasks([{tenant: {"tenant": name, **options}} for name in ("acme", "beta", "gamma")])
    assert [each["changed"] for each in made] == [True, True, True]
    with psycopg.connect(registry_roles.runner) as connection:
        connection.execute("UPDATE tenant.tenants SET status = 'error' WHERE subdomain <> 'gamma'")
        for name in ("acme", "beta"):
            connection.execute(_FAILED, (name,))
    return registry_roles.operator


def ids(registry: str) -> dict[str, str]:
    with psycopg.connect(registry) as connection:
        return {row[0]: str(row[1]) for row in connection.execute("SELECT subdomain, id FROM tenant.tenants")}


def test_the_list_says_who_why_since_when_and_what_to_type(registry: str) -> None:
    found = run_tasks([{ATTENTION: {"registry": registry}}])[-1]
    assert not found["changed"]
    known = ids(registry)
    assert [(each["tenant"], each["tenant_id"]) for each in found["needs"]] == [(name, known[name]) for name in ("acme", "beta")]
    first = found["needs"][0]
    assert first["cause"] == "provision failed: Find room: no room"
    assert first["command"] == "ansible-playbook playbooks/tenant_provision.yml -e tenant=acme"
    assert first["since"] <= found["needs"][1]["since"]


def test_whose_lock_is_held_or_who_is_tried_again_is_not_on_it(registry: str, registry_roles: Registry) -> None:
    with psycopg.connect(registry, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(hashtextextended('tenant:acme', 0))")
        with psycopg.connect(registry_roles.runner) as runner:
            runner.execute("UPDATE ops.runs SET next_try_at = now() WHERE tenant_id = %s", (ids(registry)["beta"],))
        assert run_tasks([{ATTENTION: {"registry": registry}}])[-1]["needs"] == []


def test_one_thing_is_done_for_many(registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tenant_provision.yml").write_text(_PLAYBOOK)
    monkeypatch.setenv("FAILS", ids(registry)["beta"])
    options: dict[str, Any] = {"registry": registry, "playbooks": str(tmp_path), "log": str(tmp_path), "parallel": 2}

    def ask(*, check: bool = False, **more: Any) -> dict[str, Any]:
        return run_tasks([{MANY: {"verb": "retry", **options, **more}}], check=check)[-1]

    foretold, done = ask(status="error", check=True), ask(status="error")
    assert foretold["diff"] == done["diff"] == {"before": {}, "after": {"verbs": {"acme": "provision", "beta": "provision"}}}
    assert (foretold["done"], foretold["failures"]) == ([], {})
    assert done["done"] == ["acme"]
    assert done["failures"]["beta"].startswith("fatal:")
    assert "no room for it" in (tmp_path / "beta.log").read_text()
    refused = ask(tenants=["gamma", "nobody", ids(registry)["gamma"]])
    assert not refused["changed"]
    assert refused["refused"]["gamma"] == "tenant gamma has nothing to try again; found: creating"
    assert "there is no tenant 'nobody'" in refused["refused"]["nobody"]
    assert "cannot resume a tenant that is" in ask(verb="resume", tenants=["gamma"])["refused"]["gamma"]


def test_all_of_a_status_end_only_with_their_number_approved(registry: str, tmp_path: Path) -> None:
    (tmp_path / "tenant_terminate.yml").write_text(_PLAYBOOK)
    options = {"registry": registry, "playbooks": str(tmp_path), "log": str(tmp_path), "verb": "terminate", "status": "error"}
    assert set(run_tasks([{MANY: options}], check=True)[-1]["diff"]["after"]["verbs"]) == {"acme", "beta"}
    for approved in ({}, {"approved": 1}):
        refused = run_tasks([{MANY: options | approved}])[-1]
        assert (refused["failed"], refused["code"], refused["expected"]) == (True, "conflict", "approved: 2")
    assert run_tasks([{MANY: options | {"approved": 2}}])[-1]["done"] == ["acme", "beta"]


def test_who_is_meant_must_be_said_once(registry: str, tmp_path: Path) -> None:
    options = {"registry": registry, "playbooks": str(tmp_path), "log": str(tmp_path), "verb": "retry"}
    for more in ({}, {"status": "error", "tenants": ["acme"]}):
        said = run_tasks([{MANY: {**options, **more}}])[-1]
        assert said["failed"]
        assert "it is not clear which tenants are meant" in said["msg"]
