"""Installs what fresh machines are run with, where it is missing; `make test-fresh` runs it."""

from __future__ import annotations

import sys

from tests.fresh.machine import missing_packages
from tests.packages import install

if __name__ == "__main__":
    install(missing_packages())
    sys.exit(0)
