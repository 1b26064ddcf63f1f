"""CloudNativePG's own controller, built from its source and deployed as its release says."""

from __future__ import annotations

from collections.abc import Sequence

from tests.cluster.binaries import cache, cloudnative_pg
from tests.cluster.cluster import Cluster
from tests.cluster.controllers import Manifest, Objects
from tests.cluster.definitions import CLOUDNATIVE_PG
from tests.fixtures.waiting import eventually

_IMAGE = f"saasodoo.invalid/cloudnative-pg:{CLOUDNATIVE_PG.version}"
_NAMESPACE = "cnpg-system"
_PATIENCE = 120  # seconds until it answers; some ten on an idle machine


def deploy(node: Cluster, objects: Objects, *, watched: Sequence[str]) -> None:
    """Run it, for Clusters in the namespaces ``watched``; what it takes as valid holds in all. Returns when it answers."""
    program = cloudnative_pg(cache())  # twice: as what pods run, and as what those of this architecture are upgraded to
    node.load(_IMAGE, {"/manager": program, "/operator/manager_amd64": program}, command=["/manager"])
    for each in CLOUDNATIVE_PG.read(cache()):
        if each["kind"] == "Deployment":
            _adapt(each["spec"]["template"]["spec"]["containers"][0], watched)
        objects.apply(each, "tests")
    eventually(lambda: _answers(objects), seconds=_PATIENCE)


def _adapt(container: Manifest, watched: Sequence[str]) -> None:
    """Have it use the image that is there, and as much of the processor as it needs: the release allows a tenth of a core."""
    own = {"OPERATOR_IMAGE_NAME": _IMAGE, "WATCH_NAMESPACE": ",".join(watched)}
    others = [each for each in container["env"] if each["name"] not in own]
    container["env"] = others + [{"name": name, "value": value} for name, value in own.items()]
    container |= {"image": _IMAGE, "imagePullPolicy": "Never"}
    del container["resources"]["limits"]["cpu"]


def _answers(objects: Objects) -> bool:
    """Whether the API server can ask it about objects: it runs, and its certificate is known."""
    running = objects.get("apps/v1", "Deployment", "cnpg-controller-manager", _NAMESPACE) or {}
    api = "admissionregistration.k8s.io/v1"
    asked = [
        webhook
        for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
        for each in objects.all(api, kind)
        if each["metadata"]["name"].startswith("cnpg-")
        for webhook in each["webhooks"]
    ]
    known = all(each["clientConfig"].get("caBundle") for each in asked)
    return bool(asked) and known and running.get("status", {}).get("readyReplicas") == 1
