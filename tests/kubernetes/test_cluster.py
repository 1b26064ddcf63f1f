"""The cluster that tests stand on is a real one, and nothing is left of it."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from psutil import process_iter

from tests.cluster.cell import SYSCTLS, cell
from tests.cluster.cluster import Cluster, cluster
from tests.fixtures.ansible import run_tasks
from tests.fixtures.cluster import Access, load_busybox
from tests.kubernetes.conftest import Apply
from tests.kubernetes.manifests import deployment, manifest, pod_template

pytestmark = pytest.mark.kubernetes

_PATIENCE = 20  # seconds; kube-proxy lags behind what is ready


def page(address: str) -> str:
    """Return what is at the address, once something is."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"http://{address}/", timeout=2) as answer:
                return str(answer.read().decode())
        except OSError:
            if time.monotonic() > end:
                raise
        time.sleep(0.2)


def left() -> dict[str, object]:
    """Return what a cluster could leave on this machine."""
    words = ("kubernetes", "containerd", "coredns", "pause")
    return {
        "mounts": Path("/proc/mounts").read_text(),
        "links": subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout,
        "routes": subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout,
        "settings": {name: Path("/proc/sys", name).read_text() for name in SYSCTLS if Path("/proc/sys", name).exists()},
        "cgroups": sorted(map(str, Path("/sys/fs/cgroup").glob("**/kubepods*"))),
        "namespaces": sorted(map(str, Path("/run/netns").glob("*"))),
        "processes": [each.info["name"] for each in process_iter(["name"]) if each.info["name"].startswith(words)],
    }


@pytest.mark.long  # since it looks at all of the machine, it can't share it with other tests
def test_nothing_is_left_of_it(kubernetes_programs: Path) -> None:
    before = left()
    with cluster(kubernetes_programs) as node:
        load_busybox(node)
        access = Access(str(node.kubeconfig), "docker.io/library/busybox:1.36")
        template = pod_template("one", access.image, "sleep", "600")
        task = {"resource_definition": deployment("default", "one", template), "kubeconfig": access.kubeconfig}
        wanted = {"api_version": "apps/v1", "kind": "Deployment", "name": "one", "namespace": "default"}
        made, ready = run_tasks([
            {"kubernetes.core.k8s": task},
            {"saasodoo.platform.kubernetes_ready": {"objects": [wanted], "kubeconfig": access.kubeconfig}},
        ])  # fmt: skip
        assert made["changed"]
        assert not ready.get("failed"), ready
    assert left() == before


def test_a_second_one_is_refused_and_leaves_the_first_alone(kubernetes_node: Cluster, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="another test cluster is running"), cell(tmp_path):
        pass
    assert kubernetes_node.get("/readyz") is not None


def test_pods_reach_each_other_by_name_and_this_machine_reaches_them(
    kubernetes: Access, kubernetes_node: Cluster, namespace: str, apply: Apply
) -> None:
    serve = "mkdir /www; echo hello >/www/index.html; exec /bin/busybox httpd -f -p 8080 -h /www"
    copy = f"until /bin/busybox wget -qO- http://web.{namespace}.svc.cluster.local; do sleep 0.2; done > /tmp/page"
    relay = f"mkdir -p /tmp; {copy}; mkdir /www; mv /tmp/page /www/index.html; exec /bin/busybox httpd -f -p 8080 -h /www"
    for name, script in (("web", serve), ("relay", relay)):
        apply(
            deployment(namespace, name, pod_template(name, kubernetes.image, "sh", "-c", script)),
            manifest(
                "v1", "Service", namespace, name, spec={"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}
            ),
        )
    service = kubernetes_node.get(f"/api/v1/namespaces/{namespace}/services/relay")
    assert page(service["spec"]["clusterIP"]) == "hello\n"


def test_a_killed_api_server_comes_back_with_all_it_had(kubernetes_node: Cluster, namespace: str) -> None:
    kubernetes_node.cell.kill("kube-apiserver")
    kubernetes_node.start("kube-apiserver")
    kubernetes_node.until("it is ready", lambda: kubernetes_node.get("/readyz") is not None, "kube-apiserver")
    assert kubernetes_node.get(f"/api/v1/namespaces/{namespace}")["status"]["phase"] == "Active"
