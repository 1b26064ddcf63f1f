"""Many tenants at once by the API: each has an outcome of its own, and what was queued is done by a real worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fixtures.registry import Registry
from tests.fixtures.runner import TOKEN, Web, process, rows, with_playbook, write_inventory
from tests.fixtures.waiting import eventually
from tests.integration.webhook_runner.test_runner_worker import new_tenant, operation, status
from webhook_runner.settings import Settings

_HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def settings(runner_settings: Settings, registry_roles: Registry) -> Settings:
    """Two tenants that run, and one that is new."""
    write_inventory(runner_settings.inventory, saasodoo_registry=registry_roles.operator)
    for verb in ("suspend", "terminate"):
        with_playbook(runner_settings, verb, operation(verb))
    for name in ("acme", "beta", "gamma"):
        new_tenant(runner_settings, name)
    ready = "UPDATE tenant.tenants SET status = 'running', provisioning_status = 'ready', desired_state = 'manual'"
    rows(runner_settings, f"{ready} WHERE subdomain <> 'gamma' RETURNING id")
    return runner_settings


def post(web: Web, verb: str, body: object) -> requests.Response:
    return requests.post(f"{web.url}/api/admin/tenants/{verb}", json=body, headers=_HEADERS, timeout=20)


def outcomes(web: Web, verb: str, body: dict[str, Any]) -> dict[str, str]:
    answer = post(web, verb, body)
    assert answer.status_code == 202, answer.text
    return {each["tenant"]: each["outcome"] for each in answer.json()["tenants"]}


def test_each_of_many_has_an_outcome_of_its_own_and_is_done(settings: Settings, web: Web, tmp_path: Path) -> None:
    every = {"tenants": ["acme", "beta", "gamma", "nobody", "acme"]}
    said = post(web, "suspend", every).json()["tenants"]
    assert [(each["tenant"], each["outcome"]) for each in said] == [
        ("acme", "queued"), ("beta", "queued"), ("gamma", "refused"), ("nobody", "refused")
    ]  # fmt: skip
    assert (said[2]["code"], said[3]["code"]) == ("conflict", "not_found")
    assert outcomes(web, "suspend", {"tenants": ["acme"]}) == {"acme": "queued before"}
    with process(settings, "worker", tmp_path / "worker.log"):
        known = {row["subdomain"]: row["id"] for row in rows(settings, "SELECT subdomain, id FROM tenant.tenants")}
        eventually(lambda: {status(settings, known[name]) for name in ("acme", "beta")} == {"paused"})
        for approved in ({}, {"approved": 3}):
            answer = post(web, "terminate", {"status": "paused", **approved})
            assert (answer.status_code, answer.json()["expected"]) == (409, "approved: 2")
        assert outcomes(web, "terminate", {"status": "paused", "approved": 2}) == {"acme": "queued", "beta": "queued"}
        eventually(lambda: {status(settings, known[name]) for name in ("acme", "beta")} == {"terminated"})
    assert status(settings, known["gamma"]) == "creating"


def test_what_failed_is_on_the_list_and_tried_again_for_all(settings: Settings, web: Web, tmp_path: Path) -> None:
    with_playbook(settings, "suspend", operation("suspend", "- name: Find room\n  ansible.builtin.fail:\n    msg: no room\n"))
    with process(settings, "worker", tmp_path / "worker.log"):
        outcomes(web, "suspend", {"tenants": ["acme", "beta"]})
        eventually(lambda: len(rows(settings, "SELECT FROM tenant.tenants WHERE status = 'error'")) == 2)
        eventually(lambda: not rows(settings, "SELECT FROM ops.runs WHERE status = 'running'"))
        listed = requests.get(f"{web.url}/api/admin/attention", headers=_HEADERS, timeout=20).json()["needs"]
        assert {each["tenant"]: each["cause"] for each in listed} == dict.fromkeys(
            ("acme", "beta"), "suspend failed: Find room: no room"
        )
        assert {each["command"] for each in listed} == {
            f"ansible-playbook playbooks/tenant_suspend.yml -e tenant={name}" for name in ("acme", "beta")
        }
        with_playbook(settings, "suspend", operation("suspend"))
        assert outcomes(web, "retry", {"status": "error"}) == {"acme": "queued", "beta": "queued"}
        eventually(lambda: len(rows(settings, "SELECT FROM tenant.tenants WHERE status = 'paused'")) == 2)
    assert web.get("/api/admin/attention", token=TOKEN).json() == {"needs": []}


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("suspend", {}),
        ("suspend", {"tenants": "acme"}),
        ("suspend", {"tenants": [1]}),
        ("suspend", {"tenants": ["acme"], "status": "error"}),
        ("suspend", {"status": "fine"}),
        ("suspend", ["acme"]),
        ("suspend", {"tenants": ["acme"], "state": "error"}),
        ("terminate", {"status": "error", "approved": True}),
        ("erase", {"tenants": ["acme"]}),
    ],
)
def test_what_is_not_clear_is_refused_as_a_whole(settings: Settings, web: Web, verb: str, body: object) -> None:
    answer = post(web, verb, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
    assert not rows(settings, "SELECT FROM procrastinate_jobs WHERE task_name = 'do_verb'")


def test_the_token_is_wanted(web: Web) -> None:
    assert requests.post(f"{web.url}/api/admin/tenants/suspend", json={"tenants": ["acme"]}, timeout=20).status_code == 401
    assert web.get("/api/admin/attention").status_code == 401
