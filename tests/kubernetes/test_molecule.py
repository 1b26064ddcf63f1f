"""The molecule scenario of each role that needs a cluster, or root and what `make test-kubernetes` has installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.binaries import cache, helm
from tests.fixtures.cluster import Access
from tests.fixtures.molecule import IN_A_CLUSTER, OF_CHARTS, OF_IMAGES, ON_HOSTS, Molecule

pytestmark = pytest.mark.kubernetes


@pytest.mark.timeout(900)
@pytest.mark.parametrize("scenario", IN_A_CLUSTER)
def test_scenario(molecule: Molecule, kubernetes: Access, request: pytest.FixtureRequest, scenario: str) -> None:
    if scenario == "cephfs":  # whose cluster is the one of this machine
        request.getfixturevalue("rook")
    molecule.test(scenario, KUBECONFIG=kubernetes.kubeconfig)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("scenario", OF_CHARTS)
def test_scenario_of_charts(molecule: Molecule, kubernetes: Access, scenario: str) -> None:
    path = f"{helm(cache()).parent}:{molecule.environment['PATH']}"
    molecule.test(scenario, KUBECONFIG=kubernetes.kubeconfig, PATH=path)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("scenario", OF_IMAGES)
def test_scenario_of_images(molecule: Molecule, debian_archive: Path, scenario: str) -> None:
    molecule.test(scenario, SAASODOO_MOLECULE_BASE=f"docker-archive:{debian_archive}")


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("kubernetes_programs")
@pytest.mark.parametrize("scenario", ON_HOSTS)
def test_scenario_on_hosts(molecule: Molecule, scenario: str) -> None:
    molecule.test(scenario, timeout=1740)
