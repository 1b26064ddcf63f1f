"""A Debian to build images on, without a registry: made of the machine's mirror once and kept in the cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from tests.cluster.images import archive_of_root

_SUITE = "bookworm"
#: What nobody reads in a container: 50 MB of 170.
_WITHOUT = ("doc", "info", "locale", "man")
_FORM = "2"  # raised when archive_of_root writes another archive of the same
_LIMIT = 600  # seconds
_TAIL = 2000  # characters of a failure that are shown


def debian(cache: Path) -> Path:
    """Return an archive of the image, made first where ``cache`` has it not. Raises RuntimeError when that fails."""
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--dpkgopt={_leave_out()}", _SUITE, "-", *mirror()]
    key = hashlib.sha256("\n".join([*command, _FORM]).encode()).hexdigest()[:12]
    file = cache / "images" / f"debian-{key}.tar"
    file.parent.mkdir(parents=True, exist_ok=True)
    with (file.parent / "debian.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test run may be making it
        if not file.exists():
            _make(command, file)
    return file


def _make(command: list[str], file: Path) -> None:
    with tempfile.TemporaryFile() as errors, tempfile.NamedTemporaryFile(suffix=".tar") as root:
        # The same packages give the same file, whenever it is made.
        environment = os.environ | {"SOURCE_DATE_EPOCH": "0"}
        done = subprocess.run(command, stdout=root, stderr=errors, env=environment, timeout=_LIMIT, check=False)
        if done.returncode:
            errors.seek(0)
            raise RuntimeError(f"{command[0]} failed: {errors.read().decode(errors='replace')[-_TAIL:]}")
        new = file.with_suffix(".new")
        archive_of_root(new, f"localhost/debian:{_SUITE}", Path(root.name))
        new.rename(file)


def _leave_out() -> str:
    """Return the option of dpkg, which the image keeps for packages to come."""
    lines = [f"path-exclude=/usr/share/{folder}/*" for folder in _WITHOUT]
    return "\n".join([*lines, "path-include=/usr/share/doc/*/copyright"])


def mirror() -> list[str]:
    """Return the machine's mirror of Debian, or nothing for mmdebstrap's own choice."""
    words = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return [uri for uri in said if uri.rstrip("/").endswith("/debian")][:1]
