"""How a server is backed up and watched: said to a real API server in CloudNativePG's real schema. Nothing takes backups here."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import ApiextensionsV1Api

from tests.cluster.binaries import cache
from tests.cluster.cluster import Cluster
from tests.cluster.controllers import Manifest, Objects, running
from tests.cluster.definitions import CLOUDNATIVE_PG
from tests.fixtures.ansible import ROOT, Run, run_playbook
from tests.fixtures.kubernetes_platform import settings
from tests.kubernetes.manifests import manifest

pytestmark = pytest.mark.kubernetes

API = "postgresql.cnpg.io/v1"
SAID: dict[str, Any] = {"destination": "s3://backups/test", "endpoint": "https://s3.example.org", "secret": "store"}
PODMONITOR = {"type": "object", "properties": {
    "selector": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "podTargetLabels": {"type": "array", "items": {"type": "string"}},
    "podMetricsEndpoints": {"type": "array", "items": {"type": "object", "properties": {"port": {"type": "string"}}}},
}, "required": ["podMetricsEndpoints", "selector"]}  # fmt: skip


class FakeReadiness:
    """Says of every Cluster that it runs; there is nothing behind it."""

    def look(self, objects: Objects) -> None:
        """Tell the status where it is not told yet."""
        for each in objects.all(API, "Cluster"):
            if not each.get("status"):
                ready = {"type": "Ready", "status": "True", "reason": "Fake", "message": "said by a fake"}
                ready["lastTransitionTime"] = "2026-01-01T00:00:00Z"
                objects.set_status(each, {"instances": 1, "readyInstances": 1, "conditions": [ready]})


@pytest.fixture(scope="module")
def objects(kubernetes_node: Cluster) -> Iterator[Objects]:
    """A cluster that knows CloudNativePG's kinds."""
    with closing(Objects(str(kubernetes_node.kubeconfig))) as found:
        for each in CLOUDNATIVE_PG.kinds(cache()):
            found.apply(each, "tests")
        with running(str(kubernetes_node.kubeconfig), [FakeReadiness()]):
            yield found


@dataclass(frozen=True)
class Server:
    """A server in the making, in a namespace of its own."""

    objects: Objects
    namespace: str
    play: Callable[..., Run]

    def get(self, kind: str, name: str = "pool-1", api: str = API) -> Manifest | None:
        """Return an object of the server."""
        return self.objects.get(api, kind, name, self.namespace)

    def spec(self, kind: str) -> Manifest:
        """Return what is wanted of an object that is there."""
        found = self.get(kind)
        assert found is not None
        return dict(found["spec"])

    def give_secret(self, name: str, **values: str) -> None:
        """Make a Secret, as an operator would."""
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        self.objects.apply(manifest("v1", "Secret", self.namespace, name, data=data), "operator")


@pytest.fixture
def server(objects: Objects, kubernetes_node: Cluster, namespace: str, tmp_path: Path) -> Server:
    """Plays one of the role's task files for pool-1, with ``said`` of backups."""
    key = tmp_path / "platform.key"
    key.write_text("0" * 64)
    key.chmod(0o600)
    images = {"platform": "", "postgres": "localhost/postgres:15", "pgbouncer": "localhost/pgbouncer:1"}
    known = settings(namespace, images, base=21000)

    def play(tasks: str, said: dict[str, Any] | None = None, *, check: bool = False, **more: Any) -> Run:
        how = known["saasodoo_kubernetes"] | {"kubeconfig": str(kubernetes_node.kubeconfig), "home_claim": "home"}
        how |= {} if said is None else {"postgres_backup": said}
        role, _, file = tasks.partition("/")
        task = {"name": "Include", "ansible.builtin.include_role": {"name": f"saasodoo.platform.{role}", "tasks_from": file}}
        playbook = tmp_path / "play.yml"
        playbook.write_text(yaml.safe_dump([{"name": "Play", "hosts": "platform", "gather_facts": False, "tasks": [task]}]))
        variables = known | {"saasodoo_kubernetes": how, "saasodoo_platform_key_file": str(key), "postgres_pool_name": "pool-1"}
        variables |= {"postgres_pool_port": 21200, "postgres_pool_pooler_port": 21201, **more}
        return run_playbook(playbook, f"--inventory={ROOT}/inventories/local/hosts.yml", check=check, extra_vars=variables)

    return Server(objects, namespace, play)


