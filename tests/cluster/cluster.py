"""A cluster of one node: etcd, API server, controllers, scheduler, CoreDNS, containerd, kubelet and kube-proxy, all real."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.cluster.cell import INSIDE, Cell, cell, reach
from tests.cluster.certificates import Authority
from tests.cluster.images import archive
from tests.packages import missing

NODE = "node1"
#: What it takes from the machine's packages.
_PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "ip": "iproute2",
    "busybox": "busybox-static",  # the smallest thing to make an image of
    "mmdebstrap": "mmdebstrap",  # what other images are built on
    # A file system for tenants' files, see ceph.py.
    "ceph-mon": "ceph-mon", "ceph-osd": "ceph-osd", "ceph-mds": "ceph-mds", "ceph-fuse": "ceph-fuse", "ceph": "ceph-common",
}  # fmt: skip
_SERVER = f"https://{INSIDE}:6443"
_PODS, _SERVICES, _FIRST_SERVICE = "10.244.0.0/24", "10.96.0.0/16", "10.96.0.1"
_PATIENCE = 90  # seconds; some ten on an idle machine
_PAUSE = "saasodoo.invalid/pause:1"


@dataclass(frozen=True)
class Cluster:
    """A running cluster. ``kubeconfig`` makes whoever has it its administrator.

    ``options`` are added to the command lines of daemons, by their names.
    """

    folder: Path
    kubeconfig: Path
    cell: Cell
    programs: Path
    options: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def get(self, path: str) -> dict[str, Any]:
        """Return what the API server answers. Raises requests.RequestException."""
        pki = self.folder / "pki"
        answer = requests.get(
            f"{_SERVER}{path}", cert=(str(pki / "admin.crt"), str(pki / "admin.key")), verify=str(pki / "ca.crt"), timeout=5
        )
        answer.raise_for_status()
        return dict(answer.json()) if answer.headers["Content-Type"].startswith("application/json") else {}

    def load(self, name: str, files: dict[str, Path], *, command: list[str], user: str = "") -> None:
        """Make an image of files of this machine and have the node know it."""
        file = archive(self.folder / "image.tar", name, files=files, command=command, user=user)
        self.import_archive(file)
        file.unlink()

    def import_archive(self, file: Path) -> None:
        """Have the node know the images in an archive, under the names they have there."""
        self.cell.run("ctr", f"--address={self.folder}/containerd.sock", "--namespace=k8s.io", "images", "import", file)

    def start(self, name: str) -> None:
        """Start one of its daemons, again when it was stopped."""
        words = _daemons(self.folder)[name]
        program = self.programs / words[0] if words[0] in ("kubernetes", "coredns") else words[0]
        self.cell.start(name, program, *words[1:], *self.options.get(name, ()))

    def until(self, what: str, holds: Callable[[], bool], daemon: str) -> None:
        """Wait until it holds. Raises RuntimeError with the end of the log of the ``daemon`` that should see to it."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and self.cell.running(daemon):
            try:
                if holds():
                    return
            except requests.RequestException:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"not so: {what}; {daemon} says:\n{self.cell.log(daemon)}")

    @property
    def node_is_ready(self) -> bool:
        """Whether pods can run."""
        conditions = self.get(f"/api/v1/nodes/{NODE}")["status"].get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def missing_packages() -> list[str]:
    """Return the machine's packages that have to be installed first."""
    return missing(_PACKAGES)


def obstacle() -> str:
    """Return what keeps a cluster from being started here, or nothing."""
    if os.geteuid():
        return "a cluster on this machine needs root"
    packages = missing_packages()
    return f"packages are missing ({', '.join(packages)}): make test-kubernetes, or make bench-kubernetes" if packages else ""


@contextmanager
def cluster(programs: Path) -> Iterator[Cluster]:
    """Start one with ``programs`` (see binaries) and take it down, with all it left on the machine."""
    with control_plane(programs) as running:
        _start_node(running)
        yield running


@contextmanager
def control_plane(programs: Path, options: Mapping[str, Sequence[str]] | None = None) -> Iterator[Cluster]:
    """Start one that has no node; see Cluster for ``options``."""
    folder = Path(tempfile.mkdtemp(prefix="saasodoo-cluster-", dir="/tmp"))
    try:
        (folder / "log").mkdir()
        kubeconfig = _identities(folder / "pki")
        with cell(folder / "log") as made:
            running = Cluster(folder, kubeconfig, made, programs, options or {})
            _start_control_plane(running)
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start_control_plane(made: Cluster) -> None:
    made.start("etcd")
    made.start("kube-apiserver")
    made.until("the API server is ready", lambda: made.get("/readyz") is not None, "kube-apiserver")
    made.start("kube-controller-manager")
    made.start("kube-scheduler")


def _start_node(made: Cluster) -> None:
    _configure_node(made.folder)
    made.start("containerd")
    made.until("containerd listens", (made.folder / "containerd.sock").exists, "containerd")
    made.load(_PAUSE, {"/pause": made.programs / "pause"}, command=["/pause"])
    for name in ("kubelet", "kube-proxy", "coredns"):
        made.start(name)
    made.until("the node is ready", lambda: made.node_is_ready, "kubelet")
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    made.until("pods have an account", lambda: bool(made.get(account)), "kube-controller-manager")
    for network in (_PODS, _SERVICES):
        reach(network)


