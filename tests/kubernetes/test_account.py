"""The account that playbooks act as may do what they do (all tests of tenants act as it), and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from tests.cluster.controllers import Objects
from tests.fixtures.kubernetes_platform import NAMESPACE
from tests.fixtures.kubernetes_tenants import KubernetesTenants

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900)]  # run alone, it makes the images and the platform first

_ALL = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
#: What it may, by group and resource; see roles/kubernetes_namespace.
_MAY = {
    ("", "secrets"): {"get", "create", "patch", "delete"},
    ("", "services"): {"get", "create", "patch", "delete"},
    ("", "configmaps"): {"get", "create", "patch"},
    ("", "pods"): {"get", "list"},
    ("", "pods/log"): {"get", "list"},
    ("", "events"): {"get", "list"},
    ("", "pods/resize"): {"patch"},
    ("apps", "deployments"): {"get", "create", "patch", "delete"},
    ("apps", "statefulsets"): {"get", "create", "patch"},
    ("apps", "replicasets"): {"list", "patch"},
    ("networking.k8s.io", "ingresses"): {"get", "create", "patch", "delete"},
    ("postgresql.cnpg.io", "clusters"): {"get", "create", "patch", "delete"},
    ("postgresql.cnpg.io", "scheduledbackups"): {"get", "create", "patch", "delete"},
}
_NEVER = (
    ("", "pods/exec"), ("", "serviceaccounts"), ("", "serviceaccounts/token"), ("", "persistentvolumeclaims"), ("", "nodes"),
    ("", "namespaces"), ("", "persistentvolumes"), ("apps", "daemonsets"), ("batch", "jobs"),
    ("rbac.authorization.k8s.io", "roles"), ("rbac.authorization.k8s.io", "rolebindings"),
    ("networking.k8s.io", "networkpolicies"), ("postgresql.cnpg.io", "poolers"),
)  # fmt: skip


@pytest.fixture(scope="module")
def account(tenants: KubernetesTenants) -> Iterator[Objects]:
    """The cluster as the account sees it."""
    settings: Any = tenants.local.variables["saasodoo_kubernetes"]
    with closing(Objects(settings["kubeconfig"])) as found:
        yield found


def may(account: Objects, verb: str, group: str, resource: str, namespace: str) -> bool:
    name, _, part = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": name, "subresource": part, "namespace": namespace}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = client.AuthorizationV1Api(account.client).create_self_subject_access_review(review)
    return bool(answer.status.allowed)


@pytest.mark.parametrize(("group", "resource"), [*_MAY, *_NEVER])
def test_it_may_what_it_needs_and_nothing_else(account: Objects, group: str, resource: str) -> None:
    allowed = {verb for verb in _ALL if may(account, verb, group, resource, NAMESPACE)}
    assert allowed == _MAY.get((group, resource), set())
    assert not any(may(account, verb, group, resource, "default") for verb in _ALL), "elsewhere nothing"


def test_it_is_refused_for_real(account: Objects) -> None:
    core = client.CoreV1Api(account.client)
    for refused in (core.list_node, lambda: core.list_namespaced_secret(NAMESPACE), lambda: core.list_namespaced_pod("default")):
        with pytest.raises(ApiException, match="403"):
            refused()
