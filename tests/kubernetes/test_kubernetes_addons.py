"""Role kubernetes_addons with the real Helm and API server; the charts are small ones of the tests, named as the real ones."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.binaries import cache, helm
from tests.cluster.controllers import Objects
from tests.fixtures.ansible import Run, run_playbook
from tests.fixtures.charts import chart
from tests.fixtures.cluster import Access

pytestmark = [pytest.mark.kubernetes, pytest.mark.long]

_SLOW = """\
apiVersion: v1
kind: Pod
metadata: {name: never-ready, namespace: {{ .Release.Namespace }}}
spec: {nodeSelector: {no-such: node}, containers: [{name: main, image: none}]}
"""
_CHARTS = [
    {"name": "metallb", "version": "0.15.2", "namespace": "metallb-system", "repository": "https://example.invalid"},
    {"name": "traefik", "version": "37.0.0", "namespace": "traefik", "repository": "https://example.invalid"},
    {"name": "cloudnative-pg", "version": "0.29.0", "namespace": "cnpg-system", "repository": "https://example.invalid"},
]
_NAMES = [chart["name"] for chart in _CHARTS]


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mirror")
    for each in _CHARTS:
        chart(folder, each["name"], each["version"])
    return folder


class Addons:
    """Runs the playbook."""

    def __init__(self, access: Access, helm: Path, mirror: Path) -> None:
        self.access, self.helm, self.mirror = access, helm, mirror

    def play(self, *, check: Any = False, **variables: Any) -> Run:
        given: dict[str, object] = {
            "saasodoo_backend": "kubernetes",
            "kubernetes_addons_kubernetes": {"kubeconfig": self.access.kubeconfig, "context": "", "ingress_class": "traefik"},
            "kubernetes_addons_helm": str(self.helm),
            "kubernetes_addons_mirror": str(self.mirror),
            "kubernetes_addons_charts": _CHARTS,
            "kubernetes_addons_wanted": _NAMES,
            "kubernetes_addons_addresses": ["10.0.0.240-10.0.0.250"],
            "kubernetes_addons_timeout": 60,
        }
        inventory = "--inventory=inventories/local/hosts.yml"
        return run_playbook("playbooks/kubernetes_addons.yml", inventory, check=check, extra_vars=given | variables)


@pytest.fixture(scope="module")
def addons(kubernetes: Access, mirror: Path) -> Iterator[Addons]:
    made = Addons(kubernetes, helm(cache()), mirror)
    yield made
    assert made.play(kubernetes_addons_wanted=[], kubernetes_addons_unwanted=_NAMES).rc == 0


@pytest.fixture
def objects(kubernetes: Access) -> Iterator[Objects]:
    with closing(Objects(kubernetes.kubeconfig)) as found:
        yield found


def shown(objects: Objects, name: str) -> dict[str, Any] | None:
    """Return the version and the values of what is installed, None where it is not."""
    namespace = next(each["namespace"] for each in _CHARTS if each["name"] == name)
    found = objects.get("v1", "ConfigMap", name, namespace)
    return {"version": found["data"]["version"], "values": json.loads(found["data"]["values"])} if found else None


def installed(run: Run) -> list[str]:
    """Return what was installed or upgraded, in order."""
    assert run.rc == 0, run.failure
    return [task.removeprefix("Install ") for task in run.changes if task.startswith("Install ")]


def failed(run: Run) -> str:
    assert run.rc != 0
    assert run.failure
    return str(run.failure["msg"]) + str(run.failure.get("results", ""))


def test_check_mode_installs_nothing(addons: Addons, objects: Objects) -> None:
    assert installed(addons.play(check=True)) == _NAMES
    assert [shown(objects, name) for name in _NAMES] == [None, None, None]


def test_they_are_installed_in_their_order_with_their_values(addons: Addons, objects: Objects) -> None:
    run = addons.play(
        kubernetes_addons_wanted=_NAMES[::-1], kubernetes_addons_values={"traefik": {"deployment": {"replicas": 3}}}
    )
    assert installed(run) == _NAMES
    traefik = shown(objects, "traefik")
    assert traefik
    assert traefik["version"] == "37.0.0"
    assert traefik["values"]["deployment"] == {"replicas": 3}
    assert traefik["values"]["ingressClass"]["isDefaultClass"] is True
    pool = objects.get("metallb.io/v1beta1", "IPAddressPool", "saasodoo", "metallb-system")
    assert pool
    assert pool["spec"] == {"addresses": ["10.0.0.240-10.0.0.250"]}
    assert installed(addons.play()) == ["traefik"]
    again = addons.play()
    assert (again.rc, again.changed) == (0, 0)
    check = addons.play(check=True)
    assert (check.rc, check.changed) == (0, 0)


def test_what_is_not_named_is_left_alone_and_what_is_unwanted_goes(addons: Addons, objects: Objects) -> None:
    without = {"kubernetes_addons_wanted": ["metallb"]}
    assert addons.play(**without).changed == 0
    assert shown(objects, "traefik")
    addons.play(**without, kubernetes_addons_unwanted=["traefik"], check=True)
    assert shown(objects, "traefik")
    run = addons.play(**without, kubernetes_addons_unwanted=["traefik"])
    assert (run.rc, run.changed) == (0, 1)
    assert shown(objects, "traefik") is None
    assert shown(objects, "cloudnative-pg")
    assert addons.play(**without, kubernetes_addons_unwanted=["traefik"]).changed == 0


def test_another_version_is_an_upgrade(addons: Addons, objects: Objects, mirror: Path) -> None:
    newer = [each | ({"version": "0.27.0"} if each["name"] == "cloudnative-pg" else {}) for each in _CHARTS]
    assert "cloudnative-pg-0.27.0.tgz" in failed(addons.play(kubernetes_addons_charts=newer))
    chart(mirror, "cloudnative-pg", "0.27.0")
    wanted = ["metallb", "cloudnative-pg"]
    assert installed(addons.play(kubernetes_addons_charts=newer, kubernetes_addons_wanted=wanted)) == ["cloudnative-pg"]
    found = shown(objects, "cloudnative-pg")
    assert found
    assert found["version"] == "0.27.0"


def test_what_a_killed_helm_left_is_taken_up(addons: Addons, objects: Objects, tmp_path: Path) -> None:
    addons.play(kubernetes_addons_wanted=[], kubernetes_addons_unwanted=["traefik"])
    slow = chart(tmp_path, "traefik", "37.0.0", **{"templates/slow.yaml": _SLOW})
    words = ["install", "traefik", str(slow), "--wait", "--namespace=traefik", f"--kubeconfig={addons.access.kubeconfig}"]
    with subprocess.Popen([addons.helm, *words, "--create-namespace"], stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 60
        while not objects.get("v1", "Pod", "never-ready", "traefik"):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        process.kill()
    run = addons.play(kubernetes_addons_wanted=["traefik"])
    assert installed(run) == ["traefik"]
    assert shown(objects, "traefik")
    assert addons.play(kubernetes_addons_wanted=["traefik"]).changed == 0


def test_bad_settings_are_refused(addons: Addons) -> None:
    assert "unknown: nginx" in failed(addons.play(kubernetes_addons_wanted=["nginx"]))
    assert "in both: metallb" in failed(addons.play(kubernetes_addons_unwanted=["metallb"]))
    assert "no-such-helm is not here" in failed(addons.play(kubernetes_addons_helm="no-such-helm"))
