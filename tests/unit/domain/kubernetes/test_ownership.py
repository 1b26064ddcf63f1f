"""Whose fields an object's are: only ours are compared and shown, and never a Secret's values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.kubernetes.object import (
    Name,
    brings,
    held_by,
    propagation,
    read_objects,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.kubernetes.ownership import (
    change,
    foretold,
    owned,
    prune,
    union,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.kubernetes.refusal import refusal
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput

NAME = Name("v1", "ConfigMap", "x", "n")
SECRET = Name("v1", "Secret", "x", "n")


def named(items: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"name": name, **content} for name, content in items.items()]


KEYS = st.sampled_from(["a", "b", "c", "d"])
SCALARS = st.one_of(st.booleans(), st.integers(0, 3), st.sampled_from(["", "x", "y"]), st.none())
#: Lists that are one value each (st.lists), and those whose items are told apart by their names.
VALUES = st.recursive(
    SCALARS | st.lists(st.integers(0, 3), max_size=3),
    lambda inner: (
        st.dictionaries(KEYS, inner, min_size=1, max_size=3)
        | st.dictionaries(KEYS, st.dictionaries(KEYS, inner, max_size=2), min_size=1, max_size=3).map(named)
    ),
    max_leaves=12,
)
MANIFESTS = st.dictionaries(KEYS, VALUES, max_size=3)


def is_named(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def fields(value: Any) -> dict[str, Any]:
    """Write down who applied a value, as the API server does."""
    if isinstance(value, dict):
        return {f"f:{key}": fields(part) for key, part in value.items()}
    if is_named(value):
        return {f"k:{json.dumps({'name': item['name']})}": {".": {}, **fields(item)} for item in value}
    return {}


def merged(ours: Any, theirs: Any) -> Any:
    """Merge what two have applied, as the API server does; where they disagree it is ours."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return {key: merged(ours[key], theirs[key]) if key in ours and key in theirs else ours.get(key, theirs.get(key))
                for key in [*theirs, *(key for key in ours if key not in theirs)]}  # fmt: skip
    if is_named(ours) and is_named(theirs):
        by_name = merged({item["name"]: item for item in ours}, {item["name"]: item for item in theirs})
        return list(by_name.values())
    return ours


def in_order(value: Any) -> Any:
    """Forget the order of named items."""
    if isinstance(value, dict):
        return {key: in_order(part) for key, part in value.items()}
    if is_named(value):
        return sorted((in_order(item) for item in value), key=lambda item: str(item["name"]))
    return value


