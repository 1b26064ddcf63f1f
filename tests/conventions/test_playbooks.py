"""Playbooks: site.yml is imports only, and each verb of a tenant's life is a playbook, a task file and an entry point."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain import lifecycle
from tests.conventions.project import COLLECTION, ROOT, files, load

VERBS = load("roles/odoo_tenant/meta/argument_specs.yml")["argument_specs"]["main"]["options"]["odoo_tenant_verb"]["choices"]
ROLE = f"{COLLECTION}.odoo_tenant"
#: Playbooks about a tenant's move that end as the verb migrate.
OF_MIGRATE = {"migrate_back", "settle"}
_CALLS = ("ansible.builtin.import_role", "ansible.builtin.include_role")


def other_than_imports(plays: list[dict[str, Any]]) -> list[str]:
    """Return the plays that do something themselves."""
    return [str(play.get("name")) for play in plays if set(play) - {"vars"} != {"name", "ansible.builtin.import_playbook"}]


def calls(plays: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the entry points of roles that a playbook calls by tasks."""
    tasks = [task for play in plays for task in play["tasks"]]
    called = [task[word] for task in tasks for word in _CALLS if word in task]
    return [(each["name"], each["tasks_from"]) for each in called]


def test_site_is_imports_only() -> None:
    plays = load("playbooks/site.yml")
    assert plays
    assert not other_than_imports(plays)
    assert not [play for play in plays if not (ROOT / "playbooks" / play["ansible.builtin.import_playbook"]).is_file()]


def test_the_verbs_are_those_of_the_lifecycle() -> None:
    assert set(VERBS) == {str(verb) for verb in lifecycle.Verb}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_a_playbook_a_task_file_and_an_entry_point(verb: str) -> None:
    assert (ROLE, verb) in calls(load(f"playbooks/tenant_{verb}.yml"))
    assert load(f"roles/odoo_tenant/tasks/{verb}.yml")
    points = load("roles/odoo_tenant/meta/argument_specs.yml")["argument_specs"]
    assert points[verb]["options"]["odoo_tenant_name"]["required"]


def test_there_is_no_playbook_of_an_unknown_verb() -> None:
    found = {name.removeprefix("playbooks/tenant_").removesuffix(".yml") for name in files(r"playbooks/tenant_.*\.yml")}
    assert found == set(VERBS) | OF_MIGRATE


def test_planted_plays_are_found() -> None:
    fine = {"name": "a", "ansible.builtin.import_playbook": "a.yml"}
    assert other_than_imports([fine, {"name": "b", "hosts": "all"}, fine | {"name": "c", "when": True}]) == ["b", "c"]
    for word in ("include_role", "import_role"):
        step = {f"ansible.builtin.{word}": {"name": ROLE, "tasks_from": "start"}}
        assert calls([{"tasks": [{"ansible.builtin.debug": {}}, step]}]) == [(ROLE, "start")]
