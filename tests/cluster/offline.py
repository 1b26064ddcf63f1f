"""A folder with programs and images for hosts without a connection, as role kubernetes_cluster takes it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.cluster.binaries import SETS
from tests.cluster.images import archive

BUILT = SETS["kubernetes"].version
BUSYBOX = "docker.io/library/busybox:1.36"
_NETWORK_PLUGINS = ("bridge", "host-local", "loopback", "portmap")
_OF_MACHINE = ("containerd", "containerd-shim-runc-v2", "ctr", "runc")
_OF_PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler")


def folder(target: Path, programs: Path, version: str = BUILT) -> Path:
    """Fill ``target`` from ``programs`` (see binaries) and the machine's packages, and return it.

    Another ``version`` than the one built is the same programs under its name, which has to be as long. That shows the way of an
    upgrade, not that one version works with another.
    """
    for name in ("bin", "cni", "images", "work"):
        (target / name).mkdir(parents=True)
    content = (programs / "kubernetes").read_bytes()
    assert len(version) == len(BUILT)
    kubernetes = target / "work/kubernetes"
    kubernetes.write_bytes(content.replace(BUILT.encode(), version.encode()))
    kubernetes.chmod(0o755)
    for name in ("kubeadm", "kubelet"):
        shutil.copy(kubernetes, target / "bin" / name)
    for name in _OF_MACHINE:
        shutil.copy(str(shutil.which(name)), target / "bin" / name)
    for name in _NETWORK_PLUGINS:
        shutil.copy(f"/usr/lib/cni/{name}", target / "cni" / name)
    _images(target, programs, version)
    shutil.rmtree(target / "work")
    seal(target)
    return target


def seal(target: Path) -> None:
    """Write the list of checksums, as sha256sum would."""
    files = sorted(file for name in ("bin", "cni", "images") for file in (target / name).iterdir())
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(target)}\n" for file in files]
    (target / "SHA256SUMS").write_text("".join(lines))


def _images(target: Path, programs: Path, version: str) -> None:
    images, work = target / "images", target / "work"
    words = [str(target / "bin/kubeadm"), "config", "images", "list", f"--kubernetes-version={version}"]
    wanted = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    named = {name.rpartition(":")[0].rpartition("/")[2]: name for name in wanted}
    files = {f"/usr/local/bin/{name}": _link(work / name) for name in _OF_PODS}
    files |= {"/usr/local/bin/kubernetes": work / "kubernetes"} | _with_libraries("/usr/sbin/nft")  # kube-proxy's
    archive(images / "control-plane.tar", *(named.pop(name) for name in _OF_PODS), files=files)
    for name in ("coredns", "pause"):
        archive(images / f"{name}.tar", named.pop(name), files={f"/{name}": programs / name}, command=[f"/{name}"])
    assert not named, f"kubeadm wants more images: {named}"
    busybox = Path(str(shutil.which("busybox")))
    archive(images / "busybox.tar", BUSYBOX, files={"/bin/busybox": busybox, "/bin/sh": busybox}, command=["/bin/busybox"])


def _link(place: Path) -> Path:
    place.symlink_to("kubernetes")
    return place


def _with_libraries(program: str) -> dict[str, Path]:
    """Return a program of the machine and the libraries it loads, each by its path in an image."""
    said = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout.split()
    return {name: Path(name).resolve() for name in (program, *said) if name.startswith("/")}
