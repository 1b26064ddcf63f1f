"""What the tests on a cluster share."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fixtures.ansible import run_tasks
from tests.fixtures.cluster import Access

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
