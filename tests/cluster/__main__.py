"""Sees to what a cluster here needs, packages and programs in the cache; `make test-kubernetes` runs it."""

from __future__ import annotations

import os
import sys

from tests.cluster.binaries import cache, cloudnative_pg, kubernetes
from tests.cluster.cluster import missing_packages
from tests.packages import install


def main() -> int:
    """Install and build what is missing, unless there is another cluster to talk to."""
    if os.environ.get("KUBECONFIG"):
        return 0
    install(missing_packages())
    kubernetes(cache())
    cloudnative_pg(cache())
    return 0


if __name__ == "__main__":
    sys.exit(main())
