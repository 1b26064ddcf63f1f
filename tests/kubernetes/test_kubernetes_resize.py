"""Pods of a real cluster that get more, or less, while they run, and a Deployment that then says the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.cluster.controllers import Manifest, Objects
from tests.fixtures.ansible import run_tasks
from tests.fixtures.cluster import Access
from tests.kubernetes.conftest import Apply
from tests.kubernetes.manifests import deployment, pod_template

pytestmark = pytest.mark.kubernetes

LESS = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "32Mi"}}
MORE = {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}}
LEAST = {"requests": {"cpu": "10m", "memory": "8Mi"}, "limits": {"cpu": "100m", "memory": "8Mi"}}
TOO_MUCH = {"requests": {"cpu": "10", "memory": "32Mi"}, "limits": {"cpu": "20", "memory": "64Mi"}}


@pytest.fixture
def objects(kubernetes: Access) -> Iterator[Objects]:
    with closing(Objects(kubernetes.kubeconfig)) as found:
        yield found


@pytest.fixture
def one(kubernetes: Access, namespace: str, apply: Apply) -> dict[str, Any]:
    """A Deployment whose pod runs; what it is called, for tasks."""
    return running(kubernetes, namespace, apply, pod_template("one", kubernetes.image, "sleep", "600", resources=LESS))


def running(kubernetes: Access, namespace: str, apply: Apply, template: Manifest) -> dict[str, Any]:
    apply(deployment(namespace, "one", template))
    names = [{"api_version": "apps/v1", "kind": "Deployment", "name": "one", "namespace": namespace}]
    (ready,) = run_tasks([{"saasodoo.platform.kubernetes_ready": {"objects": names, "kubeconfig": kubernetes.kubeconfig}}])
    assert not ready.get("failed"), ready
    return {"name": "one", "namespace": namespace, "container": "main", "kubeconfig": kubernetes.kubeconfig}


def resized(one: dict[str, Any], resources: dict[str, Any], *, check: bool = False, **more: Any) -> dict[str, Any]:
    (result,) = run_tasks([{"saasodoo.platform.kubernetes_resize": {**one, "resources": resources, **more}}], check=check)
    return result


def the_pod(objects: Objects, one: dict[str, Any]) -> Manifest:
    (found,) = [each for each in objects.all("v1", "Pod") if each["metadata"]["namespace"] == one["namespace"]]
    return found


def test_a_pod_that_runs_gets_more_and_less_and_is_not_replaced(objects: Objects, one: dict[str, Any]) -> None:
    before = the_pod(objects, one)["metadata"]["uid"]
    foretold = resized(one, MORE, check=True)
    assert foretold["changed"]
    assert foretold["diff"]["after"] == {"resources": MORE}
    assert the_pod(objects, one)["spec"]["containers"][0]["resources"] == LESS
    for wanted in (MORE, LESS):
        done = resized(one, wanted)
        assert (done["changed"], done["resize"]) == (True, {"in_place": True, "pending": False, "waits": ""})
        pod = the_pod(objects, one)
        assert (pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["resources"]) == (before, wanted)
        assert not resized(one, wanted)["changed"]
        made = objects.get("apps/v1", "Deployment", "one", one["namespace"])
        assert made is not None
        assert made["spec"]["template"]["spec"]["containers"][0]["resources"] == wanted
        assert not made["spec"].get("paused")


def test_applying_the_deployment_afterwards_replaces_nothing(kubernetes: Access, objects: Objects, one: dict[str, Any]) -> None:
    before = the_pod(objects, one)["metadata"]["uid"]
    resized(one, MORE)
    again = deployment(one["namespace"], "one", pod_template("one", kubernetes.image, "sleep", "600", resources=MORE))
    names = [{"api_version": "apps/v1", "kind": "Deployment", "name": "one", "namespace": one["namespace"]}]
    run_tasks([
        {"saasodoo.platform.kubernetes_objects": {"objects": [again], "kubeconfig": kubernetes.kubeconfig}},
        {"saasodoo.platform.kubernetes_ready": {"objects": names, "kubeconfig": kubernetes.kubeconfig}},
    ])  # fmt: skip
    assert the_pod(objects, one)["metadata"]["uid"] == before


def test_what_its_node_does_not_have_is_left_to_another_pod(objects: Objects, one: dict[str, Any]) -> None:
    done = resized(one, TOO_MUCH, timeout=5)
    assert (done["changed"], done["resize"]) == (False, {"in_place": False, "pending": False, "waits": ""})
    assert the_pod(objects, one)["spec"]["containers"][0]["resources"] == LESS


def test_what_the_pod_uses_is_waited_for_and_said(kubernetes: Access, namespace: str, apply: Apply) -> None:
    uses = ("sh", "-c", "kept=$(head -c 20000000 /dev/zero | tr '\\0' x); touch /kept; sleep 600; :")
    ready = {"exec": {"command": ["/bin/busybox", "test", "-e", "/kept"]}, "periodSeconds": 1}
    template = pod_template("one", kubernetes.image, *uses, resources=MORE, readinessProbe=ready)
    done = resized(running(kubernetes, namespace, apply, template), LEAST, timeout=45)  # a busy kubelet takes its time to say why
    assert (done["resize"]["in_place"], done["resize"]["pending"]) == (True, True)
    assert "memory" in done["resize"]["waits"]


def test_one_left_paused_by_a_run_that_died_goes_on(objects: Objects, one: dict[str, Any]) -> None:
    metadata = {"name": "one", "namespace": one["namespace"]}
    objects.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"paused": True}}, "another")
    resized(one, LESS)
    made = objects.get("apps/v1", "Deployment", "one", one["namespace"])
    assert made is not None
    assert not made["spec"].get("paused")


def test_a_deployment_that_is_not_there_is_no_error(kubernetes: Access, namespace: str) -> None:
    given = {"name": "nobody", "namespace": namespace, "container": "main", "kubeconfig": kubernetes.kubeconfig}
    done = resized(given, MORE)
    assert (done["changed"], done["resize"]["in_place"]) == (False, False)


@pytest.mark.parametrize(
    ("container", "limit", "words"), [("main", "much", "not a quantity"), ("no", "100m", "there is no container no")]
)
def test_bad_input_is_refused(one: dict[str, Any], container: str, limit: str, words: str) -> None:
    done = resized(one | {"container": container}, MORE | {"limits": {"cpu": limit}})
    assert done["failed"]
    assert words in done["msg"]
