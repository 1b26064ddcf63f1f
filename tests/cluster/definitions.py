"""What other projects publish with their source, above all definitions of their kinds: fetched once, kept in the cache."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_LIMIT = 600  # seconds; two, when the way to the module proxy is free


@dataclass(frozen=True)
class Definitions:
    """The files of a Go module that match ``pattern``; ``sum`` is the hash of the whole module, as Go computes it."""

    name: str
    module: str
    version: str
    sum: str
    pattern: str

    def read(self, cache: Path) -> list[dict[str, Any]]:
        """Return all of them, fetched first where ``cache`` has them not. Raises RuntimeError when that fails."""
        return [each for each in yaml.safe_load_all(self._get(cache).read_text()) if each]

    def kinds(self, cache: Path) -> list[dict[str, Any]]:
        """Return the definitions of kinds among them."""
        return [each for each in self.read(cache) if each["kind"] == "CustomResourceDefinition"]

    def _get(self, cache: Path) -> Path:
        key = hashlib.sha256(f"{self.sum} {self.pattern}".encode()).hexdigest()[:12]
        file = cache / "definitions" / f"{self.name}-{self.version}-{key}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        with (file.parent / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another test run may be fetching it
            if not file.exists():
                with tempfile.TemporaryDirectory(dir=file.parent) as folder:
                    new = Path(folder) / file.name
                    new.write_text("---\n".join(each.read_text() for each in self._fetch(Path(folder))))
                    new.rename(file)
        return file

    def _fetch(self, folder: Path) -> list[Path]:
        # Not every module is in Go's database of hashes; the one given here is held to below.
        environment = {"GOMODCACHE": str(folder / "modules"), "GOFLAGS": "-modcacherw", "GONOSUMDB": self.module}
        done = subprocess.run(
            ["go", "mod", "download", "-json", f"{self.module}@{self.version}"],
            cwd=folder,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            check=False,
        )
        said = json.loads(done.stdout or "{}")
        if done.returncode or said["Sum"] != self.sum:
            found = said.get("Error") or said.get("Sum") or done.stderr.strip()
            raise RuntimeError(f"{self.module}@{self.version} can't be had: found: {found}; expected: {self.sum}")
        files = sorted(Path(said["Dir"]).glob(self.pattern))
        if not files:
            raise RuntimeError(f"{self.module}@{self.version} has no {self.pattern}")
        return files


CLOUDNATIVE_PG = Definitions(
    name="cloudnative-pg",
    module="github.com/cloudnative-pg/cloudnative-pg",
    version="v1.30.0",
    sum="h1:fnhVq44xXx97MNiuvJsPrX1vSjYbgdyBK5MSGfdHdp0=",
    pattern="releases/cnpg-1.30.0.yaml",  # its kinds, and what runs its controller,
)
ROOK = Definitions(
    name="rook",
    module="github.com/rook/rook",
    version="v1.18.7",  # the example inventory's
    sum="h1://vVkCXCCMCUAt3MJbeXHktCYsakBz4GyrCndsgf05A=",
    pattern="deploy/examples/crds.yaml",
)
