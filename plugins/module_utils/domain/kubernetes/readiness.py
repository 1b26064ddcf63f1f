# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When an object of Kubernetes is ready, and what keeps it from it: by the object alone, as its controller last wrote it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .object import Manifest

#: What a container waits for in vain: only a changed object, or a changed node, would help.
_IN_VAIN = frozenset({"ErrImageNeverPull", "InvalidImageName"})
#: Where a workload's status counts its pods of the newest form.
_UPDATED = {"Deployment": "updatedReplicas", "DaemonSet": "updatedNumberScheduled"}
#: Ordinary steps on the way, no trouble.
_ON_THE_WAY = frozenset({"ContainerCreating", "PodInitializing"})


@dataclass(frozen=True)
class Standing:
    """Whether an object is ready, in a few words what was found, and whether waiting for it is in vain."""

    ready: bool
    found: str
    in_vain: bool = False


def standing(manifest: Manifest | None) -> Standing:
    """Judge an object; None is one that does not exist. A kind without a rule of its own is ready when it is there."""
    if manifest is None:
        return Standing(False, "it does not exist")
    if manifest["metadata"].get("deletionTimestamp"):
        return Standing(False, "it is being deleted")
    rule = _RULES.get(manifest["kind"])
    return rule(manifest) if rule else Standing(True, "it exists")


def _deployment(manifest: Manifest) -> Standing:
    wanted, status = manifest["spec"].get("replicas", 1), _current(manifest)
    updated, available, all_there = (status.get(name, 0) for name in ("updatedReplicas", "availableReplicas", "replicas"))
    found = f"{available} of {wanted} replicas are available, {updated} of them of the new kind"
    failure = _condition(manifest, "ReplicaFailure")
    return Standing(updated == available == all_there == wanted, _with_message(found, failure if _holds(failure) else None))


def _stateful_set(manifest: Manifest) -> Standing:
    wanted, status = manifest["spec"].get("replicas", 1), _current(manifest)
    updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    same = status.get("currentRevision") == status.get("updateRevision")
    return Standing(
        bool(status) and same and ready == wanted, f"{ready} of {wanted} replicas are ready, {updated} of the new kind"
    )


def _daemon_set(manifest: Manifest) -> Standing:
    status = _current(manifest)
    wanted = status.get("desiredNumberScheduled", 0)
    updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    found = f"it is available on {available} of {wanted} nodes, {updated} have its new kind"
    return Standing(bool(status) and updated == available == wanted, found)


def _pod(manifest: Manifest) -> Standing:
    phase = manifest.get("status", {}).get("phase", "Pending")
    in_vain = phase == "Failed" or any(reason in _IN_VAIN for _container, reason, _message in _waiting(manifest))
    return Standing(phase == "Succeeded" or _holds(_condition(manifest, "Ready")), f"its phase is {phase}", in_vain)


def _claim(manifest: Manifest) -> Standing:
    phase = manifest.get("status", {}).get("phase", "Pending")
    return Standing(phase == "Bound", f"its phase is {phase}", phase == "Lost")


def _job(manifest: Manifest) -> Standing:
    failed = _condition(manifest, "Failed")
    done = _holds(_condition(manifest, "Complete"))
    found = "it is done" if done else _with_message("it is not done", failed)
    return Standing(done, found, _holds(failed))


def _postgres_cluster(manifest: Manifest) -> Standing:
    """CloudNativePG's Cluster."""
    wanted, status = manifest["spec"]["instances"], manifest.get("status", {})
    ready = status.get("readyInstances", 0)
    found = f"{ready} of {wanted} instances are ready, its phase is {status.get('phase', 'not set')}"
    return Standing(ready == wanted and _holds(_condition(manifest, "Ready")), found)


def _pooler(manifest: Manifest) -> Standing:
    """CloudNativePG's Pooler."""
    wanted, running = manifest["spec"].get("instances", 1), manifest.get("status", {}).get("instances", 0)
    return Standing(running == wanted, f"{running} of {wanted} instances run")


def _rook(manifest: Manifest) -> Standing:
    """Rook's Ceph cluster, which has a health, too, and its file systems and parts of them."""
    status = manifest.get("status", {})
    phase, health = status.get("phase", "not set"), status.get("ceph", {}).get("health", "")
    reasons = [f"its phase is {phase}"] + ([f"its health is {health}"] if health else [])
    if phase != "Ready":
        reasons += [status["message"]] if status.get("message") else []
    elif not _current(manifest):
        reasons.append("Rook has not looked at its newest form")
    broken = health == "HEALTH_ERR"
    reasons += [each["message"] for each in status["ceph"].get("details", {}).values()] if broken else []
    return Standing(_current(manifest).get("phase") == "Ready" and not broken, ", ".join(reasons))


