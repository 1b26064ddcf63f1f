# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objects of Kubernetes as they are given: what they are called, what is to be applied, how they go."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import InvalidInput

#: An object, as somebody wrote it or as the API server returns it.
Manifest = Mapping[str, Any]

#: Names become parts of an address; whether they are allowed for the kind the API server says better.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")
_API_VERSION = re.compile(r"([a-z0-9][a-z0-9.-]*/)?[a-z0-9]+")
#: Conditions that say why something is not gone yet: of a namespace, and of what Rook makes.
_HOLDS = re.compile(r"Namespace|\w*DeletionIsBlocked$")
#: Groups of Kubernetes' own whose objects make others.
_OWNERS = ("apps", "batch")


@dataclass(frozen=True)
class Name:
    """What an object is called: ``kind`` and ``api_version`` as in its manifest, ``namespace`` empty for the cluster's own."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" + (f" in namespace {self.namespace}" if self.namespace else "")

    @property
    def group(self) -> str:
        """The API group, empty for the first one: the same object can be had in several versions of it."""
        return self.api_version.rpartition("/")[0]


@dataclass(frozen=True)
class Wanted:
    """An object to bring about."""

    name: Name
    manifest: Manifest


def read_objects(given: Iterable[Manifest]) -> list[Wanted]:
    """Read manifests. Raises InvalidInput where one can't be an object, or two are one."""
    found: dict[tuple[str, ...], Wanted] = {}
    for number, manifest in enumerate(given, start=1):
        name = _name(manifest, number)
        key = (name.group, name.kind, name.namespace, name.name)
        if key in found:
            raise InvalidInput(f"{name} is given twice", expected="each object once", action="merge the two, or rename one")
        found[key] = Wanted(name, _with_data(name, manifest) if name.kind == "Secret" else manifest)
    return list(found.values())


def given(manifest: Manifest) -> dict[str, Any]:
    """Return of a manifest what its owner would own: all but what names it, and the status, which is its controller's."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in ("name", "namespace") and value}
    content = {key: manifest[key] for key in manifest if key not in ("apiVersion", "kind", "metadata", "status")}
    return content | ({"metadata": metadata} if metadata else {})


def brings(manifest: Manifest) -> set[tuple[str, str]]:
    """Return the kinds, with their apiVersion, that exist once this object does: those of a CustomResourceDefinition."""
    if manifest["kind"] != "CustomResourceDefinition":
        return set()
    spec = manifest.get("spec") or {}
    kind = (spec.get("names") or {}).get("kind", "")
    return {(f"{spec.get('group')}/{each.get('name')}", kind) for each in spec.get("versions") or []}


def propagation(name: Name) -> str:
    """Return how to delete an object: what makes others is gone only when those are, so that nothing of it runs on."""
    custom = "." in name.group and not name.group.endswith(".k8s.io")
    return "Foreground" if custom or name.group in _OWNERS else "Background"


def held_by(manifest: Manifest) -> str:
    """Say what keeps an object that is to go: its finalizers, what is left in it, or the grace that it has."""
    metadata = manifest["metadata"]
    if not metadata.get("deletionTimestamp"):
        return "it is there, and nobody deletes it"
    finalizers = [*(metadata.get("finalizers") or []), *((manifest.get("spec") or {}).get("finalizers") or [])]
    conditions = (manifest.get("status") or {}).get("conditions") or []
    left = [each["message"] for each in conditions if each.get("status") == "True" and _HOLDS.match(each["type"])]
    held = [f"held by its finalizers: {', '.join(finalizers)}"] if finalizers else []
    grace = metadata.get("deletionGracePeriodSeconds")
    held += [f"it has {grace} s to end"] if grace else []
    return "; ".join([f"it is being deleted since {metadata['deletionTimestamp']}", *held, *left])


def _name(manifest: Manifest, number: int) -> Name:
    metadata = manifest.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    parts = {
        "apiVersion": manifest.get("apiVersion"),
        "kind": manifest.get("kind"),
        "metadata.name": metadata.get("name"),
        "metadata.namespace": metadata.get("namespace") or "",
    }
    for part, value in parts.items():
        pattern = _API_VERSION if part == "apiVersion" else _NAME
        if not isinstance(value, str) or not (pattern.fullmatch(value) or (part == "metadata.namespace" and not value)):
            which = " ".join(str(parts[each]) for each in ("kind", "metadata.name") if parts[each])
            what = f"object {number} of the list{f' ({which})' if which else ''} has no {part} that can be used"
            found = "nothing" if value is None else repr(value)
            raise InvalidInput(what, found=found, expected="apiVersion, kind and metadata.name in each")
    api_version, kind, name, namespace = (str(value) for value in parts.values())
    return Name(api_version, kind, name, namespace)


def _with_data(name: Name, manifest: Manifest) -> Manifest:
    """Turn a Secret's stringData into data.

    The API server does so, too, but then knows of no owner for it: a key that is given no more would stay for ever.
    """
    data = dict(_texts(name, manifest, "data"))
    for key, text in data.items():
        try:
            b64decode(text, validate=True)
        except ValueError:
            raise InvalidInput(f"{name}: data.{key} is no base64", action="encode it, or give it in stringData") from None
    data |= {key: b64encode(text.encode()).decode() for key, text in _texts(name, manifest, "stringData").items()}
    rest = {key: value for key, value in manifest.items() if key not in ("data", "stringData")}
    return rest | ({"data": data} if data else {})


def _texts(name: Name, manifest: Manifest, part: str) -> Mapping[str, str]:
    """Return a Secret's texts. The errors name keys and types, never a value."""
    texts = manifest.get(part) or {}
    if not isinstance(texts, Mapping):
        raise InvalidInput(f"{name}: {part} can't be used", found=type(texts).__name__, expected="keys with texts")
    for key, text in texts.items():
        if not isinstance(text, str):
            raise InvalidInput(f"{name}: {part}.{key} is no text", found=type(text).__name__, action="put it in quotes")
    return texts
