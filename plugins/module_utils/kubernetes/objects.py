# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objects in a cluster brought to their state: applied server-side under the platform's name, or removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic.exceptions import ResourceNotFoundError
from kubernetes.dynamic.resource import Resource

from ..domain.kubernetes.object import Manifest, Name, Wanted, held_by, propagation
from ..domain.kubernetes.ownership import MANAGER
from ..domain.kubernetes.refusal import refusal
from ..errors import InvalidInput
from .cluster import TIMEOUT, Kubernetes, failures, plain

_MISSING = 404
_ANSWER: Mapping[str, Any] = {"serializer": plain, "_request_timeout": TIMEOUT}


class KubernetesObjects(Kubernetes):
    """One cluster, whose objects can be changed. With ``check`` the API server tries, and keeps nothing."""

    def knows(self, name: Name) -> bool:
        """Whether the cluster has that kind. Raises InvalidInput where the kind is there and the name does not fit it."""
        with failures(f"look for {name.kind}"):
            try:
                _address(self._api.resources.get(name.api_version, name.kind), name)
            except ResourceNotFoundError:
                return False
        return True

    def read(self, name: Name) -> Manifest | None:
        """Return an object, or None. Raises what a refusal means."""
        with failures(f"read {name}"), _refusals("read", name, missing=True):
            resource = self._api.resources.get(name.api_version, name.kind)
            found: Manifest = resource.get(**_address(resource, name), **_ANSWER)
            return found
        return None

    def apply(self, wanted: Wanted, *, check: bool) -> Manifest:
        """Apply an object and return it; what others wrote of our fields is put back. Raises what its refusal means."""
        name = wanted.name
        with failures(f"apply {name}"), _refusals("apply", name):
            resource = self._api.resources.get(name.api_version, name.kind)
            applied: Manifest = resource.server_side_apply(
                body=wanted.manifest,
                **_address(resource, name),
                field_manager=MANAGER,
                force_conflicts=True,
                query_params=[("fieldValidation", "Strict")],
                dry_run="All" if check else None,
                **_ANSWER,
            )
        return applied

    def delete(self, name: Name, found: Manifest, *, check: bool) -> None:
        """Have an object deleted: the one that was found, none that took its name meanwhile. It may take its time to go."""
        body: dict[str, Any] = {"propagationPolicy": propagation(name), "preconditions": {"uid": found["metadata"]["uid"]}}
        body |= {"dryRun": ["All"]} if check else {}  # where there is a body, the API server reads no parameters of the address
        with failures(f"remove {name}"), _refusals("remove", name, missing=True):
            resource = self._api.resources.get(name.api_version, name.kind)
            resource.delete(body=body, **_address(resource, name), **_ANSWER)

    def left(self, name: Name, found: Manifest) -> str:
        """Say what keeps an object from being gone; nothing where it is, or another has its name."""
        now = self.read(name)
        if now is None or now["metadata"]["uid"] != found["metadata"]["uid"]:
            return ""
        pods = ", ".join(pod["metadata"]["name"] for pod in self.pods(now) if now["kind"] != "Pod")
        return held_by(now) + (f"; its pods are there: {pods}" if pods else "")


def _address(resource: Resource, name: Name) -> dict[str, str | None]:
    if resource.namespaced != bool(name.namespace):
        expected = f"{name.kind} in a namespace" if resource.namespaced else f"{name.kind} of the whole cluster"
        action = "give metadata.namespace" if resource.namespaced else "leave out metadata.namespace"
        raise InvalidInput(f"{name} can't be", expected=expected, action=action)
    return {"name": name.name, "namespace": name.namespace or None}


@contextmanager
def _refusals(what: str, name: Name, missing: bool = False) -> Iterator[None]:
    """Say what a refusal means; with ``missing`` that there is no such object is none."""
    try:
        yield
    except ApiException as error:
        if not (missing and error.status == _MISSING):
            raise refusal(what, name, error.status, str(error.reason), str(error.body or "")) from None
