"""Role cephfs on a real API server with Rook's real schema: a fake says what Rook would; Ceph is real where tenants write."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.kubernetes.readiness import standing
from ansible_collections.saasodoo.platform.plugins.module_utils.waiting import Look, wait_until
from tests.cluster.ceph import Ceph, ceph
from tests.cluster.cluster import Cluster
from tests.cluster.controllers import Manifest, Objects
from tests.cluster.fake_rook import FakeRook
from tests.fixtures.ansible import ROOT, Run, run_playbook, run_tasks
from tests.kubernetes.manifests import manifest

pytestmark = pytest.mark.kubernetes

API = "ceph.rook.io/v1"
KINDS = ("CephCluster", "CephFilesystem", "CephFilesystemSubVolumeGroup", "CephClient")
CLAIM = "saasodoo-home"
TENANT = "10001"
DISKS = {"useAllNodes": True, "deviceFilter": "^sdb$"}

#: Plays role cephfs; returns the run.
Play = Callable[..., Run]


@pytest.fixture
def objects(rook: tuple[Objects, FakeRook]) -> Objects:
    """The cluster's objects."""
    return rook[0]


@pytest.fixture
def fake(rook: tuple[Objects, FakeRook]) -> Iterator[FakeRook]:
    """Who says how things are; it says so again after the test."""
    yield rook[1]
    rook[1].said.clear()


@pytest.fixture
def play(kubernetes_node: Cluster, objects: Objects, namespace: str) -> Iterator[Play]:
    """Plays an entry of the role, for a Ceph cluster in the test's namespace."""
    known = {"kubeconfig": str(kubernetes_node.kubeconfig), "context": "", "namespace": namespace, "home_claim": CLAIM}
    names: dict[str, Any] = {"cephfs_namespace": namespace, "cephfs_class": f"cephfs-{namespace}", "cephfs_storage": DISKS}

    def play(entry: str = "main", *, check: bool = False, **more: Any) -> Run:
        playbook = {"main": "playbooks/cephfs.yml", "remove": "playbooks/cephfs_remove.yml"}[entry]
        variables = {"saasodoo_backend": "kubernetes", "saasodoo_kubernetes": known, "saasodoo_instance": "test", **names, **more}
        return run_playbook(playbook, f"--inventory={ROOT}/inventories/local/hosts.yml", check=check, extra_vars=variables)

    yield play
    with suppress(client.ApiException):  # all else goes with the namespace
        client.CoreV1Api(objects.client).delete_persistent_volume(names["cephfs_class"])


def done(run: Run) -> int:
    """Return how many tasks changed something in a run that succeeded."""
    assert run.rc == 0, run.failure or run.text
    return run.changed


def refused(run: Run, *words: str) -> None:
    """Assert that a run ended with these words."""
    assert run.failure is not None, run.text
    said = " ".join(str(run.failure).split())
    assert not [word for word in words if word not in said], said


def found(objects: Objects, namespace: str, kind: str) -> Manifest | None:
    return objects.get(API, kind, "rook-ceph" if kind == "CephCluster" else "saasodoo", namespace)


def spec(objects: Objects, namespace: str, kind: str) -> Manifest:
    there = found(objects, namespace, kind)
    assert there is not None, kind
    return dict(there["spec"])


def home(objects: Objects, namespace: str) -> Manifest | None:
    there = objects.get("v1", "PersistentVolume", f"cephfs-{namespace}", "")
    return there and dict(there["spec"])


@pytest.mark.usefixtures("fake")
def test_made_again_grown_and_removed(objects: Objects, namespace: str, play: Play) -> None:
    foretold = play(check=True)
    assert done(foretold) == 1
    assert "^sdb$" in foretold.text
    assert found(objects, namespace, "CephCluster") is None
    assert done(play()) == 1
    for check in (True, False):
        assert done(play(check=check)) == 0

    assert spec(objects, namespace, "CephCluster")["storage"] == DISKS
    filesystem = spec(objects, namespace, "CephFilesystem")
    for pool in (filesystem["metadataPool"], *filesystem["dataPools"]):
        assert (pool["failureDomain"], pool["replicated"]) == ("host", {"size": 3, "requireSafeReplicaSize": True})
    kept = home(objects, namespace)
    assert kept is not None
    assert (kept["csi"]["driver"], kept["persistentVolumeReclaimPolicy"]) == ("rook-ceph.cephfs.csi.ceph.com", "Retain")
    assert kept["csi"]["nodeStageSecretRef"] == {"name": "rook-ceph-client-saasodoo", "namespace": namespace}

    grown = {"cephfs_size": "20Ti", "cephfs_replicas": 2, "cephfs_storage": DISKS | {"deviceFilter": "^sd[bc]$"}}
    shown = play(check=True, **grown)
    assert done(shown) == 1
    assert "20Ti" in shown.text
    assert spec(objects, namespace, "CephFilesystemSubVolumeGroup")["quota"] == "1Ti"
    assert done(play(**grown)) == 1
    assert spec(objects, namespace, "CephFilesystemSubVolumeGroup")["quota"] == "20Ti"
    kept = home(objects, namespace)
    assert kept is not None
    assert kept["capacity"] == {"storage": "20Ti"}

    assert done(play("remove", check=True, cephfs_confirm="test")) == 2
    assert done(play("remove", cephfs_confirm="test")) == 2
    assert not any(found(objects, namespace, kind) for kind in KINDS)
    assert home(objects, namespace) is None
    assert done(play("remove", cephfs_confirm="test")) == 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"cephfs_storage": {}}, "Ceph has no disks"),
        ({"cephfs_storage": {"useAllNode": True}}, "useAllNode"),
        ({"cephfs_monitors": 4}, "an odd number"),
        ({"cephfs_monitors": 11}, "spec.mon.count"),
        ({"cephfs_size": "much"}, "spec.quota"),
        ({"cephfs_data_path": "here"}, "spec.dataDirHostPath"),
    ],
)
def test_what_can_not_be_is_refused(play: Play, wrong: dict[str, Any], words: str) -> None:
    refused(play(**wrong), words)


