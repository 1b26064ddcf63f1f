"""The images run as strictly as a cluster can ask for: unprivileged, on a read-only root; and are built once."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.ansible import run_tasks
from tests.fixtures.cluster import Access
from tests.fixtures.images import Images, build, build_all
from tests.fixtures.odoo import Runtime
from tests.kubernetes.conftest import Apply
from tests.kubernetes.manifests import manifest

pytestmark = [pytest.mark.kubernetes, pytest.mark.long]

ODOO = ["/opt/odoo/venv/bin/python", "/opt/odoo/bin/odoo"]
SECURE = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
POOLER = """\
[databases]
* = host=127.0.0.1 port=5432 user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = 6432
unix_socket_dir =
auth_type = any
pool_mode = transaction
"""
#: Run in the image: who one is, what can be written, whether all that Odoo comes with can be loaded.
LOOK = """
import importlib, json, os, pathlib, subprocess
release = json.loads(pathlib.Path("/opt/odoo/release.json").read_text())
def writable(folder):
    try:
        pathlib.Path(folder, "x").touch()
    except OSError:
        return False
    return True
def loads(name):
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True
names = "PIL babel cryptography gevent lxml.etree psycopg2 psutil reportlab.graphics.barcode sass zeep zoneinfo ssl".split()
print(json.dumps({
    "who": [os.getuid(), os.getgid(), os.environ["HOME"]],
    "writable": [each for each in ("/", "/opt/odoo", "/opt/odoo/addons", "/var/lib/odoo", "/tmp") if writable(each)],
    "missing": [each for each in release["command"] + release["addons_path"] if not os.path.exists(each)],
    "unloadable": [each for each in names if not loads(each)],
    "command": release["command"],
    "authorities": os.path.exists("/etc/ssl/certs/ca-certificates.crt"),
}))
"""


@pytest.fixture
def restricted(namespace: str, apply: Apply) -> str:
    """A namespace that admits nothing but pods of the strictest kind."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})
    return namespace


@pytest.fixture
def ran(kubernetes: Access, restricted: str, apply: Apply) -> Any:
    """Runs a pod of one container to its end and returns what it said."""

    def ran(name: str, image: str, command: Sequence[str], *volumes: str) -> str:
        spec = {"restartPolicy": "Never", "containers": [container(name, image, *volumes, command=command)]}
        apply(manifest("v1", "Pod", restricted, name, spec=spec | {"volumes": empty(*volumes)}))
        return said(kubernetes, restricted, name)

    return ran


def container(name: str, image: str, *volumes: str, **more: Any) -> dict[str, Any]:
    """Return a container with an empty volume at each of the paths."""
    mounts = [{"name": path.strip("/").replace("/", "-"), "mountPath": path} for path in volumes]
    secure = {"securityContext": SECURE, "imagePullPolicy": "IfNotPresent"}
    return {"name": name, "image": image, "volumeMounts": mounts} | secure | more


def empty(*volumes: str) -> list[dict[str, Any]]:
    """Return the volumes for these paths."""
    return [{"name": path.strip("/").replace("/", "-"), "emptyDir": {}} for path in volumes]


def said(kubernetes: Access, namespace: str, pod: str) -> str:
    """Return the log of a pod that has ended well."""
    common = {"kubeconfig": kubernetes.kubeconfig, "namespace": namespace, "name": pod}
    wanted = {"kind": "Pod", "name": pod, "namespace": namespace}
    done = run_tasks([
        {"saasodoo.platform.kubernetes_ready": {"objects": [wanted], "timeout": 120, "kubeconfig": kubernetes.kubeconfig}},
        {
            "kubernetes.core.k8s_info": common | {"api_version": "v1", "kind": "Pod"},
            "register": "found",
            "until": "found.resources[0].status.phase == 'Succeeded'",
            "retries": 60,
            "delay": 1,
        },
        {"kubernetes.core.k8s_log": common},
    ])[-1]  # fmt: skip
    assert not done.get("failed"), done
    return str(done["log"])


def test_other_pods_are_refused(kubernetes: Access, restricted: str) -> None:
    pod = manifest("v1", "Pod", restricted, "loose", spec={"containers": [{"name": "main", "image": kubernetes.image}]})
    task = {"resource_definition": pod, "kubeconfig": kubernetes.kubeconfig}
    assert "violates PodSecurity" in str(run_tasks([{"kubernetes.core.k8s": task}])[0])


def test_odoo_says_its_version(kubernetes_images: Images, odoo_runtime: Runtime, ran: Any) -> None:
    assert f"Odoo Server {odoo_runtime.version}" in ran("version", kubernetes_images.odoo.name, [*ODOO, "--version"], "/tmp")