_RULES: Mapping[str, Callable[[Manifest], Standing]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Pod": _pod,
    "PersistentVolumeClaim": _claim,
    "Job": _job,
    "Cluster": _postgres_cluster,
    "Pooler": _pooler,
    "CephClient": _rook,
    "CephCluster": _rook,
    "CephFilesystem": _rook,
    "CephFilesystemSubVolumeGroup": _rook,
}


def selector(manifest: Manifest) -> Mapping[str, str] | None:
    """Return the labels of the pods that an object has made, or None for one that makes none."""
    labels: Mapping[str, str] | None = manifest.get("spec", {}).get("selector", {}).get("matchLabels")
    return labels if manifest["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job") else None


def is_to_have_none(manifest: Manifest) -> bool:
    """Whether an object is to have no pods; its status no longer counts those that are ending."""
    return manifest["kind"] in ("Deployment", "StatefulSet") and manifest["spec"].get("replicas", 1) == 0


def in_vain(manifest: Manifest, pods: Iterable[Manifest]) -> bool:
    """Whether no waiting helps one of the pods of a workload: of its newest form, since the others are to go anyway."""
    updated = _UPDATED.get(manifest["kind"])
    if updated and not _current(manifest).get(updated):
        return False  # none of the newest form is there yet
    there = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    newest = max(there, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), default=None)
    return any(_pod(pod).in_vain for pod in there if newest and _form(pod) == _form(newest))


def _form(pod: Manifest) -> str:
    """Return which form of its workload a pod is of, '' for what has no forms."""
    labels = pod["metadata"].get("labels") or {}
    return str(labels.get("pod-template-hash") or labels.get("controller-revision-hash", ""))


def troubles(pod: Manifest) -> list[str]:
    """Name what keeps a pod from being ready, in Kubernetes' words."""
    scheduled = _condition(pod, "PodScheduled")
    found = [f"not scheduled: {scheduled.get('message', '')}"] if scheduled and not _holds(scheduled) else []
    if node := _node_that_does_nothing(pod):
        found.append(f"node {node} has not taken it up; see whether the node is ready, and its kubelet runs")
    found += [f"container {name} waits: {reason}: {message}" for name, reason, message in _waiting(pod)]
    return found + [f"container {name} ended: {how}" for name, how in _ended(pod)]


def _node_that_does_nothing(pod: Manifest) -> str:
    """Return the node that a pod was given to and that has said nothing of it, or ''."""
    status = pod.get("status", {})
    silent = status.get("phase") == "Pending" and not status.get("startTime")
    return str(pod["spec"].get("nodeName", "")) if silent else ""


def unwell(pod: Manifest) -> list[str]:
    """Return the containers of a pod whose log may tell why it is not ready: those that ran, or run.

    One that was begun anew belongs to them also in a moment in which it is ready.
    """
    return [
        each["name"]
        for each in _containers(pod)
        if each.get("restartCount", 0) > 0 or (not each.get("ready") and "waiting" not in each.get("state", {}))
    ]


def _waiting(pod: Manifest) -> Iterator[tuple[str, str, str]]:
    for each in _containers(pod):
        waits = each.get("state", {}).get("waiting", {})
        if waits.get("reason") and waits["reason"] not in _ON_THE_WAY:
            yield each["name"], waits["reason"], waits.get("message", "")


def _ended(pod: Manifest) -> Iterator[tuple[str, str]]:
    for each in _containers(pod):
        ended = each.get("state", {}).get("terminated") or each.get("lastState", {}).get("terminated")
        if ended and ended.get("exitCode"):
            times = f", {each['restartCount']} restarts" if each.get("restartCount") else ""
            yield each["name"], f"{ended.get('reason', 'Error')} (exit code {ended['exitCode']}{times})"


def _containers(pod: Manifest) -> list[Manifest]:
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _current(manifest: Manifest) -> Mapping[str, Any]:
    """Return the status, or nothing while the controller has not seen the object's newest form."""
    status: Mapping[str, Any] = manifest.get("status", {})
    return status if status.get("observedGeneration", 0) >= manifest["metadata"].get("generation", 0) else {}


def _condition(manifest: Manifest, kind: str) -> Manifest | None:
    conditions: list[Manifest] = manifest.get("status", {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == kind), None)


def _holds(condition: Manifest | None) -> bool:
    return condition is not None and condition["status"] == "True"


def _with_message(found: str, condition: Manifest | None) -> str:
    return f"{found}: {condition['message']}" if condition and condition.get("message") else found
