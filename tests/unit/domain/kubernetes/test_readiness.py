"""What is ready in Kubernetes, and what is said of what is not."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.kubernetes.readiness import (
    in_vain,
    selector,
    standing,
    troubles,
    unwell,
)


def made(kind: str, spec: dict[str, Any] | None = None, generation: int = 2, **status: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "x", "generation": generation}, "spec": spec or {}, "status": status}


def condition(kind: str, status: str, message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "message": message}


def container(
    name: str = "c", *, ready: bool = False, restarts: int = 0, last: dict[str, Any] | None = None, **state: Any
) -> Any:
    last_state = {"terminated": last} if last else {}
    return {"name": name, "ready": ready, "restartCount": restarts, "state": state, "lastState": last_state}


ALL: dict[str, Any] = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}
BROKEN = {"health": "HEALTH_ERR", "details": {"MDS_ALL_DOWN": {"severity": "HEALTH_ERR", "message": "1 file system is offline"}}}
ON_NODES: dict[str, Any] = {
    "observedGeneration": 2,
    "desiredNumberScheduled": 2,
    "updatedNumberScheduled": 2,
    "numberAvailable": 2,
}
CURRENT: dict[str, Any] = {"currentRevision": "a", "updateRevision": "a"}


@pytest.mark.parametrize(
    "manifest",
    [
        made("Deployment", {"replicas": 2}, **ALL),
        made("Deployment", {"replicas": 0}, observedGeneration=2),
        made("StatefulSet", {"replicas": 2}, **ALL, **CURRENT),
        made("DaemonSet", **ON_NODES),
        made("DaemonSet", observedGeneration=2, desiredNumberScheduled=0),
        made("Pod", phase="Running", conditions=[condition("Ready", "True")]),
        made("Pod", phase="Succeeded", conditions=[condition("Ready", "False")]),
        made("PersistentVolumeClaim", phase="Bound"),
        made("Job", conditions=[condition("Complete", "True")]),
        made("Cluster", {"instances": 3}, readyInstances=3, conditions=[condition("Ready", "True")]),
        made("Pooler", {"instances": 2}, instances=2),
        made("CephCluster", observedGeneration=2, phase="Ready", ceph={"health": "HEALTH_WARN"}),
        made("CephFilesystem", observedGeneration=2, phase="Ready"),
        made("CephFilesystemSubVolumeGroup", observedGeneration=2, phase="Ready"),
        made("CephClient", observedGeneration=2, phase="Ready"),
        made("ConfigMap"),
    ],
)
def test_ready(manifest: dict[str, Any]) -> None:
    assert standing(manifest).ready


@pytest.mark.parametrize(
    ("manifest", "found"),
    [
        (None, "does not exist"),
        (made("ConfigMap") | {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}, "being deleted"),
        (made("Deployment", {"replicas": 2}, **ALL | {"observedGeneration": 1}), "0 of 2 replicas are available"),
        (made("Deployment", {"replicas": 2}, **ALL | {"updatedReplicas": 1}), "2 of 2 replicas are available, 1 of them"),
        (made("Deployment", {"replicas": 2}, **ALL | {"replicas": 3}), "2 of 2"),
        (made("Deployment", {}, conditions=[condition("ReplicaFailure", "True", "exceeded quota")]), "exceeded quota"),
        (made("StatefulSet", {"replicas": 2}, **ALL, **CURRENT | {"updateRevision": "b"}), "2 of 2"),
        (made("StatefulSet", {"replicas": 0}), "0 of 0"),
        (made("DaemonSet", **ON_NODES | {"numberAvailable": 1}), "available on 1 of 2 nodes, 2 have its new kind"),
        (made("DaemonSet", **ON_NODES | {"updatedNumberScheduled": 1}), "available on 2 of 2 nodes, 1 have"),
        (made("DaemonSet", **ON_NODES | {"observedGeneration": 1}), "available on 0 of 0 nodes"),
        (made("DaemonSet"), "available on 0 of 0 nodes"),
        (made("Pod", phase="Running", conditions=[condition("Ready", "False")]), "Running"),
        (made("Pod"), "Pending"),
        (made("PersistentVolumeClaim"), "Pending"),
        (made("Job"), "not done"),
        (made("Cluster", {"instances": 3}, readyInstances=2, phase="Creating a new replica"), "2 of 3 instances"),
        (made("Cluster", {"instances": 1}, readyInstances=1), "1 of 1"),
        (made("Pooler", {"instances": 2}), "0 of 2"),
        (made("CephCluster"), "its phase is not set"),
        (
            made("CephCluster", phase="Progressing", message="Configuring Ceph Mons"),
            "its phase is Progressing, Configuring Ceph Mons",
        ),
        (made("CephCluster", observedGeneration=2, phase="Ready", ceph=BROKEN), "health is HEALTH_ERR, 1 file system is offline"),
        (made("CephFilesystem", observedGeneration=1, phase="Ready"), "Ready, Rook has not looked at its newest form"),
    ],
)
def test_not_ready(manifest: dict[str, Any] | None, found: str) -> None:
    seen = standing(manifest)
    assert not seen.ready
    assert not seen.in_vain
    assert found in seen.found


@pytest.mark.parametrize(
    "manifest",
    [
        made("Pod", phase="Pending", containerStatuses=[container(waiting={"reason": "ErrImageNeverPull"})]),
        made("Pod", phase="Failed"),
        made("PersistentVolumeClaim", phase="Lost"),
        made("Job", conditions=[condition("Failed", "True", "too many failures")]),
    ],
)
def test_in_vain(manifest: dict[str, Any]) -> None:
    seen = standing(manifest)
    assert (seen.ready, seen.in_vain) == (False, True)
    assert manifest["kind"] != "Pod" or in_vain(manifest, [manifest])


def a_pod(form: str, created: int, *, fails: bool, going: bool = False, label: str = "pod-template-hash") -> dict[str, Any]:
    """Return a pod of a form of a workload, made at a second."""
    metadata: dict[str, Any] = {"labels": {label: form}, "creationTimestamp": f"2026-01-01T00:00:{created:02}Z"}
    metadata |= {"deletionTimestamp": "2026-01-01T00:01:00Z"} if going else {}
    return made("Pod", phase="Failed" if fails else "Running") | {"metadata": metadata}


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([a_pod("old", 1, fails=True), a_pod("new", 2, fails=False)], False),
        ([a_pod("old", 1, fails=False), a_pod("new", 2, fails=True)], True),
        ([a_pod("new", 2, fails=False), a_pod("new", 1, fails=True, going=True)], False),
        ([a_pod("new", 2, fails=False), a_pod("new", 1, fails=True)], True),
        ([], False),
    ],
)
def test_only_pods_of_the_newest_form_make_waiting_vain(pods: list[dict[str, Any]], expected: bool) -> None:
    assert in_vain(made("Deployment", {"replicas": 1}, observedGeneration=2, updatedReplicas=1), pods) is expected
    assert not in_vain(made("Deployment", {"replicas": 1}, observedGeneration=1, updatedReplicas=1), pods)
    assert not in_vain(made("Deployment", {"replicas": 1}, observedGeneration=2), pods)


def test_so_it_is_with_a_pod_on_each_node() -> None:
    everywhere = made("DaemonSet", **ON_NODES)
    old, new = (a_pod(form, at, fails=True, label="controller-revision-hash") for at, form in enumerate(("old", "new")))
    fine = a_pod("new", 2, fails=False, label="controller-revision-hash")
    assert not in_vain(everywhere, [old, fine])
    assert in_vain(everywhere, [old, new])
    assert not in_vain(made("DaemonSet", **ON_NODES | {"updatedNumberScheduled": 0}), [old])


def test_a_pod_s_troubles_are_named() -> None:
    pod = made(
        "Pod",
        conditions=[condition("PodScheduled", "False", "0/1 nodes are available")],
        initContainerStatuses=[container("first", waiting={"reason": "PodInitializing"})],
        containerStatuses=[
            container("image", waiting={"reason": "ImagePullBackOff", "message": "no such image"}),
            container("killed", restarts=3, last={"reason": "OOMKilled", "exitCode": 137}, running={}),
            container("fine", ready=True, last={"reason": "Completed", "exitCode": 0}, running={}),
        ],
    )
    assert troubles(pod) == [
        "not scheduled: 0/1 nodes are available",
        "container image waits: ImagePullBackOff: no such image",
        "container killed ended: OOMKilled (exit code 137, 3 restarts)",
    ]


def test_a_node_that_does_nothing_is_named() -> None:
    given = made("Pod", {"nodeName": "node7"}, phase="Pending")
    assert troubles(given) == ["node node7 has not taken it up; see whether the node is ready, and its kubelet runs"]
    taken_up = made("Pod", {"nodeName": "node7"}, phase="Pending", startTime="2026-01-01T00:00:00Z")
    assert troubles(taken_up) == troubles(made("Pod", {}, phase="Pending")) == []


def test_logs_are_asked_of_containers_that_have_some() -> None:
    pod = made(
        "Pod",
        containerStatuses=[
            container("starting", running={}),
            container("waiting", waiting={"reason": "ContainerCreating"}),
            container("crashing", restarts=2, waiting={"reason": "CrashLoopBackOff"}),
            container("ended", terminated={"exitCode": 1}),
            container("fine", ready=True, running={}),
            container("again", ready=True, restarts=1, running={}),
        ],
    )
    assert unwell(pod) == ["starting", "crashing", "ended", "again"]


def test_only_workloads_select_pods() -> None:
    spec = {"selector": {"matchLabels": {"app": "odoo"}}}
    assert selector(made("Deployment", spec)) == selector(made("DaemonSet", spec)) == {"app": "odoo"}
    assert selector(made("Service", spec)) is None
    assert selector(made("PersistentVolumeClaim")) is None
