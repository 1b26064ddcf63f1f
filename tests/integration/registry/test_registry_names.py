"""What becomes a path, a port or a name is refused by the registry itself, whoever writes it, and by the domain's own rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing import plan
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.odoo import version
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.odoo.template import template_of
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server import database_server
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.subdomain import RESERVED, check_subdomain
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import database_name
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput
from tests.fixtures.registry import Registry, add_server

Runner = psycopg.Connection[tuple[object, ...]]
_TENANT = """
INSERT INTO tenant.tenants (subdomain, customer_id, plan_name, database_name, odoo_version, http_port)
VALUES ('acme', 'c', 'p', 'odoo_acme', '19.0', 22000)
"""
_RUN = "INSERT INTO ops.runs (kind, playbook) VALUES ('health', 'postgres_pool_health.yml')"
_PATHS = (
    "../../../etc/x",
    "/etc/x",
    "a/b",
    "..",
    "",
    " ",
    "a b",
    "a\nb",
    "odoo_a\n",
    "a;b",
    "{{ a }}",
    "$(a)",
    "a'b",
    "\u00e4",
    "-a",
)
HOSTILE: dict[tuple[str, str], tuple[str, ...]] = {
    ("tenant.tenants", "database_name"): (
        *_PATHS, "postgres", "template1", "saasodoo", "odoo_", "odoo_A", "odoo_template", "odoo_template_0123456789abcdef",
        "odoo_" + "a" * 50,
    ),
    ("tenant.tenants", "odoo_version"): (*_PATHS, "../../../tmp/evil", "19.0/..", "19..0", ".19", "19.0\n", "A"),
    ("tenant.tenants", "subdomain"): (*_PATHS, "xn--80ak6aa92e", "ab--c", "www", "all", "localhost", "a.b", "A", "a" * 64),
    ("tenant.tenants", "http_port"): ("21090", "80", "0", "-1", "65536", "23100", "23101"),
    ("tenant.tenants", "status"): _PATHS,
    ("ops.runs", "playbook"): (*_PATHS, "../evil.yml", "/tmp/evil.yml", "a.yaml", ".yml", "a.yml\n"),
    ("ops.runs", "kind"): (*_PATHS, "A"),
}  # fmt: skip


@pytest.fixture
def runner(registry_roles: Registry) -> Iterator[Runner]:
    """A registry with a server, a tenant and a run, and which ports are tenants', as the runner reaches it."""
    with psycopg.connect(registry_roles.owner) as owner:
        owner.execute("INSERT INTO tenant.port_range (first_port, last_port) VALUES (22000, 24999)")
        add_server(owner, "pool-1", 23100)
    with psycopg.connect(registry_roles.runner) as connection:
        connection.execute(_TENANT)
        connection.execute(_RUN)
        connection.commit()
        yield connection


def takes(connection: Runner, table: str, column: str, value: str) -> bool:
    """Say whether the registry takes the value; nothing of it stays. One that is another's, or no change, counts as taken."""
    try:
        connection.execute(f"UPDATE {table} SET {column} = %s", (value,))
    except (psycopg.errors.CheckViolation, psycopg.errors.NumericValueOutOfRange):
        return False
    finally:
        connection.rollback()
    return True


@pytest.mark.parametrize(("table", "column"), HOSTILE)
def test_a_hostile_value_is_refused_to_the_runner(runner: Runner, table: str, column: str) -> None:
    assert [value for value in HOSTILE[table, column] if takes(runner, table, column, value)] == []


def test_a_hostile_tenant_is_refused_from_the_beginning(runner: Runner) -> None:
    for bad in ("'../../../etc/x', '19.0', 22001", "'odoo_a', '../../../tmp/evil', 22001", "'odoo_a', '19.0', 21090"):
        statement = (
            "INSERT INTO tenant.tenants (customer_id, plan_name, database_name, odoo_version, http_port) VALUES ('c', 'p', "
        )
        with pytest.raises(psycopg.errors.CheckViolation):
            runner.execute(f"{statement}{bad})")
        runner.rollback()


