"""Molecule: each role has a scenario, and `make test` runs each but those that make a cluster of bare hosts."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.conventions.project import ROOT, files, load, roles

_BARE_HOSTS = {"kubernetes_addons", "kubernetes_cluster"}
_PARTS = ("converge", "verify")
SCENARIOS = [name.split("/")[2] for name in files(r"extensions/molecule/[^/]+/molecule\.yml")]


def collected() -> set[str]:
    """Return the scenarios that pytest runs as the Makefile has it do, which leaves marks to pyproject.toml."""
    where = files(r"tests/(integration|kubernetes)/test_molecule\.py")
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", *where]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=ROOT, env=plain, check=True, capture_output=True, text=True, timeout=120)
    return {*re.findall(r"::test_scenario\w*\[(\w+)\]", done.stdout)}


def test_each_role_has_a_scenario() -> None:
    assert roles() == SCENARIOS


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_plays_its_role_and_asks_what_came_of_it(scenario: str) -> None:
    assert [load(f"extensions/molecule/{scenario}/{part}.yml") for part in _PARTS]


def test_make_test_runs_each_but_on_bare_hosts() -> None:
    assert collected() == {*SCENARIOS} - _BARE_HOSTS


def test_scenarios_share_no_place() -> None:
    own = [load(f"extensions/molecule/{scenario}/molecule.yml")["ansible"]["env"] for scenario in SCENARIOS]
    for name in ("SAASODOO_HOME", "SAASODOO_INSTANCE", "SAASODOO_PORT_BASE"):
        places = [each[name] for each in own if name in each]
        assert len(places) == len({*places})