BROKEN = {"health": "HEALTH_ERR", "details": {"X": {"severity": "HEALTH_ERR", "message": "mds down"}}}


@pytest.mark.parametrize(
    ("kind", "said", "words"),
    [
        ("CephCluster", {"phase": "Progressing", "message": "Configuring OSDs"}, ("is Progressing", "Configuring OSDs")),
        ("CephCluster", {"phase": "Ready", "ceph": BROKEN}, ("HEALTH_ERR", "mds down")),
        ("CephFilesystem", {"phase": "Failure"}, ("CephFilesystem saasodoo", "phase is Failure")),
    ],
)
def test_what_is_not_ready_is_named(fake: FakeRook, play: Play, kind: str, said: Manifest, words: tuple[str, ...]) -> None:
    fake.said[kind] = said
    refused(play(cephfs_start_timeout=3), kind, *words)
    fake.said.clear()
    assert done(play(cephfs_start_timeout=10)) == 0


def test_what_is_said_is_meant(objects: Objects, namespace: str, play: Play) -> None:
    done(play())
    refused(play("remove", cephfs_confirm="tset"), "Nothing was removed", "tset", "expected: test")
    assert found(objects, namespace, "CephCluster") is not None


def claim(namespace: str, size: str) -> Manifest:
    spec = {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": f"cephfs-{namespace}",
        "resources": {"requests": {"storage": size}},
    }
    return manifest("v1", "PersistentVolumeClaim", namespace, CLAIM, spec=spec)


def standing_of_claim(objects: Objects, namespace: str) -> Look:
    seen = standing(objects.get("v1", "PersistentVolumeClaim", CLAIM, namespace))
    return Look(seen.ready, seen.found)


def hold(objects: Objects, namespace: str, finalizers: list[str]) -> None:
    """Keep the Ceph cluster from being gone, or let it go."""
    patch = {"metadata": {"finalizers": finalizers}}
    api = client.CustomObjectsApi(objects.client)
    api.patch_namespaced_custom_object("ceph.rook.io", "v1", namespace, "cephclusters", "rook-ceph", patch)


def test_with_files_on_it_it_stays(objects: Objects, namespace: str, play: Play) -> None:
    """The claim gets the volume that was made for it; both still fit what the role says, and files outlive the claim."""
    done(play())
    objects.apply(claim(namespace, "1Ti"), "tests")
    wait_until("the claim", lambda: standing_of_claim(objects, namespace), timeout=20)
    assert done(play()) == 0
    used = f"PersistentVolume cephfs-{namespace} of claim {CLAIM}"
    refused(play("remove", cephfs_confirm="test"), used)
    core = client.CoreV1Api(objects.client)
    core.delete_namespaced_persistent_volume_claim(CLAIM, namespace)
    refused(play("remove", cephfs_confirm="test"), used)
    assert all(found(objects, namespace, kind) for kind in KINDS)
    core.delete_persistent_volume(f"cephfs-{namespace}")
    assert done(play("remove", cephfs_confirm="test")) == 2


@pytest.mark.usefixtures("fake")
def test_a_file_system_of_others_gets_only_our_part(objects: Objects, namespace: str, play: Play) -> None:
    done(play(cephfs_name="theirs"))
    names = {"cephfs_name": "theirs", "cephfs_group": "ours", "cephfs_class": f"ours-{namespace}", "cephfs_storage": {}}
    elsewhere: dict[str, Any] = names | {"cephfs_made_elsewhere": True}
    assert done(play(**elsewhere)) == 1
    assert done(play(**elsewhere)) == 0
    ours = objects.get(API, "CephFilesystemSubVolumeGroup", "ours", namespace)
    assert ours is not None
    assert ours["spec"]["filesystemName"] == "theirs"

    assert done(play("remove", cephfs_confirm="test", cephfs_erase="quick", **elsewhere)) == 1
    assert objects.get(API, "CephFilesystemSubVolumeGroup", "ours", namespace) is None
    assert objects.get(API, "CephFilesystem", "theirs", namespace) is not None
    assert "cleanupPolicy" not in spec(objects, namespace, "CephCluster")


