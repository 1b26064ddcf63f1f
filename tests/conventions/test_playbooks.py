"""Playbooks: site.yml is imports only, and each verb of a tenant's life is a playbook and a task file."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import VERBS
from tests.conventions.project import COLLECTION, ROOT, files, load

CHOICES = load("roles/odoo_tenant/meta/argument_specs.yml")["argument_specs"]["main"]["options"]["odoo_tenant_verb"]["choices"]
ROLE = f"{COLLECTION}.odoo_tenant"
#: Playbooks about a tenant's move that end as the verb migrate.
OF_MIGRATE = {"migrate_back", "settle"}
_CALLS = ("ansible.builtin.import_role", "ansible.builtin.include_role")


def other_than_imports(plays: list[dict[str, Any]]) -> list[str]:
    """Return the plays that do something themselves."""
    return [str(play.get("name")) for play in plays if set(play) - {"vars"} != {"name", "ansible.builtin.import_playbook"}]


def calls(plays: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the roles that a playbook calls by tasks, each with the verb it is to do."""
    tasks = [task for play in plays for task in play["tasks"]]
    return [(task[word]["name"], task["vars"]["odoo_tenant_verb"]) for task in tasks for word in _CALLS if word in task]


def test_site_is_imports_only() -> None:
    plays = load("playbooks/site.yml")
    assert plays
    assert not other_than_imports(plays)
    assert not [play for play in plays if not (ROOT / "playbooks" / play["ansible.builtin.import_playbook"]).is_file()]


def test_the_verbs_are_those_of_the_table() -> None:
    assert set(CHOICES) == {str(verb) for verb in VERBS} | OF_MIGRATE


@pytest.mark.parametrize("verb", CHOICES)
def test_a_verb_is_a_playbook_and_a_task_file(verb: str) -> None:
    assert (ROLE, verb) in calls(load(f"playbooks/tenant_{verb}.yml"))
    assert load(f"roles/odoo_tenant/tasks/{verb}.yml")


def test_there_is_no_playbook_of_an_unknown_verb() -> None:
    found = {name.removeprefix("playbooks/tenant_").removesuffix(".yml") for name in files(r"playbooks/tenant_.*\.yml")}
    assert found == set(CHOICES)


def test_planted_plays_are_found() -> None:
    fine = {"name": "a", "ansible.builtin.import_playbook": "a.yml"}
    assert other_than_imports([fine, {"name": "b", "hosts": "all"}, fine | {"name": "c", "when": True}]) == ["b", "c"]
    for word in ("include_role", "import_role"):
        step = {f"ansible.builtin.{word}": {"name": ROLE}, "vars": {"odoo_tenant_verb": "start"}}
        assert calls([{"tasks": [{"ansible.builtin.debug": {}}, step]}]) == [(ROLE, "start")]
