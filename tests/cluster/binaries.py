"""Kubernetes' own programs, built from source once and kept in the cache, keyed by what they are built from."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

_SOURCES = Path(__file__).with_name("go")
_VERSION = "v1.34.4"
#: Programs by the folder of their module, and what is built there.
_PACKAGES = {"kubernetes": ".", "coredns": ".", "pause": ".", "helm": "helm.sh/helm/v3/cmd/helm"}
_STAMPED = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")  # else the programs call themselves v0.0.0
_LIMIT = 1800  # seconds a build may take: four minutes on two idle cores
_TAIL = 4000  # characters of a failed build's output that are shown


def cache() -> Path:
    """Return where what is slow to get is kept."""
    return Path(os.environ.get("SAASODOO_CACHE") or Path.home() / ".cache/saasodoo")


def built(cache: Path) -> bool:
    """Whether ``kubernetes`` would find its programs built."""
    return _folder(cache).exists()


def kubernetes(cache: Path) -> Path:
    """Return the folder with the programs of ``_PACKAGES``, built first where ``cache`` has them not.

    Raises RuntimeError when a build fails.
    """
    folder = _folder(cache)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test run may be building it
        if not folder.exists():
            sys.stderr.write(f"building Kubernetes {_VERSION} into {folder}, which takes some minutes\n")
            _build_all(folder)
    return folder


def _folder(cache: Path) -> Path:
    files = sorted(file for file in _SOURCES.rglob("*") if file.is_file())
    key = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
    return cache / "kubernetes" / f"{_VERSION}-{key}"


def _build_all(folder: Path) -> None:
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    try:
        for name in _PACKAGES:
            _build(name, new / name, new / "go")
    finally:
        shutil.rmtree(new / "go", ignore_errors=True)  # sources and objects: 4 GB
    new.rename(folder)


def _build(name: str, program: Path, work: Path) -> None:
    said = {"gitVersion": _VERSION, "gitMajor": "1", "gitMinor": _VERSION.split(".")[1], "gitTreeState": "clean"}
    stamps = [f"-X {package}.{field}={value}" for package in _STAMPED for field, value in said.items()]
    flags = ["-trimpath", "-modcacherw", "-mod=readonly", f"-ldflags=-s -w {' '.join(stamps)}", f"-o={program}"]
    environment = os.environ | {"CGO_ENABLED": "0", "GOCACHE": str(work / "cache"), "GOMODCACHE": str(work / "modules")}
    done = subprocess.run(
        ["go", "build", *flags, _PACKAGES[name]],
        cwd=_SOURCES / name,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"go build of {name} failed:\n{done.stderr[-_TAIL:]}")
