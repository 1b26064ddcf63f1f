"""What the tests on a cluster share."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.controllers import Objects
from tests.fixtures.ansible import ROOT, run_tasks
from tests.fixtures.cluster import Access
from tests.fixtures.images import Images
from tests.fixtures.kubernetes_platform import kubernetes_platform
from tests.fixtures.kubernetes_tenants import KubernetesTenants

#: Takes objects, gives them to the cluster.
Apply = Callable[..., None]


@pytest.fixture
def namespace(kubernetes: Access) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    task: dict[str, Any] = {"kind": "Namespace", "api_version": "v1", "name": name, "kubeconfig": kubernetes.kubeconfig}
    assert run_tasks([{"kubernetes.core.k8s": task}])[0]["changed"]
    yield name
    run_tasks([{"kubernetes.core.k8s": task | {"state": "absent"}}])


@pytest.fixture(scope="session")
def kubernetes_tenants(kubernetes_node: Cluster, kubernetes_images: Images) -> Iterator[KubernetesTenants]:
    """Tenants of a platform in the cluster of this machine; another cluster would not know this machine's home."""
    definitions = ROOT.parent / "shared/crds/cnpg-1.30.0.yaml"
    if not definitions.exists():
        pytest.skip("the kinds of CloudNativePG are not here")
    names = {name: getattr(kubernetes_images, name).name for name in ("odoo", "pgbouncer", "postgres")}
    with (
        kubernetes_platform(kubernetes_node.kubeconfig, names, definitions) as local,
        closing(Objects(str(kubernetes_node.kubeconfig))) as objects,
    ):
        yield KubernetesTenants(local, objects)


@pytest.fixture(scope="session")
def tenants(kubernetes_tenants: KubernetesTenants) -> KubernetesTenants:
    """What the tests of every backend ask for."""
    return kubernetes_tenants


@pytest.fixture
def apply(kubernetes: Access) -> Apply:
    """Applies objects as the platform does: server-side, under one name."""

    def apply(*manifests: dict[str, Any]) -> None:
        tasks = [
            {"resource_definition": each, "apply": True, "server_side_apply": {"field_manager": "saasodoo"}} for each in manifests
        ]
        for done in run_tasks([{"kubernetes.core.k8s": task | {"kubeconfig": kubernetes.kubeconfig}} for task in tasks]):
            assert not done.get("failed"), done

    return apply
