"""Objects on a real API server: applied, applied again, changed, removed; what is ours, and what is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import CoreV1Api

from tests.cluster.binaries import cache
from tests.cluster.controllers import Objects
from tests.cluster.definitions import CLOUDNATIVE_PG
from tests.fixtures.ansible import run_playbook, run_tasks
from tests.fixtures.cluster import Access
from tests.kubernetes.manifests import deployment, manifest, pod_template

pytestmark = pytest.mark.kubernetes

Result = dict[str, Any]
NOUN = "saasodoo.platform.kubernetes_objects"
SECRET = "correct-horse-9137"


@pytest.fixture
def objects(kubernetes: Access) -> Callable[..., Result]:
    """Brings objects to their state and returns the task's result."""

    def objects(*manifests: Result, check: bool = False, **options: Any) -> Result:
        task = {"objects": list(manifests), "kubeconfig": kubernetes.kubeconfig} | options
        return run_tasks([{NOUN: task}], check=check)[0]

    return objects


@pytest.fixture
def foreign(kubernetes: Access, namespace: str) -> Callable[..., Result]:
    """Changes an object as somebody else would, and returns it."""

    def foreign(patch: Result, api_version: str = "v1", kind: str = "ConfigMap", name: str = "x") -> Result:
        task = {"api_version": api_version, "kind": kind, "name": name, "namespace": namespace, "definition": patch}
        options = {"state": "patched", "kubeconfig": kubernetes.kubeconfig}
        done = run_tasks([{"kubernetes.core.k8s": task | options}])[0]
        assert not done.get("failed"), done
        found: Result = done["result"]
        return found

    return foreign


@pytest.fixture
def read(kubernetes: Access, namespace: str) -> Callable[..., list[Result]]:
    def read(kind: str, name: str, api_version: str = "v1", **more: Any) -> list[Result]:
        task = {"api_version": api_version, "kind": kind, "name": name, "namespace": namespace} | more
        done = run_tasks([{"kubernetes.core.k8s_info": task | {"kubeconfig": kubernetes.kubeconfig}}])[0]
        found: list[Result] = done["resources"]
        return found

    return read


def config_map(namespace: str, name: str = "x", **data: str) -> Result:
    return manifest("v1", "ConfigMap", namespace, name, data=data)


def state(done: Result) -> tuple[bool, list[bool]]:
    assert not done.get("failed"), done
    return done["changed"], [each["changed"] for each in done["objects"]]


def test_made_again_changed_and_removed(namespace: str, objects: Any, read: Any) -> None:
    first = config_map(namespace, a="1")
    name = f"ConfigMap x in namespace {namespace}"
    for check in (True, False):
        done = objects(first, check=check)
        assert state(done) == (True, [True])
        assert done["diff"] == {"before": {}, "after": {name: {"data": {"a": "1"}}}}
        assert done["objects"] == [{"name": name, "changed": True}]
        assert bool(read("ConfigMap", "x")) is not check
    for check in (True, False):
        done = objects(first, check=check)
        assert state(done) == (False, [False])
        assert done["diff"] == {"before": {}, "after": {}}
    for check in (True, False):
        done = objects(config_map(namespace, b="2"), check=check)
        assert state(done) == (True, [True])
        assert done["diff"] == {"before": {name: {"data": {"a": "1"}}}, "after": {name: {"data": {"b": "2"}}}}
    assert read("ConfigMap", "x")[0]["data"] == {"b": "2"}
    for check in (True, False):
        done = objects(first, state="absent", check=check)
        assert state(done) == (True, [True])
        assert done["diff"] == {"before": {name: {"data": {"b": "2"}}}, "after": {}}
        assert bool(read("ConfigMap", "x")) is check
    for check in (True, False):
        assert state(objects(first, state="absent", check=check)) == (False, [False])


