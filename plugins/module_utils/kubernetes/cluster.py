# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cluster's API: objects, and what their controllers, pods and containers say of them.

The client is imported here, not where it is used: its 0.3 s are then spent once, by the process that loads the action
plugins, and not by each task.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import NotFoundError, ResourceNotFoundError
from kubernetes.dynamic.resource import Resource
from urllib3.exceptions import HTTPError

from ..domain.kubernetes import readiness
from ..domain.kubernetes.object import Manifest, Name
from ..domain.kubernetes.readiness import Standing
from ..errors import InvalidInput, Unauthorized, Unavailable

TIMEOUT = (5, 30)  # seconds to connect, and between two pieces of an answer
_EVENTS, _LINES, _LINE = 5, 10, 500  # newest events of an object, last lines of a log, characters of a line
_MISSING, _BAD = 404, 400
_REFUSED = (401, 403)


class Kinds:
    """What kinds the cluster has, asked by apiVersion and only of those in use.

    The client's own way asks for all groups first, and keeps the answers in a file of a known name in the folder for
    temporary files. Whoever made that file before could lead objects, Secrets too, to any address of the API.
    """

    def __init__(self, api: DynamicClient, _cache_file: str | None = None) -> None:
        self._api = api
        self._known: dict[str, dict[str, Resource]] = {}

    def get(self, api_version: str, kind: str) -> Resource:
        """Return how to address a kind. Raises ResourceNotFoundError; what is not known may come to be, and is asked again."""
        if kind not in self._known.get(api_version, {}):
            self._known[api_version] = self._ask(api_version)
        try:
            return self._known[api_version][kind]
        except KeyError:
            raise ResourceNotFoundError(f"{api_version} has no kind {kind}") from None

    def _ask(self, api_version: str) -> dict[str, Resource]:
        group, _slash, version = api_version.rpartition("/")
        prefix = "apis" if group else "api"
        try:
            rows = self._api.request("get", f"/{prefix}/{api_version}", serializer=plain, _request_timeout=TIMEOUT)["resources"]
        except NotFoundError:
            return {}
        place = {"prefix": prefix, "group": group, "api_version": version, "client": self._api}
        return {row["kind"]: Resource(**row | place) for row in rows if "/" not in row["name"]}


