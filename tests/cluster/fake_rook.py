"""Stands in for Rook's operator, which can't be had everywhere: it says what Rook would say, and nothing is behind it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.cluster.controllers import Manifest, Objects

_API = "ceph.rook.io/v1"
_KINDS = ("CephCluster", "CephFilesystem", "CephFilesystemSubVolumeGroup", "CephClient")


@dataclass
class FakeRook:
    """Calls everything ready, but for the objects of a kind in ``said``: of those it says that."""

    said: dict[str, Manifest] = field(default_factory=dict)

    def look(self, objects: Objects) -> None:
        """Tell the status of all objects."""
        for kind in _KINDS:
            for each in objects.all(_API, kind):
                seen = {"observedGeneration": each["metadata"]["generation"]}
                objects.set_status(each, {"phase": "Ready", "ceph": None} | self.said.get(kind, {}) | seen)