def test_the_runner_does_not_say_which_ports_are_tenants(runner: Runner) -> None:
    for statement in ("UPDATE tenant.port_range SET first_port = 1024", "DELETE FROM tenant.port_range"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            runner.execute(statement)
        runner.rollback()


def test_who_has_a_port_keeps_it_when_the_range_is_another(runner: Runner, registry_roles: Registry) -> None:
    with psycopg.connect(registry_roles.owner) as owner:
        owner.execute("UPDATE tenant.port_range SET first_port = 24000")
    runner.execute("UPDATE tenant.tenants SET status_message = 'x', http_port = 22000")
    runner.execute("UPDATE tenant.tenants SET http_port = NULL")
    with pytest.raises(psycopg.errors.CheckViolation, match="port 22000 is not for tenants"):
        runner.execute("UPDATE tenant.tenants SET http_port = 22000")


@pytest.mark.parametrize("column", ["host", "pooler_host", "memory_limit", "name", "port"])
def test_a_hostile_server_is_refused_to_the_operator(runner: Runner, registry_roles: Registry, column: str) -> None:
    values = ("0", "23101", "65536") if column == "port" else tuple(value for value in _PATHS if value != "..")
    with psycopg.connect(registry_roles.operator) as operator:
        assert [value for value in values if takes(operator, "database.servers", column, value)] == []


def near(pattern: re.Pattern[str]) -> st.SearchStrategy[str]:
    """Texts the rule takes, and those beside them: one character put in or changed, cut, or anything."""
    good = st.from_regex(pattern, fullmatch=True)
    odd = st.text("aZ0_-./~:\n \u00e4", max_size=2)
    return good | st.text("aZ0_-./~:\n ", max_size=8) | st.builds(lambda a, b, n: a[:n] + b + a[n:], good, odd, st.integers(0, 9))


def _is_subdomain(text: str) -> bool:
    try:
        return check_subdomain(text) == text  # in upper case it is folded before it is kept
    except InvalidInput:
        return False


_SUBDOMAIN = re.compile(r"[a-z][a-z0-9-]{0,5}[a-z0-9]|..--a|" + "|".join(name for names in RESERVED.values() for name in names))


@dataclass(frozen=True)
class Rule:
    """A rule of the domain, texts near which are tried, and where it holds for which role."""

    role: str
    table: str
    column: str
    pattern: re.Pattern[str]
    takes: Callable[[str], object]


RULES = [
    Rule("runner", "tenant.tenants", "odoo_version", version.NAME, version.NAME.fullmatch),
    Rule("runner", "tenant.tenants", "subdomain", _SUBDOMAIN, _is_subdomain),
    Rule("operator", "database.servers", "host", database_server.HOST, database_server.HOST.fullmatch),
    Rule("operator", "database.servers", "name", database_server.NAME, database_server.NAME.fullmatch),
    Rule("owner", "billing.plan_entitlements", "plan_name", plan.NAME, plan.NAME.fullmatch),
]
_PLAN = """
INSERT INTO billing.plan_entitlements (plan_name, effective_date, cpu_limit, memory_limit, storage_limit)
VALUES ('basic', '2999-01-01', 1, '1GB', '1GB')
"""


@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.column)
def test_registry_and_domain_have_one_rule(registry_roles: Registry, rule: Rule) -> None:
    with psycopg.connect(registry_roles.operator) as operator:
        operator.execute(_PLAN)
    with psycopg.connect(str(getattr(registry_roles, rule.role))) as connection:

        @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(near(rule.pattern))
        def compare(text: str) -> None:
            assert takes(connection, rule.table, rule.column, text) is bool(rule.takes(text))

        compare()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(customer=st.text(max_size=80) | st.just("template"))
def test_every_name_the_domain_gives_a_database_is_taken(runner: Runner, customer: str) -> None:
    assert takes(runner, "tenant.tenants", "database_name", database_name(customer, uuid4()))


def test_no_template_is_taken_for_a_tenants_database(runner: Runner) -> None:
    template = template_of("19.0", "x", ["base"], "en_US", "")
    assert not takes(runner, "tenant.tenants", "database_name", template.database)


def test_every_reserved_name_is_known_to_the_registry(runner: Runner) -> None:
    assert not [name for names in RESERVED.values() for name in names if takes(runner, "tenant.tenants", "subdomain", name)]
