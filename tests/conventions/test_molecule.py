"""Molecule: each role has a scenario, and `make test` runs each but the long ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.conventions.project import ROOT, files, load, roles, text

#: Those that `make test-kubernetes` alone runs, and why.
_LONG = {
    "kubernetes_addons": "helm is built from its Go module first: 200 CPU seconds where the cache has none",
    "kubernetes_cluster": "bare hosts become a cluster",
}
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


def test_make_test_runs_each_but_the_long_ones() -> None:
    assert collected() == {*SCENARIOS} - {*_LONG}


@pytest.mark.parametrize("role", _LONG)
def test_the_readme_of_a_long_ones_role_says_where_it_is_run(role: str) -> None:
    assert "make test-kubernetes" in text(f"roles/{role}/README.md")


def test_scenarios_share_no_place() -> None:
    own = [load(f"extensions/molecule/{scenario}/molecule.yml")["ansible"]["env"] for scenario in SCENARIOS]
    for name in ("SAASODOO_HOME", "SAASODOO_INSTANCE", "SAASODOO_PORT_BASE"):
        places = [each[name] for each in own if name in each]
        assert len(places) == len({*places})
