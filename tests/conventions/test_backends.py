"""Two backends, one set of roles: what differs is in tasks/<backend> of a role, and nothing else knows which is in use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.conventions.project import ROOT, files, load, roles, text, walk_tasks

BACKENDS = ("embedded", "kubernetes")
#: What acts on one backend only. (PgBouncer's and Odoo's files are the same for both.)
_OF_ONE = re.compile(r"saasodoo\.platform\.(process|ingress_route|postgres_cluster|kubernetes_\w+)|kubernetes\.core\.\w+")
_INCLUDED = re.compile(r"\{\{ \w+_backend \}\}/(?:\{\{.*?\}\}|(\w+))\.yml")
_COMPARED = re.compile(r"backend\w*\s*(==|!=|(not )?in [\[(])")
_SOURCES = r"(roles/[^/]+/(tasks|handlers|vars|defaults)/.*|playbooks/.*)\.ya?ml|(plugins|webhook_runner|demo)/.*\.py"


def cut() -> list[str]:
    """Return the roles that have a folder of tasks for each backend."""
    return [role for role in roles() if any((ROOT / f"roles/{role}/tasks/{each}").is_dir() for each in BACKENDS)]


def of_one_backend(tasks: list[dict[str, Any]]) -> list[str]:
    """Return the modules in tasks that only one backend has."""
    return [module for task in walk_tasks(tasks) for module in task if _OF_ONE.fullmatch(module)]


def chosen(content: str) -> set[str]:
    """Return the task files that are included from the folder of whichever backend it is."""
    return {name for name in _INCLUDED.findall(content) if name}


def compares(content: str) -> bool:
    """Whether something asks which backend it is."""
    return bool(_COMPARED.search(content))


def shared(role: str) -> Mapping[str, Any]:
    """Return the task files of a role that are for both backends."""
    found = files(rf"roles/{role}/tasks/[^/]+\.yml")
    return {name: load(name) for name in found}


def test_roles_are_cut() -> None:
    assert {"ingress", "killbill", "odoo_tenant", "postgres_pool", "webhook_runner"} <= set(cut())


@pytest.mark.parametrize("role", cut())
def test_what_is_for_both_uses_nothing_of_one(role: str) -> None:
    assert {name: found for name, tasks in shared(role).items() if (found := of_one_backend(tasks))} == {}


@pytest.mark.parametrize("role", cut())
def test_what_is_asked_of_a_backend_both_have(role: str) -> None:
    wanted = set().union(*(chosen(text(name)) for name in shared(role)))
    assert wanted
    for backend in BACKENDS:
        there = {path.stem for path in (ROOT / f"roles/{role}/tasks/{backend}").glob("*.yml")}
        assert wanted <= there, f"{backend} lacks {sorted(wanted - there)}"


def test_nothing_asks_which_it_is() -> None:
    assert [name for name in files(_SOURCES) if compares(text(name))] == []


@pytest.mark.parametrize("module", ["saasodoo.platform.process", "kubernetes.core.k8s", "saasodoo.platform.kubernetes_ready"])
def test_a_planted_module_is_found(module: str) -> None:
    assert of_one_backend([{"name": "x", "block": [{"name": "y", module: {}}]}]) == [module]


def test_planted_words_are_found() -> None:
    assert chosen('file: "{{ odoo_tenant_backend }}/run.yml"') == {"run"}
    assert compares("when: saasodoo_backend == 'kubernetes'")
    assert not compares('odoo_tenant_backend: "{{ saasodoo_backend }}"')
