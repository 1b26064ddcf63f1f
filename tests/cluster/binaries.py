"""Programs of a cluster, built from source once and kept in the cache, keyed by what they are built from."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_SOURCES = Path(__file__).with_name("go")
_STAMPED = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")  # else the programs call themselves v0.0.0
_LIMIT = 1800  # seconds a build may take: four minutes on two idle cores
_TAIL = 4000  # characters of a failed build's output that are shown


@dataclass(frozen=True)
class Programs:
    """What is built together. Each program has a folder of sources, and is there, or in a module that its go.mod names."""

    name: str
    version: str
    packages: dict[str, str]

    def folder(self, cache: Path) -> Path:
        """Return where they are, once built."""
        files = sorted(file for name in self.packages for file in (_SOURCES / name).rglob("*") if file.is_file())
        key = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
        return cache / self.name / f"{self.version}-{key}"

    def get(self, cache: Path) -> Path:
        """Return the folder with the programs, built first where it is not there. Raises RuntimeError when that fails."""
        folder = self.folder(cache)
        if folder.exists():  # what is built needs not wait for the build of something else
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (folder.parent / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another test run may be building it
            if not folder.exists():
                sys.stderr.write(f"building {self.name} {self.version} into {folder}, which takes some minutes\n")
                self._build_all(folder)
        return folder

    def _build_all(self, folder: Path) -> None:
        new = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        try:
            for name, package in self.packages.items():
                self._build(name, package, new / name, new / "go")
        finally:
            shutil.rmtree(new / "go", ignore_errors=True)  # sources and objects: 4 GB
        new.rename(folder)

    def _build(self, name: str, package: str, program: Path, work: Path) -> None:
        said = {"gitVersion": self.version, "gitMajor": "1", "gitMinor": self.version.split(".")[1], "gitTreeState": "clean"}
        stamps = [f"-X {stamped}.{field}={value}" for stamped in _STAMPED for field, value in said.items()]
        flags = ["-trimpath", "-modcacherw", "-mod=readonly", f"-ldflags=-s -w {' '.join(stamps)}", f"-o={program}"]
        environment = os.environ | {"CGO_ENABLED": "0", "GOCACHE": str(work / "cache"), "GOMODCACHE": str(work / "modules")}
        done = subprocess.run(
            ["go", "build", *flags, package],
            cwd=_SOURCES / name,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"go build of {name} failed:\n{done.stderr[-_TAIL:]}")


SETS = {
    each.name: each
    for each in (
        Programs("kubernetes", "v1.36.3", {"kubernetes": ".", "coredns": ".", "pause": "."}),
        Programs("helm", "v3.19.2", {"helm": "helm.sh/helm/v3/cmd/helm"}),
        Programs("cloudnative-pg", "v1.30.0", {"cloudnative-pg": "github.com/cloudnative-pg/cloudnative-pg/cmd/manager"}),
        Programs("kwok", "v0.7.0", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}),
    )
}


def cache() -> Path:
    """Return where what is slow to get is kept."""
    return Path(os.environ.get("SAASODOO_CACHE") or Path.home() / ".cache/saasodoo")


def built(cache: Path) -> bool:
    """Whether ``kubernetes`` and ``cloudnative_pg`` would find their programs built."""
    return all(SETS[name].folder(cache).exists() for name in ("kubernetes", "cloudnative-pg"))


def kubernetes(cache: Path) -> Path:
    """Return the folder with the programs of its set, built first where ``cache`` has them not.

    Raises RuntimeError when a build fails.
    """
    return SETS["kubernetes"].get(cache)


def cloudnative_pg(cache: Path) -> Path:
    """Return the program that looks after PostgreSQL servers, likewise."""
    return SETS["cloudnative-pg"].get(cache) / "cloudnative-pg"


def helm(cache: Path) -> Path:
    """Return the program that installs charts, likewise; only what tests role kubernetes_addons needs it."""
    return SETS["helm"].get(cache) / "helm"


def kwok(cache: Path) -> Path:
    """Return the program that plays nodes, likewise; only what is to have many pods needs it."""
    return SETS["kwok"].get(cache) / "kwok"
