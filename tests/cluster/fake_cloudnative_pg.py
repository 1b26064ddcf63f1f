"""Stands in for CloudNativePG's controller, which can't be had everywhere: a real PostgreSQL in a real pod for each Cluster.

It gives what the platform uses: the instance with its settings, pg_hba.conf and data that outlive the pod, the labels that
services select by, managed roles, hibernation, the status. It gives no replicas, no failover, no certificates. It takes no
backups: what says how and when is held to CloudNativePG's schema by the API server, and that is all.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

from tests.cluster.controllers import Manifest, Objects, in_pod

_API = "postgresql.cnpg.io/v1"
_MANAGER = "fake-cloudnative-pg"
_DATA = "/var/lib/postgresql/data"
# As the real one's: first what it needs itself, then what the Cluster says, then everybody by password.
_ACCESS = ("local all all trust", "{rules}", "host all all all scram-sha-256")
_SCRIPT = f"""
set -e
[ -e {_DATA}/pgdata/PG_VERSION ] || {{ rm -rf {_DATA}/pgdata; initdb -D {_DATA}/pgdata -U postgres --locale=C.UTF-8; }}
exec postgres -D {_DATA}/pgdata -c config_file=/etc/postgres/postgresql.conf -c hba_file=/etc/postgres/pg_hba.conf
"""


@dataclass
class FakeCloudNativePG:
    """Runs the first instance of every Cluster in the namespaces it watches; more are only said to be there."""

    watched: str = "saasodoo*"  # a pattern; a Cluster elsewhere is the business of the test that made it
    _made: dict[str, str] = field(default_factory=dict)  # of each Cluster, what its objects were made from
    _roles: dict[str, str] = field(default_factory=dict)  # of each pod, what its managed roles were made from

    def look(self, objects: Objects) -> None:
        """Bring every Cluster a step on."""
        for each in objects.all(_API, "Cluster"):
            if fnmatch(each["metadata"]["namespace"], self.watched) and not each["metadata"].get("deletionTimestamp"):
                self._bring(objects, each)

    def _bring(self, objects: Objects, cluster: Manifest) -> None:
        name, namespace = cluster["metadata"]["name"], cluster["metadata"]["namespace"]
        uid, wanted = cluster["metadata"]["uid"], json.dumps([cluster["spec"], _asleep(cluster)], sort_keys=True)
        if self._made.get(uid) != wanted:
            for manifest in (_configuration(cluster), _instance(cluster), *_services(cluster)):
                objects.apply(manifest, _MANAGER)
            self._made[uid] = wanted
        instance = objects.get("apps/v1", "StatefulSet", name, namespace) or {}
        pod = objects.get("v1", "Pod", f"{name}-0", namespace)
        ready = (
            instance.get("status", {}).get("readyReplicas", 0) == 1 and pod is not None and self._manage(objects, cluster, pod)
        )
        status = status_of(cluster, ready=ready)
        if not status.items() <= cluster.get("status", {}).items():
            objects.tell(cluster, status)

    def _manage(self, objects: Objects, cluster: Manifest, pod: Manifest) -> bool:
        """Make the managed roles; return whether they are as wanted."""
        namespace, wanted = cluster["metadata"]["namespace"], cluster["spec"].get("managed", {}).get("roles", [])
        statements = [_role(objects, namespace, each) for each in wanted]
        if None in statements:
            return False
        text = "\n".join(str(each) for each in statements)
        if self._roles.get(pod["metadata"]["uid"]) == text:
            return True
        said = in_pod(objects, namespace, pod["metadata"]["name"], "psql", "-h", "/tmp", "-U", "postgres", "-qc", text)
        if said.status:
            return False
        self._roles[pod["metadata"]["uid"]] = text
        return True


def _asleep(cluster: Manifest) -> bool:
    return bool(cluster["metadata"].get("annotations", {}).get("cnpg.io/hibernation") == "on")


def _role(objects: Objects, namespace: str, role: Manifest) -> str | None:
    secret = objects.get("v1", "Secret", role["passwordSecret"]["name"], namespace)
    if secret is None:
        return None
    password = base64.b64decode(secret["data"]["password"]).decode()
    words = [word if role.get(key) else f"NO{word}" for key, word in (("superuser", "SUPERUSER"), ("replication", "REPLICATION"))]
    words.append("LOGIN" if role.get("login") else "NOLOGIN")
    name = role["name"]
    return (
        f"DO $do$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN CREATE ROLE {name}; END IF;"
        f" EXECUTE format('ALTER ROLE {name} {' '.join(words)} PASSWORD %L', '{password}'); END $do$;"
    )


def _owned(cluster: Manifest, api_version: str, kind: str, name: str, **content: Any) -> Manifest:
    place = cluster["metadata"]
    owner = {"apiVersion": _API, "kind": "Cluster", "name": place["name"], "uid": place["uid"], "controller": True}
    metadata = {"name": name, "namespace": place["namespace"], "ownerReferences": [owner]}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def _configuration(cluster: Manifest) -> Manifest:
    postgres = cluster["spec"].get("postgresql", {})
    lines = ["listen_addresses = '*'", "unix_socket_directories = '/tmp'", "wal_level = 'logical'"]
    lines += [f"{name} = '{value}'" for name, value in sorted(postgres.get("parameters", {}).items())]
    access = [rule for line in _ACCESS for rule in (postgres.get("pg_hba", []) if line == "{rules}" else [line])]
    data = {"postgresql.conf": "\n".join(lines) + "\n", "pg_hba.conf": "\n".join(access) + "\n"}
    return _owned(cluster, "v1", "ConfigMap", f"{cluster['metadata']['name']}-configuration", data=data)


def _instance(cluster: Manifest) -> Manifest:
    name, spec = cluster["metadata"]["name"], cluster["spec"]
    labels = {"cnpg.io/cluster": name, "cnpg.io/instanceRole": "primary", "cnpg.io/podRole": "instance"}
    inherited = spec.get("inheritedMetadata", {}).get("labels", {})
    container = {
        "name": "postgres",
        "image": spec["imageName"],
        "command": ["sh", "-c", _SCRIPT],
        "resources": spec.get("resources", {}),
        "readinessProbe": {
            "exec": {"command": ["pg_isready", "-h", "/tmp", "-U", "postgres"]},
            "periodSeconds": 1,
            "timeoutSeconds": 5,  # as CloudNativePG's
        },
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "data", "mountPath": _DATA}, {"name": "configuration", "mountPath": "/etc/postgres"}],
    }
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": spec["storage"]["size"]}}}
    if wanted := spec["storage"].get("storageClass"):
        claim["storageClassName"] = wanted
    # A changed configuration is a restart, as with most settings of the real one.
    annotations = {"configuration": json.dumps(spec.get("postgresql", {}), sort_keys=True)}
    template = {
        "metadata": {"labels": inherited | labels, "annotations": annotations},
        "spec": {
            "containers": [container],
            "terminationGracePeriodSeconds": 10,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [{"name": "configuration", "configMap": {"name": f"{name}-configuration"}}],
        },
    }
    content = {
        "replicas": 0 if _asleep(cluster) else 1,
        "serviceName": f"{name}-rw",
        "selector": {"matchLabels": labels},
        "template": template,
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"},
    }
    return _owned(cluster, "apps/v1", "StatefulSet", name, spec=content)


def _services(cluster: Manifest) -> list[Manifest]:
    name = cluster["metadata"]["name"]
    spec = {"selector": {"cnpg.io/cluster": name, "cnpg.io/instanceRole": "primary"}, "ports": [{"port": 5432}]}
    return [_owned(cluster, "v1", "Service", f"{name}-{role}", spec=spec) for role in ("rw", "ro", "r")]


def status_of(cluster: Manifest, *, ready: bool) -> Manifest:
    """Return the status of a Cluster whose instances all run, or do not."""
    instances = cluster["spec"]["instances"]
    found: Manifest = next((each for each in cluster.get("status", {}).get("conditions", []) if each["type"] == "Ready"), {})
    state = "True" if ready else "False"
    since = found.get("lastTransitionTime", "2026-01-01T00:00:00Z")
    condition = {
        "type": "Ready",
        "status": state,
        "reason": "Fake",
        "message": "as the fake sees it",
        "lastTransitionTime": since,
    }
    return {
        "instances": instances,
        "readyInstances": instances if ready else 0,
        "phase": "Cluster in healthy state" if ready else "Setting up primary",
        "currentPrimary": f"{cluster['metadata']['name']}-0",
        "conditions": [condition],
    }
