"""The fleet of 10,000 tenants as inventory, against a static YAML inventory of the same, and its past against its present."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.saasodoo.platform.plugins.module_utils.registry import fleet
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import connect
from tests.bench.comparison import Comparison, in_turn, seconds_of
from tests.fixtures.fleet import Fleet, ansible

_RUNS = 3


def run(ground: Fleet) -> Iterator[Comparison]:
    """List the fleet, from the registry and from a file; then read it from the registry as it was, and as it is."""
    static = _static(ground.inventory)
    size = len(_listed(ground.inventory)) / 1e6
    yield in_turn(
        f"ansible-inventory --list of 10,000 tenants ({size:.1f} MB)",
        lambda: seconds_of(lambda: _listed(ground.inventory)),
        "a static YAML inventory of the same",
        lambda: seconds_of(lambda: _listed(static)),
        _RUNS,
    )
    with connect(ground.registry.inventory) as connection:
        row = connection.execute("SELECT clock_timestamp() AS now").fetchone()
        assert row is not None
        moment: datetime = row["now"]
        yield in_turn(
            "the fleet at a past moment",
            lambda: seconds_of(lambda: list(fleet.at(connection, moment))),
            "the fleet now",
            lambda: seconds_of(lambda: list(fleet.present(connection))),
            _RUNS,
        )


def _static(inventory: Path) -> Path:
    """Return a copy of the inventory with the tenants as a file of YAML."""
    folder = inventory.with_name("static")
    shutil.copytree(inventory, folder)
    written = ansible("ansible-inventory", "-i", str(inventory), "--list", "--yaml")
    assert written.returncode == 0, written.stderr
    (folder / "fleet.yml").unlink()
    (folder / "tenants.yml").write_text(written.stdout)
    assert _variables(folder) == _variables(inventory)
    return folder


def _variables(inventory: Path) -> dict[str, Any]:
    return dict(json.loads(_listed(inventory))["_meta"]["hostvars"])


def _listed(inventory: Path) -> str:
    done = ansible("ansible-inventory", "-i", str(inventory), "--list")
    assert done.returncode == 0, done.stderr
    return done.stdout
