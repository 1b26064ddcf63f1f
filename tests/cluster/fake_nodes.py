"""A cluster for numbers that no machine could run: all of it is real but the nodes, and kwok says of each pod that it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.cluster import binaries, example
from tests.cluster.cluster import Cluster, control_plane
from tests.cluster.controllers import Manifest, Objects

_NODES = 75  # as many as are planned for 10,000 tenants (mission: platform provisioning); kwok gives each room enough
_PODS = "10.244.0.1/16"


@contextmanager
def fake_nodes() -> Iterator[Cluster]:
    """Start one, its programs built first where they are not, and take it down, with all it left on the machine."""
    kubernetes, kwok = binaries.kubernetes(binaries.cache()), binaries.kwok(binaries.cache())
    with control_plane(kubernetes, _options()) as running, closing(Objects(str(running.kubeconfig))) as objects:
        # Without a configuration of somebody's own, pods are ready as soon as they are scheduled.
        options = ("--config=/dev/null", "--manage-all-nodes", f"--cidr={_PODS}", "--node-lease-duration-seconds=40", "-v=ERROR")
        running.cell.start("kwok", kwok, f"--kubeconfig={running.kubeconfig}", *options)
        for number in range(_NODES):
            objects.apply(_node(f"fake-{number + 1}"), "tests")
        running.until("all nodes are ready", lambda: all(map(_is_ready, objects.all("v1", "Node"))), "kwok")
        yield running


def _options() -> dict[str, tuple[str, ...]]:
    """Return the options of each program, those of a large cluster."""
    control_plane = example.control_plane()
    parts = {
        "etcd": control_plane["etcd"]["local"],
        "kube-controller-manager": control_plane["controllerManager"],
        "kube-scheduler": control_plane["scheduler"],
    }
    return {name: tuple("--{name}={value}".format(**each) for each in part["extraArgs"]) for name, part in parts.items()}


def _node(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}}


def _is_ready(node: Manifest) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"].get("conditions") or [])