class Kubernetes:
    """One cluster, as the user of a kubeconfig sees it. All methods raise Unavailable and Unauthorized."""

    def __init__(self, kubeconfig: str = "", context: str = "") -> None:
        """Connect by a kubeconfig (empty: by KUBECONFIG, or by the pod's own account). Raises InvalidInput, Unavailable."""
        try:
            self._api = DynamicClient(_client(kubeconfig, context), discoverer=Kinds)
        except config.ConfigException as error:
            action = "give kubeconfig, or set KUBECONFIG to a file that names a cluster and a user"
            raise InvalidInput("no cluster to talk to", found=str(error), action=action) from None

    @property
    def client(self) -> client.ApiClient:
        """The connection, for what has no kind of its own."""
        return self._api.client

    def read(self, name: Name) -> Manifest | None:
        """Return an object, or None."""
        found = self._get(name.api_version, name.kind, name=name.name, namespace=name.namespace or None)
        return found or None

    def pods(self, manifest: Manifest) -> list[Manifest]:
        """Return the pods of a workload: the pod itself, or those its selector finds."""
        return [manifest] if manifest["kind"] == "Pod" else self.selected(manifest, "v1", "Pod")

    def selected(self, manifest: Manifest, api_version: str, kind: str) -> list[Manifest]:
        """Return the objects of a kind that a workload's selector finds; none of what has no selector."""
        labels = readiness.selector(manifest)
        if not labels:
            return []
        wanted = ",".join(f"{key}={value}" for key, value in labels.items())
        found = self._get(api_version, kind, namespace=manifest["metadata"]["namespace"], label_selector=wanted)
        return [{"kind": kind, **each} for each in found.get("items", [])]  # a list says once what its items are

    def events(self, manifest: Manifest) -> list[str]:
        """Return the newest events that tell of a failure of an object, the last one last."""
        selector = f"involvedObject.uid={manifest['metadata']['uid']}"
        found = self._get("v1", "Event", namespace=manifest["metadata"].get("namespace"), field_selector=selector)
        rows = sorted(found.get("items", []), key=lambda each: each.get("lastTimestamp") or each.get("eventTime") or "")
        # That no volume can be bound is no warning to Kubernetes.
        bad = [each for each in rows if each["type"] == "Warning" or each["reason"].startswith("Failed")]
        return list(dict.fromkeys(f"{each['reason']}: {each.get('message', '')}" for each in bad))[-_EVENTS:]

    def log(self, pod: Manifest, container: str, *, previous: bool = False) -> list[str]:
        """Return the last lines of a container's log, also where it has ended; none where there is no log.

        ``previous``: of the container that this one was begun anew after.
        """
        place, wanted = pod["metadata"], {"container": container, "tail_lines": _LINES, "previous": previous}
        with failures(f"read the log of {container}", missing=(_MISSING, _BAD)):
            core = client.CoreV1Api(self._api.client)
            text = core.read_namespaced_pod_log(place["name"], place["namespace"], **wanted, _request_timeout=TIMEOUT)
            return [line[:_LINE] for line in str(text).splitlines()]
        return []

    def standing(self, name: Name, *, pods: bool) -> Standing:
        """Judge an object, and with ``pods`` also whether waiting for those is in vain.

        To find an object's pods, the API server goes through all of the namespace.
        """
        manifest = self.read(name)
        seen = readiness.standing(manifest)
        if manifest is None or seen.in_vain:
            return seen
        if seen.ready:
            ending = self.pods(manifest) if readiness.is_to_have_none(manifest) else []
            return Standing(False, f"{len(ending)} of its pods have not ended") if ending else seen
        return Standing(False, seen.found, pods and readiness.in_vain(manifest, self.pods(manifest)))

    def explain(self, name: Name) -> str:
        """Return why an object is not ready: its own words, its pods' troubles, their events, the end of their logs."""
        manifest = self.read(name)
        found = [readiness.standing(manifest).found]
        if manifest is not None:
            pods = self.pods(manifest)
            found += [] if manifest in pods else self.events(manifest)
            for pod in pods:
                found += [f"pod {pod['metadata']['name']}: {each}" for each in self._explain_pod(pod)]
        return "; ".join(found)

    def _explain_pod(self, pod: Manifest) -> Iterator[str]:
        if readiness.standing(pod).ready and not readiness.unwell(pod):
            return
        yield from readiness.troubles(pod)
        yield from self.events(pod)
        for container in readiness.unwell(pod):
            if lines := self.log(pod, container) or self.log(pod, container, previous=True):
                yield f"the log of {container} ends: {' | '.join(lines)}"

    def _get(self, api_version: str, kind: str, **selection: str | None) -> dict[str, Any]:
        with failures(f"read {kind}", missing=(_MISSING,)):
            resource = self._api.resources.get(api_version=api_version, kind=kind)
            answer: dict[str, Any] = resource.get(**selection, serializer=plain, _request_timeout=TIMEOUT)
            return answer
        return {}


def plain(_api: DynamicClient, answer: Any) -> Any:
    """Take an answer as it is; the client would make an object of each part of it."""
    return answer


def _client(kubeconfig: str, context: str) -> Any:
    if not kubeconfig and not context and "KUBERNETES_SERVICE_HOST" in os.environ:  # inside a pod
        inside = client.Configuration()
        config.load_incluster_config(client_configuration=inside)
        return client.ApiClient(inside)
    return config.new_client_from_config(config_file=kubeconfig or None, context=context or None)


@contextmanager
def failures(what: str, missing: tuple[int, ...] = ()) -> Iterator[None]:
    """Turn the client's errors into the platform's; what is ``missing`` (HTTP status) ends the block quietly."""
    try:
        yield
    except ResourceNotFoundError as error:
        action = "install what brings this kind, or mend apiVersion and kind"
        raise InvalidInput(f"the cluster can't {what}", found=str(error), action=action) from None
    except ApiException as error:
        if error.status in missing:
            return
        kind = Unauthorized if error.status in _REFUSED else Unavailable
        raise kind(f"the cluster refused to {what}", found=f"{error.status} {error.reason}: {error.body}") from None
    except (HTTPError, OSError) as error:
        raise Unavailable(f"the cluster does not answer: can't {what}", found=str(error)) from None
