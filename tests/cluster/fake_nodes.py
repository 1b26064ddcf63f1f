"""A cluster for numbers that no machine could run: all of it is real but the nodes, and kwok says of each pod that it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.cluster import binaries
from tests.cluster.cluster import Cluster, control_plane
from tests.cluster.controllers import Manifest, Objects

_NODES = 75  # as many as are planned for 10,000 tenants (mission: platform provisioning); kwok gives each room enough
_PODS = "10.244.0.1/16"
# What keeps a small cluster's controllers from crowding its API server keeps a large one's from their work.
_CLIENT = ("--kube-api-qps=2000", "--kube-api-burst=4000")
_OPTIONS = {
    "etcd": ("--quota-backend-bytes=8589934592",),  # the usual 2 GiB are full before 10,000 tenants' first compaction
    "kube-controller-manager": (*_CLIENT, "--concurrent-deployment-syncs=20", "--concurrent-replicaset-syncs=20"),
    "kube-scheduler": _CLIENT,
}


@contextmanager
def fake_nodes() -> Iterator[Cluster]:
    """Start one, its programs built first where they are not, and take it down, with all it left on the machine."""
    kubernetes, kwok = binaries.kubernetes(binaries.cache()), binaries.kwok(binaries.cache())
    with control_plane(kubernetes, _OPTIONS) as running, closing(Objects(str(running.kubeconfig))) as objects:
        # Without a configuration of somebody's own, pods are ready as soon as they are scheduled.
        told = ("--config=/dev/null", "--manage-all-nodes", f"--cidr={_PODS}", "--node-lease-duration-seconds=40", "-v=ERROR")
        running.cell.start("kwok", kwok, f"--kubeconfig={running.kubeconfig}", *told)
        for number in range(_NODES):
            objects.apply(_node(f"fake-{number + 1}"), "tests")
        running.until("all nodes are ready", lambda: all(map(_is_ready, objects.all("v1", "Node"))), "kwok")
        yield running


def _node(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}}


def _is_ready(node: Manifest) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"].get("conditions") or [])
