"""A plan applied to a real Odoo: more reaches it while it runs, less is told and waits, what can't be leaves it as it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status
from tests.fixtures.tenants import Tenants

pytestmark = pytest.mark.timeout(600)

GIGABYTE = 2**30


@pytest.fixture(scope="module")
def tenant(tenants: Tenants) -> str:
    """A running tenant of plan basic-monthly (4 GB), at the beginning."""
    return tenants.made()


def limits(tenants: Tenants, name: str) -> tuple[int, int]:
    """Return the pid of the tenant's Odoo, and the gigabytes of address space that it may have."""
    pid = tenants.process(tenants.record(name))
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return pid, int(next(line for line in lines if line.startswith("Max address space")).split()[3]) // GIGABYTE


def configured(tenants: Tenants, name: str) -> int:
    """Return the gigabytes that its configuration says."""
    file = next(tenants.local.home.glob(f"odoo_instances/*{tenants.record(name).short_id}/odoo.conf"))
    values = dict(line.split(" = ", 1) for line in file.read_text().splitlines() if " = " in line)
    assert int(values["limit_memory_soft"]) == int(int(values["limit_memory_hard"]) * 0.8)
    return int(values["limit_memory_hard"]) // GIGABYTE


def test_more_reaches_an_odoo_that_runs_and_less_waits_for_its_restart(tenants: Tenants, tenant: str) -> None:
    pid, space = limits(tenants, tenant)
    assert (space, configured(tenants, tenant)) == (4, 4)
    note = tenants.log_in(tenant).create("res.partner", {"name": "written before"})

    foretold = tenants.run("resize", tenant, check=True, plan="standard-monthly")
    assert (limits(tenants, tenant), configured(tenants, tenant)) == ((pid, 4), 4)
    assert tenants.record(tenant).plan_name == "basic-monthly"
    done = tenants.do("resize", tenant, plan="standard-monthly")
    assert done.changes == foretold.changes
    assert (limits(tenants, tenant), configured(tenants, tenant)) == ((pid, 8), 8)
    record = tenants.record(tenant)
    assert (record.plan_name, record.applied_plan, record.status, record.operation, record.status_message) == (
        "standard-monthly", "standard-monthly", Status.RUNNING, None, "",
    )  # fmt: skip
    assert tenants.log_in(tenant).read("res.partner", note, ["name"])["name"] == "written before"
    assert len(tenants.do("resize", tenant).changes) == 2, "only its own beginning and end"
    assert tenants.do("provision", tenant).changed == 0, "what is defined and what runs agree"

    tenants.do("resize", tenant, plan="basic-monthly")
    assert (limits(tenants, tenant), configured(tenants, tenant)) == ((pid, 8), 4)
    record = tenants.record(tenant)
    assert (record.applied_plan, record.status) == ("basic-monthly", Status.RUNNING)
    assert "takes effect when Odoo is restarted" in record.status_message
    tenants.do("restart", tenant)
    new_pid, space = limits(tenants, tenant)
    assert (new_pid != pid, space, tenants.record(tenant).status_message) == (True, 4, "")


def test_a_stopped_tenant_only_has_its_files_written(tenants: Tenants, tenant: str) -> None:
    tenants.do("stop", tenant)
    done = tenants.do("resize", tenant, plan="standard-monthly")
    assert configured(tenants, tenant) == 8
    assert tenants.record(tenant).status is Status.STOPPED
    assert not any("Run Odoo" in task for task in done.changes)
    with pytest.raises(LookupError):
        limits(tenants, tenant)
    tenants.do("start", tenant)
    assert limits(tenants, tenant)[1] == 8


def test_a_tenant_that_is_not_at_rest_is_not_resized(tenants: Tenants, tenant: str) -> None:
    tenants.do("suspend", tenant)
    refused = tenants.run("resize", tenant)
    assert refused.rc != 0
    assert "cannot resize a tenant that is paused" in (refused.failure or {})["msg"]
    assert tenants.record(tenant).status is Status.PAUSED
    tenants.do("resume", tenant)


def test_a_plan_that_can_not_be_applied_leaves_the_tenant_as_it_runs(tenants: Tenants, tenant: str) -> None:
    configuration = next(tenants.local.home.glob(f"odoo_instances/*{tenants.record(tenant).short_id}/odoo.conf"))
    before, wanted = limits(tenants, tenant), "basic-monthly"
    configuration.unlink()
    configuration.mkdir()  # nothing can be written there
    try:
        failed = tenants.run("resize", tenant, plan=wanted)
        assert failed.rc != 0
        record = tenants.record(tenant)
        assert (record.status, record.operation, record.failed_plan) == (Status.RUNNING, None, wanted)
        assert record.applied_plan == "standard-monthly"
        assert record.status_message
        assert limits(tenants, tenant) == before
    finally:
        configuration.rmdir()
    tenants.do("resize", tenant)
    assert (tenants.record(tenant).applied_plan, tenants.record(tenant).failed_plan) == (wanted, None)
