"""What a copy of the platform is made of, asked of the inventory itself: no second place for ports and paths."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1]
_TIMEOUT = 60  # seconds


def read_variables(*names: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return inventory variables of the platform's host by name, templates resolved. Raises CalledProcessError."""
    wanted = ", ".join(f"'{name}': {name}" for name in names)
    command = [str(Path(sys.executable).with_name("ansible")), "local", "-i", "inventories/local/hosts.yml", "--one-line"]
    done = subprocess.run(
        [*command, "-m", "ansible.builtin.debug", "-a", f"msg={{{{ {{{wanted}}} }}}}"],
        cwd=PROJECT,
        env={**os.environ, **(environment or {}), "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])["msg"]
    return found
