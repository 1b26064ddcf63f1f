"""What goes wrong in a real cluster: the run ends in an error that names the object and the reason, and the next one heals."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from kubernetes import client

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status
from tests.cluster.cluster import NODE, Cluster
from tests.contract.tenant_verbs import ALL_THERE
from tests.fixtures.kubernetes_platform import NAMESPACE
from tests.fixtures.kubernetes_tenants import KubernetesTenants

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900)]

_IMPATIENT: dict[str, Any] = {"odoo_tenant_start_timeout": 20}  # seconds; it takes some five


def otherwise(tenants: KubernetesTenants, **settings: str) -> dict[str, Any]:
    """Return the settings of the cluster, some of them otherwise."""
    known: Any = tenants.local.variables["saasodoo_kubernetes"]
    return {"saasodoo_kubernetes": {**known, **settings}}


def fails(tenants: KubernetesTenants, name: str, *words: str, **more: Any) -> None:
    """Provision a new tenant, which must fail with these words, in its record, too."""
    run = tenants.run("provision", name, customer="c1", plan="basic-monthly", **_IMPATIENT, **more)
    assert run.failure is not None
    record = tenants.record(name)
    assert record.status is Status.ERROR
    for word in (f"odoo-{record.short_id}", *words):
        assert word in record.status_message, record.status_message
        assert word in run.failure["msg"]


def heals(tenants: KubernetesTenants, name: str) -> None:
    """Provision it again: now it is whole."""
    tenants.do("provision", name)
    record = tenants.record(name)
    assert (record.status, record.status_message) == (Status.RUNNING, "")
    assert tenants.traces(record) == ALL_THERE
    assert tenants.ask(name).status_code == 200


def test_an_image_that_is_not_there(tenants: KubernetesTenants) -> None:
    name, image = tenants.name(), "localhost/saasodoo/odoo:no-such"
    fails(tenants, name, image, "Pull", **otherwise(tenants, odoo_image=image))
    heals(tenants, name)


def test_a_claim_that_nothing_serves(tenants: KubernetesTenants) -> None:
    name = tenants.name()
    claim = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "waits", "namespace": NAMESPACE},
        "spec": {"accessModes": ["ReadWriteMany"], "storageClassName": "nobodys", "resources": {"requests": {"storage": "1Gi"}}},
    }  # fmt: skip
    tenants.objects.apply(claim, "tests")
    fails(tenants, name, "not scheduled", "PersistentVolumeClaim", **otherwise(tenants, home_claim="waits"))
    heals(tenants, name)


def test_a_quota_that_is_used_up(tenants: KubernetesTenants) -> None:
    name, core = tenants.name(), client.CoreV1Api(tenants.objects.client)
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full", "namespace": NAMESPACE}}
    tenants.objects.apply(quota | {"spec": {"hard": {"pods": "1"}}}, "tests")
    try:
        counted = partial(tenants.objects.get, "v1", "ResourceQuota", "full", NAMESPACE)
        tenants.until("the quota is counted", lambda: bool((counted() or {}).get("status")))
        fails(tenants, name, "exceeded quota: full")
    finally:
        core.delete_namespaced_resource_quota("full", NAMESPACE)
    heals(tenants, name)


def test_too_little_memory(tenants: KubernetesTenants) -> None:
    name = tenants.name()
    little = {kind: {"cpu": "500m", "memory": "24Mi"} for kind in ("requests", "limits")}
    fails(tenants, name, "OOMKilled", _odoo_tenant_resources=little)
    heals(tenants, name)


@contextmanager
def killed_during(node: Cluster, daemon: str, delay: float, away: float) -> Iterator[None]:
    """Kill a daemon of the node a moment into the block, and start it again some seconds later."""

    def act() -> None:
        time.sleep(delay)
        node.cell.kill(daemon)
        time.sleep(away)
        node.start(daemon)

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_an_api_server_that_is_killed_meanwhile(tenants: KubernetesTenants, kubernetes_node: Cluster) -> None:
    name = tenants.name()
    with killed_during(kubernetes_node, "kube-apiserver", 4.0, 6.0):
        run = tenants.run("provision", name, customer="c1", plan="basic-monthly")
    if run.failure is not None:
        assert "the cluster does not answer" in run.failure["msg"], run.failure["msg"]
        assert tenants.record(name).status is Status.ERROR
    heals(tenants, name)


def test_a_node_whose_kubelet_is_away(tenants: KubernetesTenants, kubernetes_node: Cluster) -> None:
    name = tenants.name()
    kubernetes_node.cell.kill("kubelet")
    try:
        fails(tenants, name, "0 of 1 replicas are available", f"node {NODE} has not taken it up")
    finally:
        kubernetes_node.start("kubelet")
    heals(tenants, name)
