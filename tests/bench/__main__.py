"""``python -m tests.bench [NAME ...]``: all benchmarks, or those named (provision, intake, first_task, converge, migration)."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from tests.fixtures.platform import local_platform

_HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    """Bring up one platform, run the benchmarks against it one after the other, print each as it ends."""
    known = [file.stem.removeprefix("bench_") for file in sorted(_HERE.glob("bench_*.py"))]
    chosen = [name.replace("-", "_") for name in names] or known
    if unknown := sorted(set(chosen) - set(known)):
        sys.stderr.write(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}\n")
        return 2
    with local_platform() as platform:
        for name in chosen:
            for comparison in importlib.import_module(f"tests.bench.bench_{name}").run(platform):
                sys.stdout.write(f"{comparison}\n")
                sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
