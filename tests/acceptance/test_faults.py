"""kill -9 in the middle of provisioning, at a moment drawn by lot: it goes on by itself, to exactly one healthy tenant."""

from __future__ import annotations

import os
import random
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from demo.platform import Platform
from demo.timeline import wait_until
from tests.acceptance.evidence import gather, stray
from tests.faults import victims
from tests.fixtures.platform import LocalPlatform
from tests.fixtures.processes import kill
from tests.fixtures.reporting import Report

_PATIENCE = 240  # seconds
_LONGEST = 3.0  # seconds after its begin, which is most of a provisioning
_SEED = int(os.environ.get("SAASODOO_TEST_SEED") or time.time_ns() % 1_000_000)


def the_worker(home: Path, tenant: Tenant) -> list[int]:
    """Return the runner's worker; supervisord starts it again."""
    return victims.runner(home)


def the_playbook(home: Path, tenant: Tenant) -> list[int]:
    """Return ansible-playbook with its task workers."""
    return victims.playbook_of(home, str(tenant.id))


def the_server(home: Path, tenant: Tenant) -> list[int]:
    """Return the postmaster of the tenants' pool; supervisord starts it again."""
    return victims.postgres(home, "pool-1")[:1]


@pytest.mark.parametrize("victim", [the_worker, the_playbook, the_server])
def test_killed_in_the_middle_of_provisioning(
    platform: LocalPlatform, victim: Callable[[Path, Tenant], list[int]], report: Report
) -> None:
    shop = Platform.here(platform.environment)
    name = f"fault-{uuid.uuid4().hex[:6]}"
    delay = random.Random(f"{_SEED} {victim.__name__}").uniform(0, _LONGEST)
    report(f"{victim.__name__} is killed {delay:.2f} s after the begin (SAASODOO_TEST_SEED={_SEED})")

    shop.customer.subscribe(shop.open_account(name), "basic-monthly", name)
    wait_until(
        f"{name} is begun", lambda: (tenant := shop.find_tenant(name)) is not None and tenant.operation is not None, _PATIENCE
    )
    tenant = shop.tenant(name)
    time.sleep(delay)
    kill(victim(platform.home, tenant))

    wait_until(f"{name} runs, without a person", lambda: runs(shop.tenant(name)), _PATIENCE)
    wait_until(f"{name} has its database again", lambda: shop.status_of(name) == 200, _PATIENCE)
    assert shop.log_in(name).search("res.users", []), "it works"
    seen = gather(shop, platform.home)
    assert stray(seen) == []
    assert seen.places[str(tenant.id)] == "in_use"
    assert [route for route in seen.routes if route.startswith(f"{name}.")] == [
        f"{name}.localhost/open-{tenant.http_port}-{tenant.short_id}"
    ]


def runs(tenant: Tenant) -> bool:
    """Whether the tenant runs, and nobody works on it any more."""
    return tenant.operation is None and tenant.status is Status.RUNNING
