"""The lookup tenant_secret, as a template uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.platform_key import derive
from tests.fixtures.ansible import run_tasks
from tests.fixtures.registry import KEY

TENANT = "0f8fad5b-d9cb-469f-a165-70867728950e"


def look_up(arguments: str, variables: dict[str, Any], environment: dict[str, str] | None = None) -> dict[str, Any]:
    task = {"ansible.builtin.debug": {"msg": "{{ lookup('saasodoo.platform.tenant_secret', " + arguments + ") }}"}}
    return run_tasks([task], extra_vars=variables, environment=environment)[-1]


def test_the_key_file_is_the_inventorys_which_may_be_a_template(tmp_path: Path, key_file: Path) -> None:
    variables = {"saasodoo_home": str(tmp_path), "saasodoo_platform_key_file": "{{ saasodoo_home }}/platform.key"}
    assert look_up(f"'{TENANT}', 'database'", variables)["msg"] == derive(KEY, TENANT, "database")


def test_or_the_environments_or_the_one_given(key_file: Path) -> None:
    expected = derive(KEY, TENANT, "odoo-admin", 3)
    arguments = f"'{TENANT.upper()}', 'odoo-admin', generation=3"
    assert look_up(arguments, {}, {"SAASODOO_PLATFORM_KEY_FILE": str(key_file)})["msg"] == expected
    assert look_up(f"{arguments}, platform_key_file=file", {"file": str(key_file)})["msg"] == expected


@pytest.mark.parametrize(
    "arguments",
    [
        f"'{TENANT}', 'datbase'",
        "'acme', 'database'",
        f"'{TENANT}'",
        f"'{TENANT}', 'database', 'odoo-admin'",
        f"'{TENANT}', 'database', generation=0",
    ],
)
def test_what_would_give_a_secret_that_fits_nothing_is_refused(key_file: Path, arguments: str) -> None:
    failure = look_up(arguments, {"saasodoo_platform_key_file": str(key_file)})
    assert failure["failed"]
    assert "tenant_secret can't be looked up" in failure["msg"]


def test_an_open_key_file_is_refused(key_file: Path) -> None:
    key_file.chmod(0o640)
    failure = look_up(f"'{TENANT}', 'database'", {"saasodoo_platform_key_file": str(key_file)})
    assert "mode 0640" in failure["msg"]
    assert KEY.hex() not in str(failure)
