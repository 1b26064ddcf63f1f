"""Verbs: what is written by hand about them names those of the table, all of them."""

from __future__ import annotations

import re

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import VERBS
from tests.conventions.documentation import documentation
from tests.conventions.project import text

ALL = {str(verb) for verb in VERBS}
FOR_MANY = {str(verb) for verb, rule in VERBS.items() if rule.for_many}
_ROW = re.compile(r"^\| ([a-z_, ]+) \| `tenant_[a-z_]+\.yml`", re.MULTILINE)


def rows(readme: str) -> list[str]:
    """Return the verbs that a table has rows for."""
    return [verb for row in _ROW.findall(readme) for verb in row.split(", ")]


@pytest.mark.parametrize(
    ("module", "expected"), [("tenant", ALL), ("tenant_operation", ALL), ("tenants_verb", FOR_MANY | {"retry"})]
)
def test_the_documented_choices_are_those_of_the_table(module: str, expected: set[str]) -> None:
    assert set(documentation("modules", module)["options"]["verb"]["choices"]) == expected


def test_the_roles_readme_has_a_row_for_each() -> None:
    assert sorted(rows(text("roles/odoo_tenant/README.md"))) == sorted(ALL)


def test_planted_rows_are_read() -> None:
    table = "| verb | playbook |\n|---|---|\n| start, stop | `tenant_start.yml`, ... |\n| `a_variable` | `tenant_x.yml` |\n"
    assert rows(table) == ["start", "stop"]