def test_defaults_and_status_are_no_change(kubernetes: Access, namespace: str, objects: Any, read: Any) -> None:
    ports = {"containerPort": 8069}
    template = pod_template("x", kubernetes.image, "sleep", "600", ports=[ports], resources={"limits": {"cpu": "1000m"}})
    workload = deployment(namespace, "x", template)
    service = manifest("v1", "Service", namespace, "x", spec={"selector": {"app": "x"}, "ports": [{"port": 80}]})
    assert state(objects(workload, service)) == (True, [True, True])
    ready = {"kind": "Deployment", "api_version": "apps/v1", "name": "x", "namespace": namespace}
    waited = run_tasks([{"saasodoo.platform.kubernetes_ready": {"objects": [ready], "kubeconfig": kubernetes.kubeconfig}}])[0]
    assert not waited.get("failed"), waited
    assert read("Deployment", "x", "apps/v1")[0]["status"]["availableReplicas"] == 1
    for check in (True, False):
        assert state(objects(workload, service, check=check)) == (False, [False, False])
    done = objects(deployment(namespace, "x", template, replicas=2), service)
    assert state(done) == (True, [True, False])
    before, after = (next(iter(done["diff"][side].values())) for side in ("before", "after"))
    assert (before["spec"].pop("replicas"), after["spec"].pop("replicas")) == (1, 2)
    assert before == after
    assert "status" not in before
    removed = objects(workload, service, state="absent")
    assert state(removed) == (True, [True, True])
    assert not read("Pod", "", label_selectors=["app=x"])  # gone is what it made, too


def test_what_others_add_survives_and_does_not_show(namespace: str, objects: Any, foreign: Any, read: Any) -> None:
    ours = config_map(namespace, a="1")
    ours["metadata"]["labels"] = {"app": "x"}
    objects(ours)
    foreign({"metadata": {"labels": {"theirs": "yes"}, "annotations": {"theirs": "yes"}}, "data": {"theirs": "yes"}})
    assert state(objects(ours)) == (False, [False])
    done = objects({**ours, "data": {"a": "2"}})
    assert "theirs" not in json.dumps(done)
    found = read("ConfigMap", "x")[0]
    assert found["data"] == {"a": "2", "theirs": "yes"}
    assert (found["metadata"]["labels"], found["metadata"]["annotations"]) == ({"app": "x", "theirs": "yes"}, {"theirs": "yes"})


def test_what_others_change_of_ours_is_put_back_and_shown(namespace: str, objects: Any, foreign: Any, read: Any) -> None:
    name = f"ConfigMap x in namespace {namespace}"
    objects(config_map(namespace, a="1"))
    foreign({"data": {"a": "theirs"}})
    for check in (True, False):
        done = objects(config_map(namespace, a="1"), check=check)
        assert done["diff"] == {"before": {name: {"data": {"a": "theirs"}}}, "after": {name: {"data": {"a": "1"}}}}
    assert read("ConfigMap", "x")[0]["data"] == {"a": "1"}
    assert state(objects(config_map(namespace, a="1"))) == (False, [False])


def test_an_item_of_a_list_that_is_given_no_more_disappears(
    kubernetes: Access, namespace: str, objects: Any, foreign: Any, read: Any
) -> None:
    def workload(*names: str) -> Result:
        env = [{"name": name, "value": "1"} for name in names]
        return deployment(namespace, "x", pod_template("x", kubernetes.image, "sleep", "600", env=env), replicas=0)

    objects(workload("A", "B"))
    theirs = {"name": "main", "env": [{"name": "THEIRS", "value": "1"}]}
    foreign({"spec": {"template": {"spec": {"containers": [theirs]}}}}, "apps/v1", "Deployment")
    assert state(objects(workload("A", "B"))) == (False, [False])
    done = objects(workload("A"))
    shown = [next(iter(done["diff"][side].values()))["spec"]["template"]["spec"]["containers"][0] for side in ("before", "after")]
    assert [[each["name"] for each in container["env"]] for container in shown] == [["A", "B"], ["A"]]
    found = read("Deployment", "x", "apps/v1")[0]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert sorted(each["name"] for each in found) == ["A", "THEIRS"]


def secret(namespace: str, **texts: Any) -> Result:
    return manifest("v1", "Secret", namespace, "x", stringData=texts)