def done(run: Run) -> int:
    """Return how many tasks changed something in a run that succeeded."""
    assert run.rc == 0, run.failure or run.text
    return run.changed


def test_backups_are_asked_for_shown_and_ended(server: Server) -> None:
    server.give_secret("store", ACCESS_KEY_ID="known", ACCESS_SECRET_KEY="hidden-5130")
    assert done(server.play("postgres_pool/kubernetes/cluster")) == 1  # the server alone
    assert (server.get("ScheduledBackup"), server.spec("Cluster").get("backup")) == (None, None)

    foretold = server.play("postgres_pool/kubernetes/cluster", SAID, check=True)
    assert done(foretold) == 2
    assert "s3://backups/test" in foretold.text
    assert server.get("ScheduledBackup") is None
    assert done(server.play("postgres_pool/kubernetes/cluster", SAID)) == 2
    for check in (True, False):
        again = server.play("postgres_pool/kubernetes/cluster", SAID, check=check)
        assert done(again) == 0
        assert "hidden-5130" not in again.text

    store = server.spec("Cluster")["backup"]
    assert store["retentionPolicy"] == "30d"
    assert store["barmanObjectStore"] == {
        "destinationPath": "s3://backups/test",
        "endpointURL": "https://s3.example.org",
        "s3Credentials": {
            "accessKeyId": {"name": "store", "key": "ACCESS_KEY_ID"},
            "secretAccessKey": {"name": "store", "key": "ACCESS_SECRET_KEY"},
        },
        "data": {"compression": "gzip"},
        "wal": {"compression": "gzip"},
    }
    schedule = server.spec("ScheduledBackup")
    assert (schedule["cluster"], schedule["schedule"], schedule["immediate"]) == ({"name": "pool-1"}, "0 0 1 * * *", True)

    changed = SAID | {"schedule": "@daily", "retention": "2w", "encryption": "AES256"}
    assert done(server.play("postgres_pool/kubernetes/cluster", changed)) == 2
    assert server.spec("Cluster")["backup"]["barmanObjectStore"]["wal"] == {"compression": "gzip", "encryption": "AES256"}

    ended = server.play("postgres_pool/kubernetes/cluster", {"destination": ""})
    assert done(ended) == 2
    assert "pool-1 is not backed up" in ended.text
    assert (server.get("ScheduledBackup"), server.spec("Cluster").get("backup")) == (None, None)
    assert done(server.play("postgres_pool/kubernetes/cluster")) == 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"retention": "for ever"}, "spec.backup.retentionPolicy"),
        ({"encryption": "rot13"}, "spec.backup.barmanObjectStore.data.encryption"),
        ({"schedule": "0 1 * * *"}, "seconds first"),
        ({"destination": "/backups"}, "s3://BUCKET/FOLDER"),
        ({"secret": "no-such"}, "Secret no-such"),
        ({"authority": "no-such"}, "Secret no-such"),
    ],
)
def test_what_can_not_be_is_refused_before_the_server_knows(server: Server, wrong: dict[str, Any], words: str) -> None:
    server.give_secret("store", ACCESS_KEY_ID="known", ACCESS_SECRET_KEY="hidden")
    run = server.play("postgres_pool/kubernetes/cluster", SAID | wrong)
    assert run.failure is not None
    assert words in str(run.failure), run.failure
    assert server.get("Cluster") is None


