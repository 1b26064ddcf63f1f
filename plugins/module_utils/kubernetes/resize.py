# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Deployment's pods may use, changed while they run.

Kubernetes resizes pods, not Deployments: a Deployment whose template says something else replaces its pods. So the pods come
first; then, while the Deployment is paused and looks at nothing, its template and that of its ReplicaSet are made to say what
the pods have. Killed anywhere it is done again; a Deployment left paused is unpaused by that.
"""

from __future__ import annotations

from typing import Any

from kubernetes.client import ApiException, AppsV1Api, CoreV1Api

from ..domain.kubernetes.object import Manifest, Name
from ..domain.kubernetes.ownership import MANAGER
from ..domain.kubernetes.pod_resources import Resources
from .cluster import TIMEOUT, Kubernetes, failures

_CAN_NOT = (404, 405, 422)  # there is no such request, or it does not fit this pod
#: Kubernetes 1.36 refuses more than the pod's node has at all, and says this; before, the pod was left waiting for it.
_TOO_LARGE = '"reason":"NodeCapacity"'
_HOW = {"field_manager": MANAGER, "_request_timeout": TIMEOUT}


class ResizableDeployment:
    """One Deployment, and the container of its pods that is resized."""

    def __init__(self, cluster: Kubernetes, name: Name, container: str) -> None:
        self._cluster, self._name, self._container = cluster, name, container
        self._core, self._apps = CoreV1Api(cluster.client), AppsV1Api(cluster.client)

    def read(self) -> Manifest | None:
        """Return the Deployment, or None."""
        return self._cluster.read(self._name)

    def pods(self, deployment: Manifest) -> list[Manifest]:
        """Return its pods, but for those that are going."""
        return [pod for pod in self._cluster.pods(deployment) if not pod["metadata"].get("deletionTimestamp")]

    def resize(self, pod: Manifest, wanted: Resources) -> bool:
        """Ask for a running pod to be resized; return whether the cluster does such a thing, and with this pod."""
        body = {"spec": self._containers(wanted)}
        with failures(f"resize pod {pod['metadata']['name']}"):
            try:
                self._core.patch_namespaced_pod_resize(pod["metadata"]["name"], self._name.namespace, body, **_HOW)
            except ApiException as error:
                if error.status in _CAN_NOT or _TOO_LARGE in str(error.body):
                    return False
                raise
        return True

    def follow(self, deployment: Manifest, wanted: Resources) -> None:
        """Have the Deployment and its ReplicaSets of the same form say what its pods have, so that it replaces none."""
        revision = _revision(deployment)
        body = {"spec": {"template": {"spec": self._containers(wanted)}}}
        with failures(f"resize {self._name}"):
            self._pause(True)
            for each in self._cluster.selected(deployment, "apps/v1", "ReplicaSet"):
                if _revision(each) == revision:
                    self._apps.patch_namespaced_replica_set(each["metadata"]["name"], self._name.namespace, body, **_HOW)
            self._patch(body)
            self._pause(None)

    def go_on(self) -> None:
        """Unpause it."""
        with failures(f"resize {self._name}"):
            self._pause(None)

    def _pause(self, paused: bool | None) -> None:
        self._patch({"spec": {"paused": paused}})

    def _patch(self, body: dict[str, Any]) -> None:
        self._apps.patch_namespaced_deployment(self._name.name, self._name.namespace, body, **_HOW)

    def _containers(self, wanted: Resources) -> dict[str, Any]:
        return {"containers": [{"name": self._container, "resources": {kind: dict(wanted[kind]) for kind in wanted}}]}


def _revision(manifest: Manifest) -> str | None:
    revision: str | None = (manifest["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision")
    return revision
