"""Nouns and other plugins: what the documentation says is what the code does, and each is tried by some test."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.conventions.documentation import KINDS, arguments, differences, documentation, part, plugins
from tests.conventions.project import COLLECTION, constant, files, text, walk_tasks

NOUNS = plugins("modules")
ALL = [(kind, name) for kind in KINDS for name in plugins(kind)]
_SECRET = re.compile(r"(password|passphrase|secret|token|api_key|private_key)s?$")
#: What may stand beside the action in a task.
_FQCN = re.compile(r"[a-z_]+\.[a-z_]+\.[a-z_0-9]+")
_TASK_WORDS = {
    "name", "register", "when", "loop", "loop_control", "vars", "become", "become_user", "delegate_to", "run_once", "until",
    "retries", "delay", "no_log", "diff", "check_mode", "environment", "block", "rescue", "always", "changed_when", "notify",
}  # fmt: skip


def wrong_examples(tasks: Any, options: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what would not run if pasted: no name, short names, unknown options, required ones missing."""
    found = []
    for task in walk_tasks([step for play in tasks for step in (play["tasks"] if "hosts" in play else [play])]):
        found += [] if "name" in task else [f"no name: {task}"]
        for action in set(task) - _TASK_WORDS:
            if not _FQCN.fullmatch(action):
                found.append(f"{action}: not a full name")
            elif action.startswith(COLLECTION):
                known = options.get(action.removeprefix(COLLECTION + "."))
                found += [f"{action}: no such noun"] if known is None else _misused(task[action] or {}, known, action)
    return found


def _misused(given: Mapping[str, Any], known: Mapping[str, Any], action: str) -> list[str]:
    found = [f"{action}.{name}: no such option" for name in given if name not in known]
    return found + [f"{action}.{name}: missing" for name in known if known[name].get("required") and name not in given]


def without_sample(returned: Mapping[str, Any]) -> list[str]:
    """Return the values that a reader would have to guess the form of."""
    found = []
    for name, value in returned.items():
        found += [name] if not {"description", "type"} <= set(value) or not {"sample", "contains"} & set(value) else []
        found += [f"{name}.{inner}" for inner in without_sample(value.get("contains") or {})]
    return found