def test_odoo_has_what_it_needs_and_writes_in_its_volumes_only(kubernetes_images: Images, ran: Any) -> None:
    found = json.loads(ran("look", kubernetes_images.odoo.name, [ODOO[0], "-c", LOOK], "/var/lib/odoo", "/tmp"))
    assert found == {
        "who": [10001, 10001, "/var/lib/odoo"],
        "writable": ["/var/lib/odoo", "/tmp"],
        "missing": [],
        "unloadable": [],
        "command": ODOO,
        "authorities": True,
    }


def test_pgbouncer_has_what_configures_it(kubernetes_images: Images, ran: Any) -> None:
    script = "echo 1 > /tmp/new && mv /tmp/new /tmp/ini && cat /tmp/ini && exec kill -l"
    assert ran("tools", kubernetes_images.pgbouncer.name, ["sh", "-c", script], "/tmp").startswith("1\n")


def test_pgbouncer_leads_to_postgres(kubernetes: Access, kubernetes_images: Images, restricted: str, apply: Apply) -> None:
    data = "/var/lib/postgresql/data"
    postgres, pgbouncer = kubernetes_images.postgres.name, kubernetes_images.pgbouncer.name
    through = ["psql", "-h", "127.0.0.1", "-p", "6432", "-U", "postgres", "-c", "SELECT 1", "postgres"]
    initdb = container("initdb", postgres, data, "/tmp", command=["initdb", "-U", "postgres", "-A", "trust"])
    server = container("server", postgres, data, "/tmp", args=["postgres", "-k", "/tmp"])
    for each in (initdb, server):
        each["securityContext"] = SECURE | {"runAsUser": 26}  # whom the image knows, and initdb asks for the name of
    server["readinessProbe"] = {"exec": {"command": through}, "periodSeconds": 1, "timeoutSeconds": 5}
    pooler = container("pooler", pgbouncer)
    pooler["volumeMounts"] = [{"name": "ini", "mountPath": "/etc/pgbouncer/run"}]
    volumes = [*empty(data, "/tmp"), {"name": "ini", "configMap": {"name": "ini"}}]
    spec = {"initContainers": [initdb], "containers": [server, pooler], "volumes": volumes}
    apply(
        manifest("v1", "ConfigMap", restricted, "ini", data={"pgbouncer.ini": POOLER}),
        manifest("v1", "Pod", restricted, "database", spec=spec | {"securityContext": {"fsGroup": 26}}),
    )
    wanted = {"kind": "Pod", "name": "database", "namespace": restricted}
    task = {"objects": [wanted], "timeout": 90, "kubeconfig": kubernetes.kubeconfig}
    done = run_tasks([{"saasodoo.platform.kubernetes_ready": task}])[0]
    assert not done.get("failed"), done


def test_what_is_built_is_left_alone(images: Images, odoo_runtime: Runtime, debian_archive: Path) -> None:
    before = {image.archive: image.archive.stat().st_mtime_ns for image in images.all}
    run = build_all(odoo_runtime, debian_archive, images.odoo.archive.parent)
    assert (run.rc, run.changed) == (0, 0)
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_check_mode_says_what_would_be_built(odoo_runtime: Runtime, debian_archive: Path, tmp_path: Path) -> None:
    run = build_all(odoo_runtime, debian_archive, tmp_path / "images", check=True)
    assert (run.rc, run.changed) == (0, 1 + len(fields(Images))), "the image that two of them are built on, too"
    assert "would be built into" in run.text
    assert not list(tmp_path.iterdir())


def test_any_containerfile_will_do_and_another_one_is_another_image(debian_archive: Path, tmp_path: Path) -> None:
    killed = tmp_path / "images/building-killed"
    (killed / "storage").mkdir(parents=True)
    os.utime(killed, (time.time() - 7200,) * 2)
    file = tmp_path / "Containerfile"
    made = []
    for label in ("one", "two"):
        file.write_text(f"ARG BASE\nFROM ${{BASE}}\nLABEL which={label}\n")
        done = build("small", file, debian_archive, tmp_path / "images")[-1]
        made.append(done["ansible_facts"]["container_images_names"]["small"])
    assert made[0] != made[1]
    # Nothing but the two is left, neither of these builds nor of the one that was killed.
    assert sorted(each.name for each in (tmp_path / "images").iterdir()) == sorted(
        f"small-{name.rpartition(':')[2]}.tar" for name in made
    )


def test_a_build_that_fails_says_why_and_leaves_nothing(debian_archive: Path, tmp_path: Path) -> None:
    file = tmp_path / "Containerfile"
    file.write_text("ARG BASE\nFROM ${BASE}\nRUN echo the reason >&2; exit 3\n")
    failed = [each["msg"] for each in build("none", file, debian_archive, tmp_path / "images") if each.get("failed")]
    assert "could not be built" in failed[-1]
    assert "the reason" in failed[-1]
    assert not list((tmp_path / "images").iterdir())
