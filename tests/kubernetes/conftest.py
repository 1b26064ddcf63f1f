"""What the tests on a cluster share. It ends with the last of them, since a cluster is busy also when it has nothing to do."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import binaries
from tests.cluster.cluster import Cluster, cluster, obstacle
from tests.cluster.controllers import Objects, running
from tests.cluster.definitions import ROOK
from tests.cluster.fake_rook import FakeRook
from tests.cluster.pods import ailing
from tests.fixtures.ansible import run_tasks
from tests.fixtures.cluster import IMAGE, Access, load_busybox
from tests.fixtures.images import Images
from tests.fixtures.kubernetes_platform import Backed, backed, kubernetes_platform
from tests.fixtures.kubernetes_tenants import KubernetesTenants

#: Takes objects, gives them to the cluster.
Apply = Callable[..., None]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failed test which pods of the shared cluster are not well, and why: nothing is left of them afterwards."""
    report = yield
    node = getattr(item, "funcargs", {}).get("kubernetes_node") or getattr(item, "funcargs", {}).get("kubernetes_backed")
    if report.failed and node is not None:
        with closing(Objects(str(node.kubeconfig))) as objects:
            report.sections.append(("pods that are not well", ailing(objects)))
    return report


@pytest.fixture(scope="package")
def kubernetes_programs() -> Path:
    """Kubernetes' programs, where this machine can run them."""
    if reason := obstacle():
        pytest.skip(f"{reason}; or let KUBECONFIG name another")
    if not binaries.built(binaries.cache()):
        pytest.skip("Kubernetes has to be built first: make test-kubernetes")
    return binaries.kubernetes(binaries.cache())


@pytest.fixture(scope="package")
def kubernetes_node(kubernetes_programs: Path) -> Iterator[Cluster]:
    """A cluster of one node, on this machine."""
    with cluster(kubernetes_programs) as running:
        load_busybox(running)
        yield running


@pytest.fixture(scope="package")
def kubernetes(request: pytest.FixtureRequest) -> Access:
    """Any cluster."""
    if given := os.environ.get("KUBECONFIG"):
        return Access(given, os.environ.get("SAASODOO_TEST_IMAGE", IMAGE))
    node: Cluster = request.getfixturevalue("kubernetes_node")
    return Access(str(node.kubeconfig), IMAGE)


@pytest.fixture(scope="package")
def kubernetes_images(request: pytest.FixtureRequest, images: Images) -> Images:
    """The images where pods find them, but for the platform's. The cluster that KUBECONFIG names has them already."""
    if not os.environ.get("KUBECONFIG"):
        node: Cluster = request.getfixturevalue("kubernetes_node")
        for image in (images.odoo, images.pgbouncer, images.postgres):
            node.import_archive(image.archive)
    return images


@pytest.fixture
def namespace(kubernetes: Access) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    task: dict[str, Any] = {"kind": "Namespace", "api_version": "v1", "name": name, "kubeconfig": kubernetes.kubeconfig}
    assert run_tasks([{"kubernetes.core.k8s": task}])[0]["changed"]
    yield name
    run_tasks([{"kubernetes.core.k8s": task | {"state": "absent"}}])


@pytest.fixture(scope="package")
def kubernetes_backed(kubernetes_node: Cluster) -> Iterator[Backed]:
    """The cluster of this machine with what platforms need; another cluster would not know this machine's folders."""
    with backed(kubernetes_node) as cluster:
        yield cluster


@pytest.fixture(scope="package")
def kubernetes_tenants(kubernetes_backed: Backed, kubernetes_images: Images) -> Iterator[KubernetesTenants]:
    """Tenants of a platform that has its servers and tenants in a cluster."""
    with kubernetes_platform(kubernetes_backed, kubernetes_images.names("odoo", "pgbouncer", "postgres")) as local:
        yield KubernetesTenants(local, kubernetes_backed)


@pytest.fixture(scope="package")
def tenants(kubernetes_tenants: KubernetesTenants) -> KubernetesTenants:
    """What the tests of every backend ask for."""
    return kubernetes_tenants


@pytest.fixture(scope="module")
def rook(kubernetes_node: Cluster) -> Iterator[tuple[Objects, FakeRook]]:
    """A cluster that knows Rook's kinds, and who says of each object how it is."""
    fake = FakeRook()
    with closing(Objects(str(kubernetes_node.kubeconfig))) as objects:
        for each in ROOK.read(binaries.cache()):
            objects.apply(each, "tests")
        with running(str(kubernetes_node.kubeconfig), [fake]):
            yield objects, fake


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