def shown_secrets(declared: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the options that hold a secret by their name and are not kept out of logs; paths of files are no secret."""
    found = []
    for name, option in declared.items():
        found += [name] if _SECRET.search(name) and option.get("type") != "path" and not option.get("no_log") else []
        found += [f"{name}.{inner}" for inner in shown_secrets(option.get("options") or {})]
    return found


@pytest.fixture(scope="module")
def options() -> dict[str, Mapping[str, Any]]:
    return {name: documentation("modules", name)["options"] for name in NOUNS}


@pytest.mark.parametrize("name", NOUNS)
def test_the_documentation_says_what_is_validated(name: str) -> None:
    assert not differences(arguments(name), documentation("modules", name)["options"])


@pytest.mark.parametrize("name", NOUNS)
def test_secrets_stay_out_of_logs(name: str) -> None:
    assert not shown_secrets(arguments(name))


@pytest.mark.parametrize("name", NOUNS)
def test_examples_can_be_pasted(name: str, options: dict[str, Mapping[str, Any]]) -> None:
    tasks = part("modules", name, "EXAMPLES")
    assert any(f"{COLLECTION}.{name}" in task for task in walk_tasks(tasks))
    assert not wrong_examples(tasks, options)


@pytest.mark.parametrize("name", NOUNS)
def test_returned_values_have_samples(name: str) -> None:
    returned = part("modules", name, "RETURN")
    assert returned
    assert not without_sample(returned)
    assert all("returned" in value for value in returned.values())


@pytest.mark.parametrize("name", NOUNS)
def test_nouns_say_what_check_and_diff_do(name: str) -> None:
    attributes = documentation("modules", name).get("attributes", {})
    assert {"check_mode", "diff_mode"} <= set(attributes)


def test_every_action_plugin_has_documentation() -> None:
    assert set(plugins("action")) <= set(NOUNS)


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_plugins_are_documented(kind: str, name: str) -> None:
    said = documentation(kind, name)
    assert said["module" if kind == "modules" else "name"] == name
    assert {"short_description", "description", "author", "version_added"} <= set(said)
    # A callback is switched on, not called, and returns nothing; an inventory returns hosts.
    assert kind == "callback" or part(kind, name, "EXAMPLES")
    assert kind in ("callback", "inventory") or part(kind, name, "RETURN")


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_every_plugin_is_named_in_a_test(kind: str, name: str) -> None:
    tests = files(r"tests/(?!conventions/).*\.py|extensions/molecule/.*/(converge|verify)\.yml")
    assert any(re.search(rf"\b{name}\b", text(test)) for test in tests)


def test_fragments_are_used() -> None:
    used = {
        fragment.removeprefix(COLLECTION + ".")
        for kind, name in ALL
        for fragment in documentation(kind, name).get("extends_documentation_fragment") or []
    }
    assert used == set(plugins("doc_fragments"))


@pytest.mark.parametrize(
    ("declared", "documented"),
    [
        ({"a": {}}, {}),
        ({}, {"a": {}}),
        ({"a": {"type": "int"}}, {"a": {}}),
        ({"a": {"required": True}}, {"a": {"type": "str"}}),
        ({"a": {"default": 1}}, {"a": {"default": 2}}),
        ({"a": {"default": False}}, {"a": {}}),
        ({"a": {"choices": ["x"]}}, {"a": {"choices": ["x", "y"]}}),
        ({"a": {"type": "list", "elements": "str"}}, {"a": {"type": "list"}}),
        ({"a": {"type": "dict", "options": {"b": {}}}}, {"a": {"type": "dict", "suboptions": {"b": {"type": "int"}}}}),
    ],
)
def test_a_planted_difference_is_found(declared: dict[str, Any], documented: dict[str, Any]) -> None:
    assert differences(declared, documented)
    assert not differences(declared, {name: _as_documented(option) for name, option in declared.items()})


def _as_documented(option: dict[str, Any]) -> dict[str, Any]:
    return {"suboptions" if key == "options" else key: value for key, value in option.items()}


@pytest.mark.parametrize(
    "task",
    [
        {"saasodoo.platform.thing": {"a": 1}},
        {"name": "x", "copy": {"a": 1}},
        {"name": "x", "saasodoo.platform.thing": {"b": 1}},
        {"name": "x", "saasodoo.platform.thing": {"a": 1, "c": 1}},
        {"name": "x", "saasodoo.platform.other": {}},
        {"name": "x", "block": [{"name": "y", "copy": {}}]},
    ],
)
def test_a_planted_example_is_found(task: dict[str, Any]) -> None:
    assert wrong_examples([task], {"thing": {"a": {"required": True}, "b": {}}})
    assert not wrong_examples([{"name": "x", "saasodoo.platform.thing": {"a": 1}}], {"thing": {"a": {"required": True}}})


def test_planted_secrets_and_values_are_found() -> None:
    assert shown_secrets({"password": {"type": "str"}, "secret_file": {"type": "path"}, "key": {}}) == ["password"]
    assert shown_secrets({"server": {"options": {"api_key": {}}}}) == ["server.api_key"]
    assert not shown_secrets({"password": {"no_log": True}})
    bare = {"description": "X", "type": "str"}
    assert without_sample({"x": bare}) == ["x"]
    assert without_sample({"x": bare | {"contains": {"y": bare, "z": bare | {"sample": 1}}}}) == ["x.y"]


def test_constants_are_read_from_source() -> None:
    assert constant("EXAMPLES = r'''\n- name: x\n'''\n", "EXAMPLES") == "\n- name: x\n"
    assert constant("class F:\n    DOCUMENTATION = 'a'\n", "DOCUMENTATION") == "a"
    assert constant("x = 1\n", "RETURN") == ""