def test_a_secret_s_values_are_told_apart_and_not_shown(namespace: str, objects: Any, read: Any) -> None:
    def shown(done: Result) -> list[Result | None]:
        assert not done.get("failed"), done
        found: list[list[Result]] = [list(done["diff"][side].values()) for side in ("before", "after")]
        return [each[0]["data"] if each else None for each in found]

    assert shown(objects(secret(namespace, a="1", b="1"), check=True)) == [None, {"a": "a value", "b": "a value"}]
    assert shown(objects(secret(namespace, a="1", b="1"))) == [None, {"a": "a value", "b": "a value"}]
    assert state(objects(secret(namespace, a="1", b="1"))) == (False, [False])
    done = objects(secret(namespace, a="1", c="2"))
    assert shown(done) == [{"a": "unchanged", "b": "a value"}, {"a": "unchanged", "c": "a value"}]
    assert set(read("Secret", "x")[0]["data"]) == {"a", "c"}  # also what was given as stringData goes
    done = objects(secret(namespace, a="2", c="2"))
    assert shown(done) == [{"a": "a value", "c": "unchanged"}, {"a": "another value", "c": "unchanged"}]
    assert shown(objects(secret(namespace), state="absent")) == [{"a": "a value", "c": "a value"}, None]


VALUE = "{{ value }}"
#: Secrets that are right, and wrong in every way that might have its value repeated.
SECRETS: list[Result] = [
    {"stringData": {"password": VALUE}},
    {"stringData": {"password": "{{ value }}2"}},
    {"data": {"password": "{{ value | b64encode }}"}},
    {"data": {"password": "{{ value }}!"}},
    {"data": VALUE},
    {"stringData": {"password": [VALUE]}},
    {"stringData": {"a b": VALUE}},
    {"stringData": {"password": VALUE}, "typ": VALUE},
    {"type": [VALUE]},
    {"immutable": VALUE},
    {"stringData": {"password": VALUE}, "metadata": {"name": "a_b", "namespace": "default"}},
    {"stringData": {"password": VALUE}, "metadata": {"name": "x", "namespace": "not-there"}},
    {"stringData": {"password": VALUE}, "metadata": {}},
    {"stringData": {"password": VALUE}, "apiVersion": "saasodoo.invalid/v1"},
]
#: Texts instead of objects.
TEXTS: list[Any] = [
    "{{ {'kind': 'Secret', 'stringData': {'password': value}} | to_json }} ",
    "kind=Secret {{ value }}",
    VALUE,
    [VALUE],
]