def test_who_mounts_it_keeps_tenants_to_their_plans(objects: Objects, namespace: str, play: Play) -> None:
    """A real Ceph, with the user that the role asks Rook for."""
    done(play())
    caps, kept = spec(objects, namespace, "CephClient")["caps"], home(objects, namespace)
    assert kept is not None
    part = kept["csi"]["volumeAttributes"]
    with ceph(part["fsName"]) as running:
        running.cell.run("mkdir", "--parents", f"{running.mount('admin')}{part['rootPath']}")
        running.user("saasodoo", caps)
        running.user("driver", caps | {"mds": caps["mds"].replace("rwp", "rw")})
        with pytest.raises(subprocess.CalledProcessError):  # all else of the file system
            running.mount("saasodoo")
        limited(running, running.mount("saasodoo", part["rootPath"]))
        folder = running.mount("driver", part["rootPath"]) / "odoo_data"
        (refusal,) = instance(running, folder, 2 * MB)
        assert "can't be set" in refusal["msg"]
        assert "mds 'allow rwp'" in refusal["msg"]


MB = 1024**2


def limited(running: Ceph, root: Path) -> None:
    """Assert that a tenant's folder on ``root`` holds what its plan says, then what another plan says."""
    folder = root / "odoo_data"
    (foretold,) = instance(running, folder, 8 * MB, check=True)
    assert foretold["diff"]["after"]["storage_limit"] == 8 * MB
    made, again = instance(running, folder, 8 * MB, 8 * MB)
    assert (made["changed"], made["instance"]["storage_limit_enforced"], again["changed"]) == (True, True, False)
    assert 8 <= filled(running, folder) <= 16  # clients keep to it, and learn a little late what others hold

    (larger,) = instance(running, folder, 32 * MB)
    assert (larger["diff"]["before"]["storage_limit"], larger["diff"]["after"]["storage_limit"]) == (8 * MB, 32 * MB)
    assert 16 <= filled(running, folder) <= 32
    (smaller,) = instance(running, folder, 8 * MB)
    assert smaller["changed"]
    assert filled(running, folder) == 0

    template = root / "template"
    running.cell.run("mkdir", template)
    assert not written(running, template / "file", 1, user="0")
    (full,) = instance(running, folder, 8 * MB, template_filestore=str(template))
    assert "more than the storage limit" in full["msg"]
    assert "larger plan" in full["msg"]


def instance(running: Ceph, folder: Path, *limits: int, check: bool = False, **more: Any) -> list[dict[str, Any]]:
    """Have the tenant's folder, with one limit after the other."""
    options = {"path": str(folder), "user": TENANT, "database": "odoo", **more}
    tasks = [{"saasodoo.platform.odoo_instance": options | {"storage_limit": limit}} for limit in limits]
    return run_tasks(tasks, check=check, prefix=running.cell.command(()))


def filled(running: Ceph, folder: Path) -> int:
    """Have the tenant write files until it may no more; return how many megabytes that were."""
    for number in range(64):
        if refusal := written(running, folder / f"filestore/{uuid.uuid4()}", 1):
            assert "Disk quota exceeded" in refusal
            return number
        time.sleep(0.1)
    raise AssertionError("nothing kept the tenant from writing")


def written(running: Ceph, file: Path, megabytes: int, *, user: str = TENANT) -> str:
    """Write a file as the tenant would; return what went wrong."""
    become = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups")
    try:
        running.cell.run(*become, "dd", "if=/dev/zero", f"of={file}", "bs=1M", f"count={megabytes}", "conv=fsync")
    except subprocess.CalledProcessError as error:
        return str(error.stderr)
    return ""


def test_rook_is_told_to_erase_before_the_cluster_goes(objects: Objects, namespace: str, play: Play) -> None:
    done(play())
    hold(objects, namespace, ["saasodoo.invalid/hold"])
    refused(play("remove", cephfs_confirm="test", cephfs_erase="quick", cephfs_stop_timeout=2), "CephCluster", "invalid/hold")
    policy = spec(objects, namespace, "CephCluster")["cleanupPolicy"]
    assert (policy["confirmation"], policy["sanitizeDisks"]["method"]) == ("yes-really-destroy-data", "quick")
    hold(objects, namespace, [])
    done(play("remove", cephfs_confirm="test", cephfs_erase="quick"))
    assert found(objects, namespace, "CephCluster") is None