@pytest.mark.parametrize("keep", [True, False])
def test_a_server_that_goes_is_backed_up_no_more(server: Server, keep: bool) -> None:
    server.give_secret("store", ACCESS_KEY_ID="known", ACCESS_SECRET_KEY="hidden")
    done(server.play("postgres_pool/kubernetes/cluster", SAID))
    assert done(server.play("postgres_pool/kubernetes/remove", SAID, postgres_pool_keep_data=keep)) == 2
    assert server.get("ScheduledBackup") is None
    assert bool(server.get("Cluster")) is keep
    assert done(server.play("postgres_pool/kubernetes/remove", SAID, postgres_pool_keep_data=keep)) == 0


def test_a_restored_server_is_taken_over_as_it_was_restored(server: Server) -> None:
    """As docs/operations.md says to restore one: where it came from, and where it is backed up now, stay as they were given."""
    server.give_secret("store", ACCESS_KEY_ID="known", ACCESS_SECRET_KEY="hidden")
    done(server.play("postgres_pool/kubernetes/cluster", SAID))
    found = server.spec("Cluster")
    done(server.play("postgres_pool/kubernetes/remove", SAID, postgres_pool_keep_data=False))

    store = found["backup"]["barmanObjectStore"]
    recovery = {"recovery": {"source": "before", "recoveryTarget": {"targetTime": "2026-01-31 12:00:00+00"}}}
    ours = {
        "bootstrap": recovery,
        "externalClusters": [{"name": "before", "barmanObjectStore": store | {"serverName": "pool-1"}}],
        "backup": found["backup"] | {"barmanObjectStore": store | {"serverName": "pool-1-2"}},
    }
    restored = {key: value for key, value in found.items() if key != "bootstrap"} | ours
    server.objects.apply(manifest(API, "Cluster", server.namespace, "pool-1", spec=restored), "kubectl")
    done(server.play("postgres_pool/kubernetes/cluster", SAID))
    assert done(server.play("postgres_pool/kubernetes/cluster", SAID)) == 0
    now = server.spec("Cluster")
    assert now["bootstrap"] == recovery, "it is not made anew, in whatever locale"
    assert now["externalClusters"] == ours["externalClusters"]
    assert now["backup"]["barmanObjectStore"]["serverName"] == "pool-1-2"


def test_prometheus_is_told_of_all_servers_or_none(server: Server) -> None:
    role = "kubernetes_namespace/main"
    more = {"kubernetes_namespace_monitoring_namespace": "monitoring", "kubernetes_namespace_monitoring_labels": {"release": "x"}}
    failed = server.play(role, **more)
    assert failed.failure is not None
    assert "has no PodMonitor in monitoring.coreos.com/v1" in failed.failure["msg"]
    server.objects.apply(podmonitors(), "tests")
    try:
        done(server.play(role, **more))
        assert done(server.play(role, **more)) == 0
        made = server.get("PodMonitor", "postgres", "monitoring.coreos.com/v1")
        assert made is not None
        assert made["metadata"]["labels"]["release"] == "x"
        assert rules(server) == 3
        assert done(server.play(role)) == 2
        assert server.get("PodMonitor", "postgres", "monitoring.coreos.com/v1") is None
        assert rules(server) == 2
        assert done(server.play(role)) == 0
    finally:
        ApiextensionsV1Api(server.objects.client).delete_custom_resource_definition("podmonitors.monitoring.coreos.com")


def rules(server: Server) -> int:
    """Return how many may reach the servers."""
    policy = server.get("NetworkPolicy", "postgres", "networking.k8s.io/v1")
    assert policy is not None
    return len(policy["spec"]["ingress"])


def podmonitors() -> Manifest:
    """Return the kind PodMonitor, as far as it is used."""
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": PODMONITOR}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"kind": "PodMonitor", "plural": "podmonitors"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "podmonitors.monitoring.coreos.com"},
        "spec": {"group": "monitoring.coreos.com", "names": names, "scope": "Namespaced", "versions": [version]},
    }  # fmt: skip
