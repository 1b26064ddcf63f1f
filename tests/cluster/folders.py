"""Stands in for a storage system: every claim gets a folder of this machine, open to all, and loses it when it goes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.controllers import Manifest, Objects

CLASS = "folders"
_PROVISIONER = "saasodoo.invalid/folders"
_MANAGER = "fake-storage"


@dataclass
class FakeStorage:
    """Serves the class ``folders``, the cluster's default, below ``folder``; quotas are not enforced."""

    folder: Path

    def look(self, objects: Objects) -> None:
        """Make a volume for each claim that waits for one, and remove those whose claim is gone."""
        if not objects.get("storage.k8s.io/v1", "StorageClass", CLASS, ""):
            objects.apply(_storage_class(), _MANAGER)
        for claim in objects.all("v1", "PersistentVolumeClaim"):
            if claim["status"]["phase"] == "Pending" and claim["spec"].get("storageClassName") == CLASS:
                objects.apply(self._volume(claim), _MANAGER)
        for volume in objects.all("v1", "PersistentVolume"):
            if volume["spec"].get("storageClassName") == CLASS and volume["status"].get("phase") == "Released":
                shutil.rmtree(volume["spec"]["hostPath"]["path"], ignore_errors=True)

    def _volume(self, claim: Manifest) -> Manifest:
        place = claim["metadata"]
        home = self.folder / f"{place['namespace']}-{place['name']}"
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o777)
        return volume(f"folder-{place['uid']}", home, claim=claim)


def volume(name: str, folder: Path, *, claim: Manifest) -> Manifest:
    """Return a volume on a folder of this machine, for one claim."""
    spec = claim["spec"]
    where = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        **{key: claim["metadata"][key] for key in ("name", "namespace")},
    }
    return {
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {
            "capacity": spec["resources"]["requests"], "accessModes": spec["accessModes"], "hostPath": {"path": str(folder)},
            "storageClassName": spec.get("storageClassName", ""), "claimRef": where,
            "persistentVolumeReclaimPolicy": "Retain",
        },
    }  # fmt: skip


def _storage_class() -> Manifest:
    return {
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": _PROVISIONER,
        "metadata": {"name": CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    }  # fmt: skip