def live(content: Mapping[str, Any], ours: Mapping[str, Any], **metadata: Any) -> dict[str, Any]:
    entries = [
        {"manager": "saasodoo", "operation": "Apply", "fieldsV1": fields(ours)},
        {"manager": "saasodoo", "operation": "Update", "fieldsV1": {"f:theirs": {}}},
        {"manager": "saasodoo", "operation": "Apply", "subresource": "status", "fieldsV1": {"f:theirs": {}}},
        {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:theirs": {}}},
    ]
    return {**content, "metadata": {"name": "x", "managedFields": entries, **metadata}}


@given(MANIFESTS, MANIFESTS)
def test_what_is_owned_is_what_was_applied(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert in_order(prune(merged(ours, theirs), fields(ours))) == in_order(ours)


@given(MANIFESTS, MANIFESTS, MANIFESTS)
def test_what_others_do_is_no_change(ours: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> None:
    one, other = live(merged(ours, {"theirs": 1} | before), ours), live(in_order(merged(ours, after)), ours)
    assert not change(NAME, {**one, **in_order(ours)}, {**other, **in_order(ours)}).changed
    assert "theirs" not in (change(NAME, one, other).before or {})


@given(MANIFESTS, MANIFESTS)
def test_every_change_of_ours_is_one(before: dict[str, Any], after: dict[str, Any]) -> None:
    seen = change(NAME, live(before, before), live(after, after))
    assert seen.changed == (before != after)
    assert (seen.before, seen.after) == (before, after)


@given(MANIFESTS, MANIFESTS)
def test_pruning_again_takes_no_more(value: dict[str, Any], other: dict[str, Any]) -> None:
    once = prune(value, fields(other))
    assert prune(once, fields(other)) == once


@given(MANIFESTS, MANIFESTS, MANIFESTS)
def test_two_own_what_each_owns(value: dict[str, Any], one: dict[str, Any], other: dict[str, Any]) -> None:
    both = union(fields(one), fields(other))
    assert both == union(fields(other), fields(one))
    assert union(both, fields(one)) == both
    assert prune(prune(value, both), fields(one)) == prune(value, fields(one))


@given(st.dictionaries(KEYS, st.text(max_size=4)), st.dictionaries(KEYS, st.text(max_size=4)))
@settings(max_examples=200)
def test_a_secret_shows_only_whether_it_is_the_same(before: dict[str, str], after: dict[str, str]) -> None:
    hidden = [{"data": {key: f"<{text}>" for key, text in each.items()}} for each in (before, after)]
    seen = change(SECRET, *(live(each, each) for each in hidden))
    assert seen.changed == (before != after)
    assert "<" not in str(seen)
    assert "<" not in str(foretold(SECRET, {"metadata": {"name": "x"}, **hidden[0]}))
    assert {*(seen.before or {}).get("data", {}).values()} <= {"unchanged", "a value"}


def test_a_secret_s_copy_in_its_annotation_is_hidden_too() -> None:
    def noted(text: str) -> dict[str, Any]:
        return {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": text, "other": "shown"}}}

    def applied(text: str) -> dict[str, Any]:
        return live({}, noted(text), **noted(text)["metadata"])

    seen = change(SECRET, applied("<1>"), applied("<2>"))
    assert (seen.changed, "<" in str(seen), "shown" in str(seen)) == (True, False, True)
    assert not change(SECRET, applied("<1>"), applied("<1>")).changed


def test_a_status_of_ours_and_what_others_write_is_not_owned() -> None:
    assert owned(live({}, {"a": 1})) == {"f:a": {}}
    assert owned(None) == owned({"metadata": {}}) == {}


@pytest.mark.parametrize(
    ("value", "owned_fields", "left"),
    [
        ({"a": {"b": 1, "c": 2}}, {"f:a": {}}, {"a": {"b": 1, "c": 2}}),
        ({"a": {"b": 1, "c": 2}}, {"f:a": {"f:b": {}}}, {"a": {"b": 1}}),
        ({"a": {"c": 2}}, {"f:a": {"f:b": {}}}, {}),
        ({"a": {"c": 2}}, {"f:a": {".": {}, "f:b": {}}}, {"a": {}}),
        ({"a": []}, {"f:a": {"v:1": {}}}, {"a": []}),
        ({"a": ["x", "y"]}, {"f:a": {'v:"y"': {}}}, {"a": ["y"]}),
        ({"a": ["x", "y"]}, {"f:a": {"i:0": {}}}, {"a": ["x"]}),
        ({"a": [{"p": 1, "q": "T", "r": 1}]}, {"f:a": {'k:{"p":1,"q":"T"}': {".": {}}}}, {"a": [{"p": 1, "q": "T"}]}),
        ({"a": [{"p": 1, "r": 1}]}, {"f:a": {'k:{"p":1}': {}}}, {"a": [{"p": 1, "r": 1}]}),
        ({"a": [{"p": 2}]}, {"f:a": {'k:{"p":1}': {".": {}}}}, {}),
        ({"a": 0}, {"f:a": {"f:b": {}}}, {"a": 0}),
        ({"a": None}, {"f:a": {}}, {"a": None}),
    ],
)  # fmt: skip
def test_each_kind_of_owned_field(value: Any, owned_fields: dict[str, Any], left: Any) -> None:
    assert prune(value, owned_fields) == left


def test_a_list_s_items_are_shown_with_their_keys_in_the_order_they_have() -> None:
    env = [{"name": "B", "value": "2"}, {"name": "THEIRS", "value": "3"}, {"name": "A", "value": "1"}]
    ours: dict[str, Any] = {'k:{"name":"A"}': {"f:value": {}}, 'k:{"name":"B"}': {"f:value": {}}}
    assert prune(env, ours) == [env[0], env[2]]


def made(kind: str = "ConfigMap", api_version: str = "v1", **content: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": "n"}, **content}


def test_one_object_in_two_versions_of_its_group_is_one() -> None:
    with pytest.raises(InvalidInput, match="given twice"):
        read_objects([made("Ingress", "networking.k8s.io/v1"), made("Ingress", "networking.k8s.io/v1beta1")])
    assert len(read_objects([made("Ingress", "networking.k8s.io/v1"), made("Ingress", "traefik.io/v1"), made()])) == 3


@pytest.mark.parametrize("part", ["apiVersion", "kind", "metadata"])
@pytest.mark.parametrize("value", [None, "", 1, "a/../b", "x?y", "a/b/c", {"name": "x y"}])
def test_what_can_not_be_an_object(part: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match="object 2 of the list"):
        read_objects([made("Other"), made() | {part: value}])


def test_a_secret_s_texts_become_data() -> None:
    wanted = read_objects([made("Secret", data={"a": "eA==", "b": "eA=="}, stringData={"b": "ü"})])[0]
    assert wanted.manifest["data"] == {"a": "eA==", "b": "w7w="}
    assert "stringData" not in wanted.manifest


@pytest.mark.parametrize(
    "content",
    [{"data": {"a": "<1>"}}, {"data": {"a": 1}}, {"stringData": {"a": ["<1>"]}}, {"data": "<1>"}, {"stringData": ["<1>"]}],
)
def test_a_secret_that_can_not_be_is_refused_without_its_values(content: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_objects([made("Secret", **content)])
    assert "<" not in str(caught.value)
    assert "Secret x in namespace n" in str(caught.value)


def test_what_makes_others_goes_with_them() -> None:
    first = {
        Name(version, "X", "x"): propagation(Name(version, "X", "x"))
        for version in ("apps/v1", "batch/v1", "postgresql.cnpg.io/v1")
    }
    last = {propagation(Name(version, "X", "x")) for version in ("v1", "networking.k8s.io/v1", "policy/v1")}
    assert (set(first.values()), last) == ({"Foreground"}, {"Background"})


def test_what_holds_an_object() -> None:
    going = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b"], "deletionGracePeriodSeconds": 30}
    left = {"type": "NamespaceContentRemaining", "status": "True", "message": "pods. has 1 resource instances"}
    found = held_by({"metadata": going, "spec": {"finalizers": ["kubernetes"]}, "status": {"conditions": [left]}})
    assert found == (
        "it is being deleted since 2026-01-01T00:00:00Z; held by its finalizers: a/b, kubernetes; it has 30 s to end; "
        "pods. has 1 resource instances"
    )
    blocked = {"type": "DeletionIsBlocked", "status": "True", "message": "CephFilesystems: saasodoo"}
    assert held_by({"metadata": going, "status": {"conditions": [blocked]}}).endswith("; CephFilesystems: saasodoo")
    assert "nobody deletes it" in held_by({"metadata": {}})


def test_a_definition_brings_its_kinds() -> None:
    spec = {"group": "g.invalid", "names": {"kind": "Thing"}, "versions": [{"name": "v1"}, {"name": "v2"}]}
    assert brings(made("CustomResourceDefinition", spec=spec)) == {("g.invalid/v1", "Thing"), ("g.invalid/v2", "Thing")}
    assert brings(made()) == set()


TYPED = "failed to create typed patch object (n/x; /v1, Kind=Secret): "
FORBIDDEN = 'secrets "x" is forbidden: '
PLACE = 'in API group "" in the namespace "n"'


@pytest.mark.parametrize(
    ("status", "message", "code", "shown"),
    [
        (500, TYPED + ".stringdta: field not declared in schema", "invalid_input", True),
        (500, TYPED + '.data.a: expected string, got "<1>"', "invalid_input", False),
        (500, TYPED + '.data.a: got "<1>"\n.b: field not declared in schema', "invalid_input", False),
        (400, "strict decoding error: <1>", "invalid_input", False),
        (403, FORBIDDEN + "exceeded quota: q, requested: secrets=1, used: secrets=1, limited: secrets=1", "conflict", True),
        (403, FORBIDDEN + f'User "u" cannot patch resource "secrets" {PLACE}', "unauthorized", True),
        (403, FORBIDDEN + "unable to create new content in namespace n because it is being terminated", "conflict", True),
        (403, 'admission webhook "w" denied the request: <1>', "invalid_input", False),
        (404, 'namespaces "n" not found', "not_found", True),
        (409, "Operation cannot be fulfilled", "conflict", False),
        (422, 'Secret "x" is invalid: type: Invalid value: "<1>": field is immutable', "invalid_input", False),
        (401, "Unauthorized", "unauthorized", False),
        (429, "too many", "unavailable", False),
        (500, "etcdserver: request timed out", "unavailable", False),
        (503, "<html>", "unavailable", False),
    ],
)  # fmt: skip
def test_refusals_mean_something_and_keep_secrets(status: int, message: str, code: str, shown: bool) -> None:
    body = json.dumps({"message": message, "reason": "Why", "details": {"causes": [{"field": "type", "message": message}]}})
    for name in (NAME, SECRET):
        error = refusal("apply", name, status, "Why", body)
        assert error.code == code
        assert (message.partition("\n")[0] in str(error)) == (shown or name is NAME)
        assert name is NAME or "<1>" not in str(error)
        assert str(name) in error.what
    if not shown:
        assert "at type" in str(error)


def test_the_comparison_at_a_message_s_end_is_left_out() -> None:
    error = refusal("apply", NAME, 422, "Invalid", json.dumps({"message": "spec: Forbidden: may not change\n@@ -1 +1 @@\n-a"}))
    assert (error.found, "remove the object" in error.action) == ("spec: Forbidden: may not change", True)
    assert refusal("apply", NAME, 404, "Not Found", "404 page not found").found == "404 page not found"
