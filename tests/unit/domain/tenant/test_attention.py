"""Who needs a person: what does not come right by itself is on the list, with what to type; all else is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.attention import (
    STUCK,
    Found,
    LastRun,
    Settling,
    need,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Billing, Desired, Provisioning, Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.storage import Level, Storage
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import Verb

START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = START + timedelta(hours=1)
BROKEN = LastRun(Verb.SUSPEND, "failed", "Stop Odoo: no space", 1, LATER, open=False)


def tenant(status: Status = Status.RUNNING, **changes: Any) -> Tenant:
    made = Tenant(
        UUID(int=1), "acme", "c1", None, UUID(int=2), "basic", status, Provisioning.READY, Billing.PAID, None, "",
        Desired.RUNNING, "odoo_c1", 22000, "19.0", 1, START, START, applied_plan="basic",
    )  # fmt: skip
    return replace(made, **changes)


def found(status: Status = Status.RUNNING, last: LastRun | None = None, **changes: Any) -> Found:
    return Found(tenant(status, **changes), START, last=last)


STUCK_MOVE = Settling(STUCK, LATER, "server pool-1 is away")
CASES: dict[str, tuple[Found, str, str]] = {
    "failed for a reason of its own": (
        found(Status.ERROR, BROKEN, desired_state=Desired.SUSPENDED),
        "suspend failed: Stop Odoo: no space", "tenant_suspend.yml"),
    "its tries are used up": (
        found(Status.ERROR, replace(BROKEN, verb=Verb.RESUME, status="interrupted", message="away", attempt=8)),
        "resume was interrupted 8 times: away", "tenant_resume.yml"),
    "it was never provisioned": (
        found(Status.ERROR, replace(BROKEN, verb=Verb.PROVISION), provisioning_status=Provisioning.PROVISIONING),
        "provision failed: Stop Odoo: no space", "tenant_provision.yml"),
    "its subscription can't become a tenant": (
        found(Status.ERROR, subdomain=None, status_message="illegal subdomain; found: A_B"),
        "its subscription can't become a tenant: illegal subdomain; found: A_B", "tenant_terminate.yml"),
    "by hand, and it failed": (
        found(Status.ERROR, status_message="no place", desired_state=Desired.MANUAL), "no place", "tenant_restart.yml"),
    "by hand, and it was never provisioned": (
        found(Status.ERROR, status_message="no place", desired_state=Desired.MANUAL,
              provisioning_status=Provisioning.PROVISIONING), "no place", "tenant_provision.yml"),
    "a verb by hand that nobody goes on with": (
        found(Status.STOPPING, operation=Verb.STOP, desired_state=Desired.MANUAL),
        "stop was not finished, and nobody goes on with it", "tenant_stop.yml"),
    "a plan that could not be applied": (
        found(Status.RUNNING, BROKEN, plan_name="large", failed_plan="large", status_message="too small"),
        "plan large could not be applied: too small", "tenant_resize.yml"),
    "a move that could not be undone": (
        found(Status.ERROR, replace(BROKEN, verb=Verb.MIGRATE), operation=Verb.MIGRATE),
        "migrate failed: Stop Odoo: no space", "tenant_settle.yml"),
    "what is kept of a move is stuck": (
        replace(found(), settling=STUCK_MOVE), f"its move can't be settled, tried {STUCK} times: server pool-1 is away",
        "tenant_settle.yml"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_who_needs_a_person(case: str) -> None:
    seen, cause, playbook = CASES[case]
    said = need(seen)
    assert said is not None
    assert said.cause == cause
    reference = seen.tenant.subdomain or seen.tenant.id
    assert said.command == f"ansible-playbook playbooks/{playbook} -e tenant={reference}"
    assert said.since == (LATER if "plan" in case or "kept" in case else START)


def test_who_only_reads_needs_a_person_unless_it_is_terminated() -> None:
    full = Storage(11 * 2**30, 10 * 2**30, Level.READ_ONLY, START)
    said = need(replace(found(), since=LATER, storage=full))
    assert said is not None
    assert said.cause.startswith("its database takes 11.0 GB of the 10.0 GB of its plan, so it can only be read until it has")
    assert (said.since, said.command) == (START, "ansible-playbook playbooks/postgres_pool_health.yml")
    assert need(replace(found(Status.TERMINATED), storage=full)) is None


@pytest.mark.parametrize("case", CASES)
def test_who_is_worked_on_or_tried_again_needs_nobody(case: str) -> None:
    seen, _, _ = CASES[case]
    assert need(replace(seen, worked_on=True)) is None
    assert need(replace(seen, last=replace(seen.last or BROKEN, open=True))) is None


NOBODY: dict[str, Found] = {
    "it runs": found(Status.RUNNING, replace(BROKEN, status="succeeded")),
    "it runs, though a run failed before": found(Status.RUNNING, BROKEN),
    "another plan than the one that failed is wished": found(plan_name="small", failed_plan="large"),
    "it is being moved, which is settled by itself": found(Status.MIGRATING, operation=Verb.MIGRATE),
    "a move was not settled once": replace(found(), settling=replace(STUCK_MOVE, tries=1)),
    "it is terminated": found(Status.TERMINATED),
}


@pytest.mark.parametrize("case", NOBODY)
def test_who_comes_right_or_is_right_needs_nobody(case: str) -> None:
    assert need(NOBODY[case]) is None
