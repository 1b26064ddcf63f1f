"""Sees to what a cluster here needs, packages and programs in the cache; `make test-kubernetes` runs it."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.cluster.binaries import cache, kubernetes
from tests.cluster.cluster import missing_packages


def main() -> int:
    """Install and build what is missing, unless there is another cluster to talk to."""
    if os.environ.get("KUBECONFIG"):
        return 0
    if packages := missing_packages():
        sys.stdout.write(f"installing {' '.join(packages)}, which needs root\n")
        sys.stdout.flush()
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        subprocess.run([*sudo, "apt-get", "-qq", "update"], check=True)
        install = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages]
        subprocess.run([*sudo, "env", "DEBIAN_FRONTEND=noninteractive", *install], check=True, stdout=subprocess.DEVNULL)
    kubernetes(cache())
    return 0


if __name__ == "__main__":
    sys.exit(main())