def _identities(pki: Path) -> Path:
    authority = Authority(pki)
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost")
    authority.issue("apiserver", "kube-apiserver", hosts=(*names, "127.0.0.1", INSIDE, _FIRST_SERVICE))
    authority.issue("accounts", "service-accounts")
    authority.issue("admin", "admin", group="system:masters")
    authority.issue("kubelet", f"system:node:{NODE}", group="system:nodes", hosts=(NODE, INSIDE))
    for name in ("controller-manager", "scheduler", "proxy"):
        authority.issue(name, f"system:kube-{name}")
    for user in ("kubelet", "controller-manager", "scheduler", "proxy"):
        authority.kubeconfig(user, _SERVER)
    return authority.kubeconfig("admin", _SERVER)


def _daemons(folder: Path) -> dict[str, list[str]]:
    """Return the command line of each daemon."""
    pki, etcd = folder / "pki", "http://127.0.0.1:2379"
    return {
        "etcd": [
            "kubernetes", "etcd", f"--data-dir={folder}/etcd", f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
            "--listen-peer-urls=http://127.0.0.1:2380", "--unsafe-no-fsync", "--log-level=warn",
        ],
        "kube-apiserver": [
            "kubernetes", "kube-apiserver", f"--etcd-servers={etcd}", "--secure-port=6443", f"--advertise-address={INSIDE}",
            f"--service-cluster-ip-range={_SERVICES}", f"--client-ca-file={pki}/ca.crt",
            f"--tls-cert-file={pki}/apiserver.crt", f"--tls-private-key-file={pki}/apiserver.key",
            "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={pki}/accounts.crt",
            f"--service-account-signing-key-file={pki}/accounts.key", "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
            f"--kubelet-client-certificate={pki}/admin.crt", f"--kubelet-client-key={pki}/admin.key",
            f"--kubelet-certificate-authority={pki}/ca.crt", "--kubelet-preferred-address-types=InternalIP",
        ],
        "kube-controller-manager": [
            "kubernetes", "kube-controller-manager", f"--kubeconfig={pki}/controller-manager.kubeconfig", "--leader-elect=false",
            "--use-service-account-credentials", f"--root-ca-file={pki}/ca.crt",
            f"--service-account-private-key-file={pki}/accounts.key", f"--service-cluster-ip-range={_SERVICES}",
        ],
        "kube-scheduler": ["kubernetes", "kube-scheduler", f"--kubeconfig={pki}/scheduler.kubeconfig", "--leader-elect=false"],
        "containerd": ["containerd", f"--config={folder}/containerd.toml"],
        "kubelet": [
            "kubernetes", "kubelet", f"--config={folder}/kubelet.yaml", f"--kubeconfig={pki}/kubelet.kubeconfig",
            f"--root-dir={folder}/kubelet", f"--hostname-override={NODE}", f"--node-ip={INSIDE}",
        ],
        "kube-proxy": [
            "kubernetes", "kube-proxy", f"--kubeconfig={pki}/proxy.kubeconfig", f"--hostname-override={NODE}",
            "--proxy-mode=nftables", f"--cluster-cidr={_PODS}", "--conntrack-max-per-core=0", "--conntrack-min=0",
        ],
        "coredns": ["coredns", f"-conf={folder}/Corefile"],
    }  # fmt: skip


def _configure_node(folder: Path) -> None:
    (folder / "containerd.toml").write_text(_CONTAINERD.format(folder=folder, pause=_PAUSE))
    (folder / "Corefile").write_text(_COREFILE.format(address=INSIDE, kubeconfig=folder / "pki/admin.kubeconfig"))
    (folder / "cni").mkdir()
    network = {"cniVersion": "1.0.0", "name": "pods", "plugins": [{
        "type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": _PODS}]], "routes": [{"dst": "0.0.0.0/0"}]},
    }]}  # fmt: skip
    (folder / "cni/pods.conflist").write_text(json.dumps(network))
    (folder / "kubelet.yaml").write_text(yaml.safe_dump(_kubelet(folder)))


def _kubelet(folder: Path) -> dict[str, Any]:
    pki = folder / "pki"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": INSIDE,
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": f"{pki}/ca.crt"}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{pki}/kubelet.crt",
        "tlsPrivateKeyFile": f"{pki}/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{folder}/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "podLogsDir": f"{folder}/pods",
        "clusterDomain": "cluster.local",
        "clusterDNS": [INSIDE],
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "featureGates": {"KubeletInUserNamespace": True},  # where it may not set limits of the machine, it goes on
    }


_CONTAINERD = """\
version = 2
root = "{folder}/containers"
state = "{folder}/containerd"
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
"""
_COREFILE = """\
.:53 {{
    bind {address}
    errors
    cache 5 {{
        disable success cluster.local
        disable denial cluster.local
    }}
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig}
    }}
}}
"""
