"""The lookups of secrets (killbill, registry, runner) and of verifiers (registry, server, tenant), as templates use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.platform_key import derive
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.scram import matches
from tests.fixtures.ansible import run_tasks
from tests.fixtures.registry import KEY

TENANT = "0f8fad5b-d9cb-469f-a165-70867728950e"
SECRETS = [
    ("killbill_secret", "callback", derive(KEY, "killbill", "callback")),
    ("killbill_secret", "database", derive(KEY, "killbill", "database")),
    ("killbill_secret", "kaui-schema", derive(KEY, "killbill", "kaui-schema")),
    ("registry_secret", "admin", derive(KEY, "server:registry", "admin")),
    ("registry_secret", "owner", derive(KEY, "registry:saasodoo_owner", "login")),
    ("runner_secret", "api", derive(KEY, "webhook_runner", "api")),
]
VERIFIERS = [
    ("registry_verifier', 'runner'", derive(KEY, "registry:saasodoo_runner", "login")),
    ("registry_verifier', 'killbill'", derive(KEY, "killbill", "database")),
    ("server_verifier', 'pool-1'", derive(KEY, "server:pool-1", "admin")),
    (f"tenant_verifier', '{TENANT}'", derive(KEY, TENANT, "database")),
]


def look_up(*calls: str, file: Path, check: bool = False) -> list[dict[str, Any]]:
    """Return what a message with each lookup's answer says; the key file's name is a template, as in the inventory."""
    tasks = [{"ansible.builtin.debug": {"msg": "{{ lookup('saasodoo.platform." + call + ") }}"}} for call in calls]
    variables = {"folder": str(file.parent), "saasodoo_platform_key_file": "{{ folder }}/" + file.name}
    return run_tasks(tasks, extra_vars=variables, check=check)


def test_secrets_follow_from_the_platform_key(key_file: Path) -> None:
    calls = [f"{name}', '{term}'" for name, term, _ in SECRETS]
    assert [answer["msg"] for answer in look_up(*calls, file=key_file)] == [secret for _, _, secret in SECRETS]


def test_a_raised_generation_is_another_secret(key_file: Path) -> None:
    calls = ["killbill_secret', 'callback', generation=2", "runner_secret', 'api', generation=2"]
    answers = [answer["msg"] for answer in look_up(*calls, file=key_file)]
    assert answers == [derive(KEY, "killbill", "callback", 2), derive(KEY, "webhook_runner", "api", 2)]


def test_verifiers_let_the_derived_password_in_and_no_other(key_file: Path) -> None:
    calls = [call for call, _ in VERIFIERS]
    answers = look_up(*calls, file=key_file)
    for answer, (_, password) in zip(answers, VERIFIERS, strict=True):
        assert matches(answer["msg"], password)
        assert not matches(answer["msg"], password + "x")
    assert [again["msg"] for again in look_up(*calls, file=key_file)] == [answer["msg"] for answer in answers]


@pytest.mark.parametrize("call", ["killbill_secret', 'calback'", "registry_secret', 'reader'", "runner_secret', 'admin'"])
def test_an_unknown_purpose_is_refused(key_file: Path, call: str) -> None:
    failure = look_up(call, file=key_file)[-1]
    assert failure["failed"]
    assert "unknown purpose" in failure["msg"]


def test_before_the_first_run_check_mode_has_something_to_show(tmp_path: Path) -> None:
    calls = ["killbill_secret', 'callback'", "runner_secret', 'api'", "server_verifier', 'pool-1'"]
    missing = tmp_path / "platform.key"
    assert [answer["msg"] for answer in look_up(*calls, file=missing, check=True)] == ["x" * 32, "x" * 32, ""]
    assert all(look_up(call, file=missing)[-1]["failed"] for call in calls)
