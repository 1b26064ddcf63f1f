"""Every role's molecule scenario: converge, converge again without a change, verify, and nothing left."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.fixtures.ansible import ROOT

SCENARIOS = sorted(file.parent.name for file in (ROOT / "extensions/molecule").glob("*/molecule.yml"))
#: Those that need what `make test-kubernetes` has built.
ON_HOSTS = {"kubernetes_cluster"}


@pytest.fixture
def service_user() -> None:
    """Skip where root has no service user to run processes as: `make host` makes it."""
    if os.geteuid() == 0 and "saasodoo" not in {entry.pw_name for entry in pwd.getpwall()}:
        pytest.skip("no system user saasodoo; make it with: make host")


def test_there_are_scenarios() -> None:
    assert "registry" in SCENARIOS


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("service_user")
@pytest.mark.parametrize("scenario", sorted(set(SCENARIOS) - ON_HOSTS))
def test_scenario(scenario: str) -> None:
    run(scenario, timeout=840)


@pytest.mark.kubernetes
@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("kubernetes_programs")
@pytest.mark.parametrize("scenario", sorted(ON_HOSTS))
def test_scenario_on_hosts(scenario: str) -> None:
    run(scenario, timeout=1740)


def run(scenario: str, *, timeout: int) -> None:
    """Run a whole scenario, and see that nothing of it is left."""
    bin_dir = Path(sys.executable).parent
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "SAASODOO_", "PYTHON"))}
    done = subprocess.run(
        [bin_dir / "molecule", "test", "--scenario-name", scenario],
        cwd=ROOT,
        env={**environment, "PATH": f"{bin_dir}:{os.environ['PATH']}", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-8000:]}\n{done.stderr[-8000:]}"
    settings = yaml.safe_load((ROOT / "extensions/molecule" / scenario / "molecule.yml").read_text())
    assert not Path(settings["ansible"]["env"]["SAASODOO_HOME"]).exists()
