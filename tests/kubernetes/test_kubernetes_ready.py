"""Waiting for objects on a real cluster: what is ready is seen, what is not is explained in the cluster's own words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.ansible import run_tasks
from tests.fixtures.cluster import Access
from tests.fixtures.postgres import free_port
from tests.kubernetes.conftest import Apply
from tests.kubernetes.manifests import deployment, manifest, pod_template

pytestmark = pytest.mark.kubernetes


@pytest.fixture
def ready(kubernetes: Access, namespace: str) -> Any:
    """Waits for one object and returns the task's result."""

    def ready(kind: str, name: str, *, timeout: int = 60, check: bool = False, **more: Any) -> dict[str, Any]:
        wanted = {"kind": kind, "name": name, "namespace": namespace} | more.pop("object", {})
        task = {"objects": [wanted], "timeout": timeout, "kubeconfig": kubernetes.kubeconfig} | more
        return run_tasks([{"saasodoo.platform.kubernetes_ready": task}], check=check)[0]

    return ready


APPS = {"object": {"api_version": "apps/v1"}}


def test_a_workload_is_ready_when_all_its_pods_are(kubernetes: Access, namespace: str, apply: Apply, ready: Any) -> None:
    probe = {"readinessProbe": {"exec": {"command": ["/bin/busybox", "test", "-e", "/tmp/up"]}, "periodSeconds": 1}}
    template = pod_template("slow", kubernetes.image, "sh", "-c", "sleep 2; mkdir -p /tmp; >/tmp/up; sleep 600", **probe)
    apply(deployment(namespace, "slow", template, replicas=2))
    done = ready("Deployment", "slow", **APPS)
    assert not done["changed"]
    assert done["objects"] == [
        {"name": f"Deployment slow in namespace {namespace}", "found": "2 of 2 replicas are available, 2 of them of the new kind"}
    ]


def test_an_image_that_is_missing_is_not_waited_for(kubernetes: Access, namespace: str, apply: Apply, ready: Any) -> None:
    template = pod_template("none", "saasodoo.invalid/none:1", "true", imagePullPolicy="Never")
    apply(deployment(namespace, "none", template))
    failed = ready("Deployment", "none", timeout=300, **APPS)
    assert failed["code"] == "timeout"
    assert "does not become ready by waiting" in failed["msg"]
    assert "container main waits: ErrImageNeverPull" in failed["found"]
    assert "saasodoo.invalid/none:1" in failed["found"]


def test_a_container_that_ends_is_shown_with_the_end_of_its_log(
    kubernetes: Access, namespace: str, apply: Apply, ready: Any
) -> None:
    template = pod_template("ends", kubernetes.image, "sh", "-c", "echo first; echo the reason; exit 3")
    apply(deployment(namespace, "ends", template, minReadySeconds=10))  # for a moment it runs
    failed = ready("Deployment", "ends", timeout=12, **APPS)
    assert "0 of 1 replicas are available" in failed["found"]
    assert "exit code 3" in failed["found"]
    assert "first | the reason" in failed["found"]


def test_a_container_that_took_too_much_memory_is_named(kubernetes: Access, namespace: str, apply: Apply, ready: Any) -> None:
    limits = {"resources": {"limits": {"memory": "16Mi"}}}
    template = pod_template("large", kubernetes.image, "tail", "/dev/zero", **limits)  # keeps what has no end of line
    apply(deployment(namespace, "large", template, minReadySeconds=10))  # for a moment it runs
    assert "container main ended: OOMKilled" in ready("Deployment", "large", timeout=15, **APPS)["found"]


def test_a_quota_that_is_used_up_is_named(kubernetes: Access, namespace: str, apply: Apply, ready: Any) -> None:
    apply(manifest("v1", "ResourceQuota", namespace, "few", spec={"hard": {"pods": "1"}}))
    apply(deployment(namespace, "many", pod_template("many", kubernetes.image, "sleep", "600"), replicas=2))
    failed = ready("Deployment", "many", timeout=10, **APPS)
    assert "exceeded quota: few" in failed["found"]


def test_a_claim_that_nothing_satisfies_is_explained(namespace: str, apply: Apply, ready: Any) -> None:
    resources = {"requests": {"storage": "1Gi"}}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": resources}
    apply(manifest("v1", "PersistentVolumeClaim", namespace, "data", spec=spec))
    failed = ready("PersistentVolumeClaim", "data", timeout=5)
    assert "its phase is Pending" in failed["found"]
    assert "FailedBinding" in failed["found"]


def test_what_does_not_exist_and_what_can_not_exist(namespace: str, ready: Any) -> None:
    assert ready("ConfigMap", "none", timeout=1)["found"] == "it does not exist"
    unknown = ready("Tenant", "none", timeout=1)
    assert (unknown["code"], "Tenant" in unknown["msg"]) == ("invalid_input", True)
    assert not ready("ConfigMap", "none", check=True).get("failed")


def test_a_cluster_that_is_away_and_a_file_that_is_none(ready: Any, kubernetes: Access, tmp_path: Path) -> None:
    away = tmp_path / "away.kubeconfig"
    text = Path(kubernetes.kubeconfig).read_text()
    server = next(line.split()[-1] for line in text.splitlines() if "server:" in line)
    away.write_text(text.replace(server, f"https://127.0.0.1:{free_port()}"))
    assert ready("ConfigMap", "none", kubeconfig=str(away))["code"] == "unavailable"
    away.write_text("{}")
    assert ready("ConfigMap", "none", kubeconfig=str(away))["code"] == "invalid_input"
