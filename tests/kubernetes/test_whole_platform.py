"""All of it in a cluster, Kill Bill too: a subscription becomes a pod, and every turn of a customer's life follows."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest
import requests

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Billing, Provisioning, Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry
from demo.platform import Platform
from demo.timeline import wait_until
from tests.acceptance.test_customer_life import answers, until
from tests.acceptance.test_plan_change import Visitor
from tests.cluster.cluster import Cluster
from tests.fixtures.customers import insist, subscribe
from tests.fixtures.images import Images
from tests.fixtures.kubernetes_operator import Operator, whole_platform
from tests.fixtures.kubernetes_platform import WHOLE_NAMESPACE, Backed

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900)]

_OK, _SUSPENDED, _UNKNOWN = 200, 503, 404
_PATIENCE = 240  # seconds; the machine may be busy
_SERVER = "SELECT server_name AS name FROM database.allocations WHERE tenant_id = %s AND purpose = 'home'"
_RUN = "SELECT id, worker, status FROM ops.runs WHERE tenant_id = %s AND kind = %s ORDER BY queued_at DESC LIMIT 1"


@pytest.fixture(scope="module")
def whole(kubernetes_node: Cluster, kubernetes_backed: Backed, kubernetes_images: Images) -> Iterator[tuple[Operator, Platform]]:
    """A platform of pods."""
    for each in (kubernetes_images.platform, kubernetes_images.mariadb, kubernetes_images.killbill):
        kubernetes_node.import_archive(each.archive)
    names = kubernetes_images.names("odoo", "pgbouncer", "platform", "postgres", "mariadb", "killbill")
    with whole_platform(kubernetes_backed, names | {"kaui": ""}) as made:
        yield made


@pytest.fixture
def operator(whole: tuple[Operator, Platform]) -> Operator:
    return whole[0]


@pytest.fixture
def shop(whole: tuple[Operator, Platform]) -> Platform:
    return whole[1]


def tenants_objects(operator: Operator, tenant: Tenant) -> list[str]:
    """Return the kinds of what there is of a tenant in the cluster."""
    kinds = [("v1", "Pod"), ("v1", "Secret"), ("v1", "Service"), ("apps/v1", "Deployment"), ("networking.k8s.io/v1", "Ingress")]
    return [
        kind
        for version, kind in kinds
        for each in operator.cluster.objects.all(version, kind)
        if each["metadata"]["namespace"] == WHOLE_NAMESPACE and each["metadata"]["name"].startswith(f"odoo-{tenant.short_id}")
    ]


def pod(operator: Operator, tenant: Tenant) -> tuple[str, str]:
    """Return the uid of the tenant's only pod and the CPU it is limited to."""
    (found,) = [
        each
        for each in operator.cluster.objects.all("v1", "Pod")
        if each["metadata"]["name"].startswith(f"odoo-{tenant.short_id}-") and not each["metadata"].get("deletionTimestamp")
    ]
    return found["metadata"]["uid"], found["status"]["containerStatuses"][0]["resources"]["limits"]["cpu"]


def server_of(shop: Platform, tenant: Tenant) -> str:
    """Return the Postgres server that the tenant's database is on."""
    with registry.connect(shop.registry) as connection:
        row = connection.execute(_SERVER, (tenant.id,)).fetchone()
    assert row is not None
    return str(row["name"])


def test_playing_it_again_changes_nothing(operator: Operator) -> None:
    for part in ("registry", "postgres_pools", "odoo_templates", "ingress", "billing", "runner"):
        run = operator.play(part)
        assert (run.rc, run.changed) == (0, 0), (part, json.dumps([each for each in run.results if each.get("changed")])[:2000])


