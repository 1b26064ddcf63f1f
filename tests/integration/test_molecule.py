"""The molecule scenario of each role of this machine: converge, converge again without a change, verify, and nothing left."""

from __future__ import annotations

import os
import pwd

import pytest

from tests.fixtures.molecule import HERE, Molecule


@pytest.fixture
def service_user() -> None:
    """Skip where root has no service user to run processes as: `make host` makes it."""
    if os.geteuid() == 0 and "saasodoo" not in {entry.pw_name for entry in pwd.getpwall()}:
        pytest.skip("no system user saasodoo; make it with: make host")


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("service_user")
@pytest.mark.parametrize("scenario", HERE)
def test_scenario(molecule: Molecule, scenario: str) -> None:
    molecule.test(scenario)
