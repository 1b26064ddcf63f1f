"""Controllers that a cluster for tests lacks, each named for what it is: they look at all objects every moment and act."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from kubernetes import client, config, dynamic
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from urllib3.exceptions import HTTPError

_PAUSE = 0.3  # seconds between two looks
_PATIENCE = 30  # seconds for the last look to end

#: An object as the API has it.
Manifest = dict[str, Any]


class Objects:
    """The objects of a cluster, for controllers."""

    def __init__(self, kubeconfig: str) -> None:
        self.client = config.new_client_from_config(kubeconfig)
        self._api = dynamic.DynamicClient(self.client)

    def close(self) -> None:
        """Close its connections."""
        self.client.rest_client.pool_manager.clear()

    def all(self, api_version: str, kind: str) -> list[Manifest]:
        """Return every object of a kind, none where the kind is unknown."""
        try:
            resource = self._api.resources.get(api_version=api_version, kind=kind)
        except dynamic.exceptions.ResourceNotFoundError:
            return []
        return list(resource.get().to_dict()["items"])

    def get(self, api_version: str, kind: str, name: str, namespace: str) -> Manifest | None:
        """Return an object, or None."""
        try:
            found = self._api.resources.get(api_version=api_version, kind=kind).get(name=name, namespace=namespace)
        except dynamic.exceptions.NotFoundError:
            return None
        return dict(found.to_dict())

    def apply(self, manifest: Manifest, manager: str) -> None:
        """Apply an object server-side."""
        resource = self._api.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])
        place = manifest["metadata"]
        self._api.server_side_apply(
            resource, body=manifest, name=place["name"], namespace=place.get("namespace"), field_manager=manager,
            force_conflicts=True,
        )  # fmt: skip

    def kill_pod(self, name: str, namespace: str) -> None:
        """Delete a pod at once, as the end of its node would."""
        client.CoreV1Api(self.client).delete_namespaced_pod(name, namespace, grace_period_seconds=0)

    def set_status(self, manifest: Manifest, status: Manifest) -> None:
        """Write an object's status."""
        resource = self._api.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])
        place = manifest["metadata"]
        body = {
            "apiVersion": manifest["apiVersion"],
            "kind": manifest["kind"],
            "metadata": {"name": place["name"]},
            "status": status,
        }
        resource.status.patch(
            body=body, name=place["name"], namespace=place.get("namespace"), content_type="application/merge-patch+json"
        )


class Controller(Protocol):
    """Brings what it is responsible for a step nearer to what is wanted."""

    def look(self, objects: Objects) -> None:
        """Look at all objects once. What can't be done yet is tried at the next look."""


@contextmanager
def running(kubeconfig: str, controllers: Sequence[Controller]) -> Iterator[list[str]]:
    """Run controllers until the end of the block; what they could not do is in the list."""
    ended, troubles = threading.Event(), list[str]()

    def loop() -> None:
        with closing(Objects(kubeconfig)) as objects:
            while not ended.wait(_PAUSE):
                for each in controllers:
                    try:
                        each.look(objects)
                    except (ApiException, dynamic.exceptions.DynamicApiError, HTTPError, OSError, LookupError) as error:
                        troubles.append(f"{type(each).__name__}: {error}")
                        del troubles[:-20]

    thread = threading.Thread(target=loop, name="controllers", daemon=True)
    thread.start()
    try:
        yield troubles
    finally:
        ended.set()
        thread.join(_PATIENCE)


@dataclass(frozen=True)
class Said:
    """What a command in a pod said, and its exit status."""

    status: int
    output: str
    errors: str


def in_pod(objects: Objects, namespace: str, pod: str, *words: str, timeout: float = _PATIENCE) -> Said:
    """Run a command in a pod's first container, for ``timeout`` seconds at most."""
    core = client.CoreV1Api(objects.client)
    call = core.connect_get_namespaced_pod_exec
    how = {"stdout": True, "stderr": True, "stdin": False, "tty": False, "_preload_content": False}
    session = stream(call, pod, namespace, command=list(words), **how)
    try:
        session.run_forever(timeout=timeout)
        output, errors = session.read_stdout(timeout=0), session.read_stderr(timeout=0)
        return Said(session.returncode, output, errors)
    finally:
        session.sock.shutdown()  # close() leaves the socket open where the other side has closed first
