"""Packages of this machine that tests need."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence


def missing(programs: Mapping[str, str]) -> list[str]:
    """Return the packages (values) of those programs (keys, names or paths) that are not here."""
    return sorted({package for program, package in programs.items() if not shutil.which(program)})


def install(packages: Sequence[str]) -> None:
    """Install them, by sudo where not run by root. Raises CalledProcessError."""
    if not packages:
        return
    sys.stdout.write(f"installing {' '.join(packages)}, which needs root\n")
    sys.stdout.flush()
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    subprocess.run([*sudo, "apt-get", "-qq", "update"], check=True)
    words = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages]
    subprocess.run([*sudo, "env", "DEBIAN_FRONTEND=noninteractive", *words], check=True, stdout=subprocess.DEVNULL)
