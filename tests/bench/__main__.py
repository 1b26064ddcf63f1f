"""``python -m tests.bench [NAME ...]``: all benchmarks this machine can run, or those named.

The names: burst, provision, intake, first_task, converge, migration, neighbour, inventory, kubernetes.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import groupby
from pathlib import Path
from typing import Any

from tests.cluster.cluster import obstacle
from tests.cluster.fake_nodes import fake_nodes
from tests.fixtures.fleet import large_fleet
from tests.fixtures.platform import local_platform

_HERE = Path(__file__).parent
_CLUSTER = ("kubernetes",)  # what stands on a cluster of fake nodes, not on a local platform
_FLEET = ("inventory",)  # what stands on a registry of 10,000 tenants alone


def main(names: list[str]) -> int:
    """Bring up what the benchmarks stand on, run them one after the other, print each as it ends."""
    known = [file.stem.removeprefix("bench_") for file in sorted(_HERE.glob("bench_*.py"))]
    chosen = [name.replace("-", "_") for name in names] or known
    if unknown := sorted(set(chosen) - set(known)):
        sys.stderr.write(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}\n")
        return 2
    if (reason := obstacle()) and set(chosen) & set(_CLUSTER):
        sys.stderr.write(f"without {', '.join(_CLUSTER)}: {reason}\n")
        if names:
            return 1
        chosen = [name for name in chosen if name not in _CLUSTER]
    for ground, group in groupby(sorted(chosen, key=lambda name: (name in _CLUSTER, name in _FLEET)), key=_ground):
        with ground() as there:
            for name in group:
                for comparison in importlib.import_module(f"tests.bench.bench_{name}").run(there):
                    sys.stdout.write(f"{comparison}\n")
                    sys.stdout.flush()
    return 0


def _ground(name: str) -> Callable[[], AbstractContextManager[Any]]:
    return fake_nodes if name in _CLUSTER else large_fleet if name in _FLEET else local_platform


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
