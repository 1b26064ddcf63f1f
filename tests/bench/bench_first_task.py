"""From a webhook to the first task of the playbook it sets off, against ansible-rulebook with the same playbook.

Ours stores the event durably, re-reads the account from Kill Bill, decides, and records the run on the way; ansible-rulebook
starts the playbook at once. Both are timed from the POST to the moment the first task writes into the registry.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Connection
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry
from demo.platform import Platform
from demo.settings import PROJECT
from demo.timeline import wait_until
from tests.bench.comparison import Comparison, in_turn
from tests.fixtures.platform import LocalPlatform
from tests.fixtures.postgres import free_port

_RUNS = 5
_ATTEMPTS, _SETTLE = 5, 2.0  # seconds
_RULEBOOK = Path(__file__).with_name("first_task.rulebook.yml")
_BEGUN = "SELECT extract(epoch FROM max(at))::float AS at FROM tenant.transitions WHERE tenant_id = %s AND verb = 'resume'"


def run(platform: LocalPlatform) -> Iterator[Comparison]:
    """Suspend a paying tenant by hand, then let a webhook bring it back; again and again."""
    shop = Platform.here(platform.environment)
    name = f"bench-{uuid.uuid4().hex[:8]}"
    account = shop.open_account(name)
    shop.customer.subscribe(account, "basic-monthly", name)
    wait_until(f"{name} runs", lambda: shop.status_of(name) == 200)
    body = {"eventType": "INVOICE_CREATION", "accountId": str(account), "objectType": "INVOICE", "objectId": "", "metaData": None}

    def measure(address: str) -> float:
        return suspended_then(platform, shop, name, lambda: requests.post(address, json=body, timeout=15).raise_for_status())

    with rulebook(platform, str(shop.tenant(name).id)) as address:
        yield in_turn(
            "webhook to first task",
            lambda: measure(shop.callback_url),
            "ansible-rulebook",
            lambda: measure(address),
            _RUNS,
        )


def suspended_then(platform: LocalPlatform, shop: Platform, name: str, post: Callable[[], None]) -> float:
    """Return the seconds from ``post`` to the first task of the run that resumes the tenant."""
    tenant = suspended(platform, shop, name)
    start = time.time()  # compared with the registry's clock, which is this machine's
    post()
    with registry.connect(shop.registry, autocommit=True) as connection:

        def begun() -> float:
            row = connection.execute(_BEGUN, (tenant.id,)).fetchone()
            return float(row["at"] or 0) if row else 0

        wait_until(f"{name} resumes", lambda: begun() > start)
        first_task = begun_first(connection, tenant.id, start)
    wait_until(f"{name} runs again", lambda: shop.tenant(name).operation is None and shop.status_of(name) == 200)
    return first_task - start


def suspended(platform: LocalPlatform, shop: Platform, name: str) -> Tenant:
    """Return the tenant suspended by hand and left so: the sync after its last run may still bring it back once."""
    for _ in range(_ATTEMPTS):
        done = platform.play("tenant_suspend", tenant=name)
        assert done.rc == 0, done.failure
        time.sleep(_SETTLE)
        tenant = shop.tenant(name)
        if tenant.status is Status.PAUSED and tenant.operation is None:
            return tenant
        wait_until(f"{name} is at rest", lambda: shop.tenant(name).operation is None)
    raise RuntimeError(f"{name} does not stay suspended")


def begun_first(connection: Connection, tenant_id: uuid.UUID, after: float) -> float:
    """Return when the resume's first step after ``after`` was written, as seconds since the epoch."""
    query = (
        "SELECT extract(epoch FROM min(at))::float AS at FROM tenant.transitions"
        " WHERE tenant_id = %s AND verb = 'resume' AND at > to_timestamp(%s)"
    )
    row = connection.execute(query, (tenant_id, after)).fetchone()
    assert row is not None
    return float(row["at"])


@contextmanager
def rulebook(platform: LocalPlatform, tenant: str) -> Iterator[str]:
    """Run ansible-rulebook for ``tenant`` and yield the address it listens on."""
    port = free_port()
    variables = platform.home.parent / "rulebook.json"
    variables.write_text(json.dumps({"port": port, "playbook": str(PROJECT / "playbooks/tenant_resume.yml"), "tenant": tenant}))
    environment = {
        **platform.environment,
        "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
        "JAVA_HOME": str(Path(os.path.realpath("/usr/bin/java")).parents[1]),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SAASODOO_TENANT": tenant,
    }
    # It copies what it is given, so a lone file would lose its group_vars; the fleet's inventory it is spared.
    inventory = platform.home.parent / "rulebook-inventory"
    shutil.copytree(PROJECT / "inventories/local", inventory, ignore=shutil.ignore_patterns("fleet*"))
    command = ["ansible-rulebook", "--rulebook", str(_RULEBOOK), "--inventory", str(inventory), "--vars", str(variables)]
    log = platform.home.parent / "rulebook.log"
    with log.open("w") as out, subprocess.Popen(command, env=environment, cwd=PROJECT, stdout=out, stderr=out) as process:
        try:
            wait_until("ansible-rulebook listens", lambda: listens(port), 60)
            yield f"http://127.0.0.1:{port}/endpoint"
        finally:
            process.terminate()


def listens(port: int) -> bool:
    """Whether something answers on ``port``."""
    try:
        requests.get(f"http://127.0.0.1:{port}/", timeout=1)
    except requests.RequestException:
        return False
    return True
