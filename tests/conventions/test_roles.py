"""Roles: their interface is written down once and truthfully, and no task hides a failure or a change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.conventions.project import ROOT, files, load, load_if_there, roles, text, walk_tasks

TASK_FILE_LINES = 120
LONGEST_STOP = 10  # seconds that any process may take to end when it is asked to
TASK_FILES = r"(roles/[^/]+/(tasks|handlers)/.*|playbooks/.*)\.ya?ml"
_COMMANDS = ("ansible.builtin.command", "ansible.builtin.shell", "ansible.builtin.raw", "ansible.builtin.script")
#: Modules of Ansible's that write where a path leads, whoever laid what is there.
_BY_PATH = tuple(f"ansible.builtin.{module}" for module in ("assemble", "blockinfile", "copy", "file", "lineinfile", "template"))
_GROUPS = re.compile(r"\bgroups\s*[\[.]|\bgroup_names\b|\bhostvars\s*[\[.]|^\s*-?\s*hosts:", re.MULTILINE)
#: Hosts a role may name: the one that Ansible runs on.
_HERE = {"localhost", "127.0.0.1"}


def unequal(defaults: Mapping[str, Any], specs: Mapping[str, Any]) -> list[str]:
    """Return where a role's defaults and its argument specs disagree. An option has a default, said once, or is required."""
    options = [(name, option) for point in specs["argument_specs"].values() for name, option in point["options"].items()]
    twice = [f"{name}: its default is defaults/main.yml's to say" for name, option in options if "default" in option]
    optional = {name for name, option in options if not option.get("required")}
    return twice + [f"{name}: only in one" for name in set(defaults) ^ optional]


def unprefixed(role: str, names: list[str], *, internal: bool) -> list[str]:
    """Return the variables that another role could have, too. Internal ones may start with an underscore."""
    prefixes = (f"{role}_", f"_{role}_") if internal else (f"{role}_",)
    return [name for name in names if not name.startswith(prefixes)]


def hides(task: Mapping[str, Any]) -> list[str]:
    """Return how a task could fail, or change something, without anybody seeing it."""
    found = ["ignore_errors"] * ("ignore_errors" in task) + ["ignore_unreachable"] * ("ignore_unreachable" in task)
    found += ["failed_when: false"] * (task.get("failed_when") is False)
    for action in _COMMANDS:
        given = task.get(action)
        if given is None:
            continue
        words = given if isinstance(given, dict) else task.get("args", {})
        if not ({"creates", "removes"} & set(words) or "changed_when" in task):
            found.append(f"{action} that always says changed")
        if action == "ansible.builtin.shell" and not _is_guarded_pipe(words):
            found.append("a shell")
    return found


def _is_guarded_pipe(words: Mapping[str, Any]) -> bool:
    """Tell whether it is the one thing that no module and no command can do: stream one program's output into another."""
    return "set -o pipefail" in words.get("cmd", "") and " | " in words["cmd"] and "creates" in words


def gives_by_path(task: Mapping[str, Any]) -> list[str]:
    """Return the modules by which root gives a file, or a folder, to somebody else, who may write in the folder it is in."""
    return [action for action in _BY_PATH if (task.get(action) or {}).get("owner", "root") != "root"]


def slow_to_stop(text: str) -> list[str]:
    """Return the times that processes have to end which leave none to find that out within 10 s."""
    return [found[0] for found in re.finditer(r"\bstop_timeout: *(\d+)", text) if int(found[1]) >= LONGEST_STOP]


def set_by(tasks: list[dict[str, Any]] | None) -> list[str]:
    """Return the variables that tasks make."""
    found = []
    for task in walk_tasks(tasks):
        found += [task["register"]] if "register" in task else []
        found += [name for name in task.get("ansible.builtin.set_fact", {}) if name != "cacheable"]
        found += [task["loop_control"]["loop_var"]] if "loop_var" in task.get("loop_control", {}) else []
    return found


@pytest.mark.parametrize("role", roles())
def test_defaults_are_the_argument_specs(role: str) -> None:
    assert not unequal(load_if_there(f"roles/{role}/defaults/main.yml"), load(f"roles/{role}/meta/argument_specs.yml"))


@pytest.mark.parametrize("role", roles())
def test_entry_points_are_task_files(role: str) -> None:
    points = load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]
    assert "main" in points
    assert not [point for point in points if not (ROOT / f"roles/{role}/tasks/{point}.yml").is_file()]


@pytest.mark.parametrize("role", roles())
def test_variables_carry_the_roles_name(role: str) -> None:
    assert not unprefixed(role, list(load_if_there(f"roles/{role}/defaults/main.yml")), internal=False)
    assert not unprefixed(role, list(load_if_there(f"roles/{role}/vars/main.yml")), internal=True)
    made = [name for file in files(rf"roles/{role}/tasks/.*\.yml") for name in set_by(load(file))]
    assert not unprefixed(role, made, internal=True)


