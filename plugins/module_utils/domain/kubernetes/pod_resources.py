# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a pod's container may use, as Kubernetes writes it, and how far the change of a running one has come."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any

from ...errors import InvalidInput
from .object import Manifest

#: requests and limits, each with quantities by the resource's name.
Resources = Mapping[str, Mapping[str, str]]

# Suffixes of quantities (Kubernetes' documentation, Resource units).
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_QUANTITY = re.compile(r"([0-9]+(?:[.][0-9]+)?)(m|k|[MGT]|[KMGT]i|)")


class Progress(StrEnum):
    """How far a running pod has come with what it is to be allowed."""

    DONE = "done"
    UNDER_WAY = "under way"
    #: The node can't, or the pod uses more than it is to have.
    WAITS = "waits"


def amount(quantity: object) -> Decimal:
    """Return a quantity as a number of cores or bytes. Raises InvalidInput."""
    found = _QUANTITY.fullmatch(str(quantity))
    if found is None:
        raise InvalidInput("not a quantity of Kubernetes", found=str(quantity), expected="such as 500m or 2Gi")
    return Decimal(found[1]) / 1000 if found[2] == "m" else Decimal(found[1]) * _UNITS[found[2]]


def same(one: Resources, other: Resources) -> bool:
    """Whether both say the same, however it is written: 1000m is 1."""
    return _amounts(one) == _amounts(other)


def resources(manifest: Manifest, container: str) -> Resources:
    """Return what a container of a pod, or of the pods that a workload makes, is to be allowed. Raises InvalidInput."""
    spec = manifest["spec"].get("template", manifest).get("spec", {}) if manifest["kind"] != "Pod" else manifest["spec"]
    return dict(_container(spec.get("containers", []), container).get("resources") or {})


def progress(pod: Manifest, container: str, wanted: Resources) -> tuple[Progress, str]:
    """Judge a running pod, with Kubernetes' words where it waits."""
    status = pod.get("status", {})
    conditions = {each["type"]: each for each in status.get("conditions") or [] if each["status"] == "True"}
    if pending := conditions.get("PodResizePending"):
        return Progress.WAITS, f"{pending.get('reason', '')}: {pending.get('message', '')}"
    under_way = conditions.get("PodResizeInProgress")
    if under_way and under_way.get("reason") == "Error":
        return Progress.WAITS, str(under_way.get("message", ""))
    actual = _container(status.get("containerStatuses") or [], container).get("resources") or {}
    done = not under_way and same(actual, wanted) and same(resources(pod, container), wanted)
    return (Progress.DONE, "") if done else (Progress.UNDER_WAY, "")


def _container(containers: list[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    found = next((each for each in containers if each["name"] == name), None)
    if found is None:
        raise InvalidInput(f"there is no container {name}", found=", ".join(each["name"] for each in containers))
    return found


def _amounts(given: Resources) -> dict[str, dict[str, Decimal]]:
    return {kind: {name: amount(value) for name, value in given.get(kind, {}).items()} for kind in ("requests", "limits")}