def test_a_customers_life(operator: Operator, shop: Platform) -> None:
    name = f"life-{uuid.uuid4().hex[:6]}"
    customer = shop.customer  # who insists: one node carries all of it, and Kill Bill is slow to answer there
    insist(lambda: customer.set_payments("succeed"))

    account, subscription = subscribe(customer, "basic-immediate", name)
    answers(shop, name, _OK)
    tenant = until(shop, name, "runs, paid", status=Status.RUNNING, billing_status=Billing.PAID, applied_plan="basic-immediate")
    assert tenant.subscription_id == subscription
    note = shop.log_in(name).create("res.partner", {"name": "written at first"})
    first, cores = pod(operator, tenant)
    assert cores == "2"
    home_server = server_of(shop, tenant)

    with Visitor(shop, name) as visitor:
        insist(lambda: customer.change_plan(subscription, "standard-monthly"))
        until(shop, name, "resized", applied_plan="standard-monthly", operation=None, status=Status.RUNNING)
        assert pod(operator, tenant) == (first, "4"), "the same pod, with more cores"
        insist(lambda: customer.change_plan(subscription, "premium-monthly"))
        until(shop, name, "moved", applied_plan="premium-monthly", operation=None, status=Status.RUNNING)
    assert visitor.failures == []
    assert server_of(shop, tenant) != home_server
    assert shop.log_in(name).read("res.partner", note, ["name"])["name"] == "written at first"

    insist(lambda: customer.set_payments("fail"))
    shop.pass_days(31)
    answers(shop, name, _SUSPENDED)
    until(shop, name, "suspended", status=Status.PAUSED, operation=None)
    assert "Pod" not in tenants_objects(operator, tenant)

    insist(lambda: customer.set_payments("succeed"))
    insist(lambda: customer.pay(account))
    answers(shop, name, _OK)
    until(shop, name, "paid again", status=Status.RUNNING, billing_status=Billing.PAID)
    assert shop.log_in(name).read("res.partner", note, ["name"])["name"] == "written at first"

    insist(lambda: customer.cancel(subscription, "IMMEDIATE"))
    until(shop, name, "terminated", status=Status.TERMINATED, provisioning_status=Provisioning.TERMINATED)
    answers(shop, name, _UNKNOWN)
    assert tenants_objects(operator, tenant) == []


def test_a_worker_that_is_killed_leaves_nothing_stuck(operator: Operator, shop: Platform) -> None:
    name = f"fault-{uuid.uuid4().hex[:6]}"
    insist(lambda: shop.customer.set_payments("succeed"))
    subscribe(shop.customer, "basic-immediate", name)
    wait_until(f"{name} is begun", lambda: running(shop, name) is not None, _PATIENCE)
    run = running(shop, name)
    assert run is not None
    operator.cluster.objects.kill_pod(str(run["worker"]).partition("/")[0], WHOLE_NAMESPACE)

    wait_until(f"{name} is settled", lambda: shop.tenant(name).operation is None, _PATIENCE)
    if shop.tenant(name).status is not Status.RUNNING:  # it was not too late to kill it
        retry(operator, shop, str(run["id"]))
    answers(shop, name, _OK)
    until(shop, name, "runs", status=Status.RUNNING, operation=None)
    shop.log_in(name)

    # The others work on, and the one that died is there again.
    wait_until("two workers run", lambda: len(operator.pods("runner-worker")) == 2, _PATIENCE)


def running(shop: Platform, name: str) -> dict[str, object] | None:
    """Return the run that provisions the tenant now."""
    tenant = shop.find_tenant(name)
    if tenant is None or tenant.operation is None:
        return None
    with registry.connect(shop.registry) as connection:
        row = connection.execute(_RUN, (tenant.id, "provision")).fetchone()
    return dict(row) if row and row["status"] == "running" else None


def retry(operator: Operator, shop: Platform, run: str) -> None:
    """Ask the runner to try again."""
    token = (operator.home / "secrets/runner/api.token").read_text().strip()
    address = f"{shop.callback_address.partition('/api/')[0]}/api/admin/runs/{run}/retry"
    requests.post(address, headers={"Authorization": f"Bearer {token}"}, timeout=10).raise_for_status()