@pytest.mark.parametrize("role", roles())
def test_a_role_tells_what_it_is(role: str) -> None:
    assert text(f"roles/{role}/README.md").strip()
    assert load(f"roles/{role}/meta/main.yml")["galaxy_info"]["description"]


@pytest.mark.parametrize("name", files(r"roles/[^/]+/(tasks|defaults|vars|templates|handlers)/.*"))
def test_roles_know_no_groups(name: str) -> None:
    assert not _GROUPS.findall(text(name))


@pytest.mark.parametrize("name", files(TASK_FILES))
def test_tasks_hide_nothing(name: str) -> None:
    assert text(name).count("\n") <= TASK_FILE_LINES
    steps = load(name) or []
    tasks = [task for step in steps for task in (_tasks_of(step) if "hosts" in step else [step])]
    assert not {task.get("name"): found for task in walk_tasks(tasks) if (found := hides(task))}
    assert not [task.get("name") for task in walk_tasks(tasks) if gives_by_path(task)], "host_files follows nothing"
    delegated = {task["delegate_to"] for task in walk_tasks(tasks) if "delegate_to" in task}
    assert delegated <= _HERE


def _tasks_of(play: dict[str, Any]) -> list[dict[str, Any]]:
    return [task for part in ("pre_tasks", "tasks", "post_tasks", "handlers") for task in play.get(part) or []]


@pytest.mark.parametrize("name", files(r"roles/[^/]+/(tasks/embedded|vars|defaults)/.*\.yml"))
def test_every_process_is_killed_that_does_not_end_in_time(name: str) -> None:
    kept = (
        [task["saasodoo.platform.process"] for task in walk_tasks(load(name)) if "saasodoo.platform.process" in task]
        if ("/tasks/" in name)
        else []
    )
    assert not [task["name"] for task in kept if "command" in task and "stop_timeout" not in task]
    assert name.startswith("roles/cephfs/") or not slow_to_stop(text(name))


def test_a_planted_gift_is_found() -> None:
    assert gives_by_path({"ansible.builtin.template": {"src": "a.j2", "dest": "/a", "owner": "{{ user }}"}})
    assert not gives_by_path({"ansible.builtin.copy": {"src": "a", "dest": "/a", "owner": "root"}})


def test_a_planted_time_to_stop_is_found() -> None:
    assert slow_to_stop("a_stop_timeout: 9\nstop_timeout: 10\n{stop_timeout: 60}") == ["stop_timeout: 10", "stop_timeout: 60"]


@pytest.mark.parametrize(
    "planted",
    [
        {"ignore_errors": False},
        {"failed_when": False},
        {"ansible.builtin.command": "true"},
        {"ansible.builtin.command": {"argv": ["true"]}},
        {"ansible.builtin.shell": {"cmd": "a | b", "creates": "/c"}},
        {"ansible.builtin.shell": {"cmd": "set -o pipefail; a | b"}, "changed_when": True},
        {"ansible.builtin.shell": {"cmd": "set -o pipefail; a && b", "creates": "/c"}},
        {"ansible.builtin.raw": "true"},
    ],
)
def test_a_planted_task_is_found(planted: dict[str, Any]) -> None:
    assert hides(planted)


@pytest.mark.parametrize(
    "fine",
    [
        {"ansible.builtin.command": {"argv": ["true"], "creates": "/c"}},
        {"ansible.builtin.command": "true", "args": {"removes": "/c"}},
        {"ansible.builtin.command": "true", "changed_when": False},
        {"ansible.builtin.shell": {"cmd": "set -o pipefail; a | b", "creates": "/c"}},
    ],
)
def test_a_fair_task_is_left_alone(fine: dict[str, Any]) -> None:
    assert not hides(fine)


@pytest.mark.parametrize(
    ("defaults", "options"),
    [
        ({"r_a": 1}, {}),
        ({}, {"r_a": {}}),
        ({"r_a": 1}, {"r_a": {"default": 1}}),
        ({"r_a": 1}, {"r_a": {"required": True}}),
    ],
)
def test_planted_defaults_are_found(defaults: dict[str, Any], options: dict[str, Any]) -> None:
    assert unequal(defaults, {"argument_specs": {"main": {"options": options}}})


def test_planted_variables_and_groups_are_found() -> None:
    assert unprefixed("r", ["r_a", "_r_b", "c"], internal=False) == ["_r_b", "c"]
    assert unprefixed("r", ["r_a", "_r_b", "c"], internal=True) == ["c"]
    assert set_by([{"block": [{"register": "a"}]}, {"ansible.builtin.set_fact": {"b": 1}}]) == ["a", "b"]
    assert set_by([{"loop_control": {"loop_var": "c"}}]) == ["c"]
    assert all(_GROUPS.search(planted) for planted in ("{{ groups['x'] }}", "'x' in group_names", "- hosts: x", "hostvars[x]"))
