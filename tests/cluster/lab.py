"""Hosts without anything, for role kubernetes_cluster to make a cluster of; by itself it keeps them for molecule.

    python -m tests.cluster.lab FOLDER

writes an inventory and the process id into FOLDER, and ends when it is told to (SIGTERM).
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import example, offline
from tests.cluster.balancer import balancer
from tests.cluster.binaries import cache, kubernetes
from tests.cluster.cell import OUTSIDE
from tests.cluster.hosts import Host, Hosts, hosts

CONTROL_PLANES, WORKERS = ("control-1", "control-2", "control-3"), ("worker-1",)
VERSION, NEXT = offline.BUILT.removeprefix("v"), "1.36.4"
#: What this kind of host can't do, and what makes a control plane lighter. None of it is for production.
_SETTINGS: dict[str, Any] = {
    "kubernetes_cluster_ignored_checks": ["SystemVerification", "Swap", "NumCPU", "Mem"],  # of the machine's kernel
    "kubernetes_cluster_kernel_modules": [],
    "kubernetes_cluster_sysctl": {"net.ipv4.ip_forward": "1"},
    "kubernetes_cluster_cgroup_driver": "cgroupfs",
    "kubernetes_cluster_runtime_settings": {"restrict_oom_score_adj": True, "disable_apparmor": True},
    "kubernetes_cluster_packages": [],
    "kubernetes_cluster_kubelet": {
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "featureGates": {"KubeletInUserNamespace": True},
    },
    "kubernetes_cluster_proxy": {"mode": "nftables", "conntrack": {"maxPerCore": 0, "min": 0}},
    "kubernetes_cluster_configuration": example.control_plane(),
}
_SETTINGS["kubernetes_cluster_configuration"]["etcd"]["local"]["extraArgs"].append({"name": "unsafe-no-fsync", "value": "true"})


@dataclass(frozen=True)
class Lab:
    """Hosts, and what a cluster is made of there."""

    hosts: Hosts
    endpoint: str

    def folder(self, version: str) -> Path:
        """Return the folder with a version's programs and images."""
        return self.hosts.folder / version

    def host(self, name: str) -> Host:
        """Return a host by its name."""
        return next(host for host in self.hosts.hosts if host.name == name)

    @property
    def kubeconfig(self) -> Path:
        """Return where the role keeps the administrator's access."""
        return self.hosts.folder / "access/admin.conf"

    def inventory(self) -> dict[str, Any]:
        """Return an inventory of the hosts, as inventories/example has one."""
        own = {name: self.hosts.variables(self.host(name)) for name in (*CONTROL_PLANES, *WORKERS)}
        for host in self.hosts.hosts:
            own[host.name]["kubernetes_cluster_address"] = host.address
        settings = _SETTINGS | {
            "kubernetes_cluster_name": "lab",
            "kubernetes_cluster_version": VERSION,
            "kubernetes_cluster_endpoint": self.endpoint,
            "kubernetes_cluster_folder": str(self.folder(VERSION)),
            "kubernetes_cluster_kubeconfig": str(self.kubeconfig),
        }
        planes = {"hosts": {name: own[name] for name in CONTROL_PLANES}, "vars": {"kubernetes_cluster_control_plane": True}}
        workers = {
            "hosts": {name: own[name] for name in WORKERS},
            "vars": {"kubernetes_cluster_purposes": ["tenant"], "kubernetes_cluster_labels": {"example.com/rack": "a"}},
        }
        children = {"kubernetes_control_plane": planes, "kubernetes_tenant": workers}
        return {"kubernetes": {"children": children, "vars": settings}}


@contextmanager
def lab(programs: Path) -> Iterator[Lab]:
    """Start the hosts. Raises RuntimeError when one does not come up."""
    with hosts(cache(), (*CONTROL_PLANES, *WORKERS)) as running:
        planes = [host.address for host in running.hosts if host.name in CONTROL_PLANES]
        for version in (VERSION, NEXT):
            offline.folder(running.folder / version, programs, f"v{version}")
        with balancer(OUTSIDE, planes) as endpoint:
            yield Lab(running, endpoint)


def main(target: Path) -> int:
    """Keep the hosts until told to end."""
    target.mkdir(parents=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        (target / "pid").write_text(f"{os.getpid()}\n")
        with lab(kubernetes(cache())) as running:
            (target / "new.yml").write_text(yaml.safe_dump(running.inventory()))
            (target / "new.yml").rename(target / "hosts.yml")
            signal.pause()
    finally:
        shutil.rmtree(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