@pytest.mark.parametrize("check", [True, False])
def test_nothing_that_is_said_has_a_secret_s_value(kubernetes: Access, namespace: str, check: bool, tmp_path: Path) -> None:
    base: Result = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": namespace}}
    given = [*(base | content for content in SECRETS), *TEXTS]
    tasks = [
        {"name": "x", NOUN: {"objects": [each], "kubeconfig": kubernetes.kubeconfig}, "ignore_errors": True} for each in given
    ]
    file = tmp_path / "play.yml"
    file.write_text(yaml.safe_dump([{"name": "x", "hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    run = run_playbook(
        file, "-vvv", "--inventory=localhost,", "--connection=local", check=check, extra_vars={"value": SECRET}
    )  # fmt: skip
    assert len(run.results) == len(given)
    assert [result.get("failed", False) for result in run.results[:5]] == [False, False, False, True, True]
    encoded = base64.b64encode(SECRET.encode()).decode()
    for word in (SECRET, SECRET[:-2], encoded, encoded[:16]):
        assert word not in run.text, run.text[max(0, run.text.index(word) - 500) :][:1000]


WRONG: list[tuple[Result, str, str]] = [
    ({"dta": {"a": "1"}}, "invalid_input", ".dta: field not declared in schema"),
    ({"data": {"a": 1}}, "invalid_input", ".data.a: expected string"),
    ({"data": {"a b": "1"}}, "invalid_input", "a valid config key must"),
    ({"metadata": {"name": "a_b", "namespace": "{ns}"}}, "invalid_input", "RFC 1123"),
    ({"metadata": {"name": "x", "namespace": "not-there"}}, "not_found", 'namespaces "not-there" not found'),
    ({"kind": "ConfigMapp"}, "invalid_input", "no ConfigMapp in v1"),
    ({"apiVersion": "saasodoo.invalid/v1"}, "invalid_input", "no ConfigMap in saasodoo.invalid/v1"),
    ({"metadata": {"name": "x"}}, "invalid_input", "ConfigMap in a namespace"),
    ({"kind": "Namespace"}, "invalid_input", "Namespace of the whole cluster"),
    ({"kind": ""}, "invalid_input", "has no kind"),
    ({"metadata": {"generateName": "x"}}, "invalid_input", "has no metadata.name"),
    ({"metadata": {"name": "x/status", "namespace": "{ns}"}}, "invalid_input", "x/status"),
    ({"apiVersion": "../v1"}, "invalid_input", "../v1"),
]


def test_what_is_wrong_is_said(kubernetes: Access, namespace: str) -> None:
    wrong = [json.loads(json.dumps(config_map(namespace) | each).replace("{ns}", namespace)) for each, _, _ in WRONG]
    tasks = [{NOUN: {"objects": [each], "kubeconfig": kubernetes.kubeconfig}, "ignore_errors": True} for each in wrong]
    results = run_tasks([{"name": "x", **task} for task in tasks])
    assert [(done["code"], found in done["msg"]) for done, (_, _, found) in zip(results, WRONG, strict=True)] == [
        (code, True) for _, code, _ in WRONG
    ]


def test_bad_input_is_refused_before_anything_is_sent(namespace: str, objects: Any, read: Any) -> None:
    failed = objects(config_map(namespace), config_map(namespace, "y"), config_map(namespace, a="1"))
    assert failed["msg"].startswith(f"ConfigMap x in namespace {namespace} is given twice")
    assert not read("ConfigMap", "y")


def test_what_can_not_be_changed_is_named_with_the_way_out(kubernetes: Access, namespace: str, objects: Any) -> None:
    def workload(app: str) -> Result:
        return deployment(
            namespace, "x", pod_template(app, kubernetes.image, "sleep", "600"), selector={"matchLabels": {"app": app}}
        )

    objects({**workload("x"), "spec": workload("x")["spec"] | {"replicas": 0}})
    for check in (True, False):
        failed = objects(workload("y"), check=check)
        assert (failed["code"], "field is immutable" in failed["found"]) == ("invalid_input", True)
        assert "remove the object" in failed["msg"]


def test_a_used_up_quota(kubernetes: Access, namespace: str, objects: Any, read: Any) -> None:
    objects(manifest("v1", "ResourceQuota", namespace, "few", spec={"hard": {"pods": "0", "secrets": "0"}}))
    pod = manifest("v1", "Pod", namespace, "x", spec=pod_template("x", kubernetes.image, "sleep", "600")["spec"])
    for one in (pod, secret(namespace, a=SECRET)):
        failed = objects(one)
        assert (failed["code"], "exceeded quota: few" in failed["found"]) == ("conflict", True), failed
        assert "raise the ResourceQuota" in failed["msg"]


def test_check_mode_foretells_what_needs_what_is_not_there_yet(namespace: str, objects: Any) -> None:
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{namespace}-new"}}
    pod = manifest("v1", "Pod", namespace, "x", spec=pod_template("x", "x", "true")["spec"] | {"serviceAccountName": "later"})
    unknown = manifest("saasodoo.invalid/v1", "Tenant", namespace, "t", spec={"plan": "basic"})
    done = objects(space, config_map(f"{namespace}-new", a="1"), unknown, pod, check=True)
    assert state(done) == (True, [True] * 4)
    assert done["diff"]["before"] == {}
    assert done["diff"]["after"][f"ConfigMap x in namespace {namespace}-new"] == {"data": {"a": "1"}}
    assert done["diff"]["after"][f"Tenant t in namespace {namespace}"] == {"spec": {"plan": "basic"}}


def test_what_holds_an_object_is_named(namespace: str, objects: Any, foreign: Any) -> None:
    held = config_map(namespace, a="1")
    held["metadata"]["finalizers"] = ["saasodoo.invalid/hold"]
    objects(held)
    failed = objects(held, state="absent", timeout=1)
    assert failed["code"] == "timeout"
    assert "held by its finalizers: saasodoo.invalid/hold" in failed["found"]
    failed = objects(held, timeout=1)  # present again: not before the old one is gone
    assert "held by its finalizers" in failed["found"]
    assert objects(held, check=True)["diff"]["before"] == {}
    foreign({"metadata": {"finalizers": None}})
    assert state(objects(held, state="absent")) == (False, [False])


def test_a_namespace_that_goes_is_waited_for_and_made_anew(kubernetes: Access, namespace: str, objects: Any) -> None:
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{namespace}-again"}}
    within = config_map(f"{namespace}-again", a="1")
    assert state(objects(space, within)) == (True, [True, True])
    delete = {"kind": "Namespace", "name": f"{namespace}-again", "state": "absent", "kubeconfig": kubernetes.kubeconfig}
    assert run_tasks([{"kubernetes.core.k8s": delete}])[0]["changed"]
    assert state(objects(space, within)) == (True, [True, True])
    assert state(objects(space, state="absent")) == (True, [True])


def test_another_project_s_kind_is_held_to_its_schema(namespace: str, objects: Any) -> None:
    cluster = manifest("postgresql.cnpg.io/v1", "Cluster", namespace, "x", spec={"instances": 1, "storage": {"size": "1Gi"}})
    kinds = [each for each in CLOUDNATIVE_PG.kinds(cache()) if each["metadata"]["name"] == "clusters.postgresql.cnpg.io"]
    first = objects(*kinds, cluster)  # with its definition in the same list
    assert not first.get("failed"), first
    assert state(objects(*kinds, cluster)) == (False, [False, False])
    failed = objects({**cluster, "spec": cluster["spec"] | {"instances": 0}})
    assert (failed["code"], "spec.instances" in failed["found"]) == ("invalid_input", True)
    failed = objects({**cluster, "spec": cluster["spec"] | {"storge": {}}})
    assert (failed["code"], "storge" in failed["found"]) == ("invalid_input", True)
    assert state(objects(cluster, state="absent")) == (True, [True])
    if len(first["diff"]["after"]) > 1 and not first["diff"]["before"]:  # the definition was not there before this test
        objects(*kinds, state="absent")


def test_a_kind_can_be_used_right_after_its_definition(namespace: str, objects: Any) -> None:
    group = f"{namespace}.saasodoo.invalid"
    names = {"kind": "Thing", "plural": "things"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    kind = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [version]},
    }
    thing = manifest(f"{group}/v1", "Thing", namespace, "x", spec={"a": 1})
    assert state(objects(kind, thing, check=True)) == (True, [True, True])
    assert state(objects(kind, thing)) == (True, [True, True])
    assert state(objects(kind, thing)) == (False, [False, False])
    assert state(objects(kind, thing, state="absent")) == (True, [True, True])
    assert state(objects(kind, thing, state="absent")) == (False, [False, False])


def test_an_account_without_the_right(kubernetes: Access, namespace: str, objects: Any, tmp_path: Path) -> None:
    """The account of the namespace's own pods may do nothing in it."""
    token = tmp_path / "token.kubeconfig"
    config = yaml.safe_load(Path(kubernetes.kubeconfig).read_text())
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    with closing(Objects(kubernetes.kubeconfig)) as administrator:
        made = CoreV1Api(administrator.client).create_namespaced_service_account_token("default", namespace, request)
    config["users"] = [{"name": user["name"], "user": {"token": made.status.token}} for user in config["users"]]
    token.write_text(yaml.safe_dump(config))
    failed = objects(config_map(namespace), kubeconfig=str(token))
    assert (failed["code"], "cannot get resource" in failed["found"]) == ("unauthorized", True)
    config["users"] = [{"name": user["name"], "user": {"token": "wrong"}} for user in config["users"]]
    token.write_text(yaml.safe_dump(config))
    assert objects(config_map(namespace), kubeconfig=str(token))["code"] == "unauthorized"
