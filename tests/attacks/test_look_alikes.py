"""Subdomains that look like an address of the platform: refused by the domain and by the registry, and kept by who has one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.subdomain import SEEN, check_subdomain
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput
from tests.fixtures.registry import FILES, Registry

Connection = psycopg.Connection[tuple[object, ...]]
_TENANT = """
INSERT INTO tenant.tenants (subdomain, customer_id, plan_name, database_name, odoo_version)
VALUES (%s, 'c', 'p', 'odoo_' || md5(random()::text), '19.0')
"""
#: How each letter may be written by who wants to deceive.
_WAYS = {"o": "0", "l": "1i", "i": "1l", "e": "3", "a": "4", "s": "5", "t": "7", "b": "8"}
_LONG_WAYS = {"m": "rn", "w": "vv"}
_ALIKE = ["adm1n", "adrnin", "admln", "b1lling", "bi11ing", "bil-ling", "conso1e", "k4ui", "ka-ui", "killbi11", "kill-bill",
          "l0gin", "iogin", "p0rtal", "regi5try", "s-t-a-t-u-s", "supp0rt", "webmai1", "vvebmail", "wvvw"]  # fmt: skip
_OTHERS = ["mall", "apl", "admin2", "my-billing", "barn", "savvy", "local-shop", "corner", "b", "kauri", "loginn", "a1", "statue"]


@pytest.fixture
def runner(registry_roles: Registry) -> Iterator[Connection]:
    with psycopg.connect(registry_roles.runner) as connection:
        connection.execute(_TENANT, ("acme",))
        connection.commit()
        yield connection


def written() -> st.SearchStrategy[str]:
    """A reserved name as a deceiver may write it, or changed a little more."""

    def ways(letter: str) -> st.SearchStrategy[str]:
        return st.sampled_from([letter, letter, *_WAYS.get(letter, ""), *filter(None, [_LONG_WAYS.get(letter)]), f"{letter}-"])

    def spell(name: str) -> st.SearchStrategy[str]:
        return st.tuples(*map(ways, name)).map("".join)

    alike = st.sampled_from(SEEN).flatmap(spell)
    return alike | st.builds(lambda a, b, n: a[:n] + b + a[n:], alike, st.text("arn1v-", max_size=2), st.integers(0, 9))


def allowed(name: str) -> bool:
    try:
        return check_subdomain(name) == name
    except InvalidInput:
        return False


def taken(connection: Connection, name: str, statement: str = _TENANT) -> bool:
    try:
        connection.execute(statement, (name,))
    except psycopg.errors.CheckViolation:
        return False
    finally:
        connection.rollback()
    return True


@pytest.mark.parametrize("name", _ALIKE)
def test_a_look_alike_is_refused_with_what_it_looks_like(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"reserved subdomain; found: {name}, which looks like [a-z]+; choose another"):
        check_subdomain(name)


@pytest.mark.parametrize("name", _OTHERS)
def test_other_names_are_free(name: str) -> None:
    assert check_subdomain(name) == name


def test_the_registry_refuses_the_same(runner: Connection) -> None:
    for name, statement in itertools.product((*_ALIKE, *_OTHERS, *SEEN), (_TENANT, "UPDATE tenant.tenants SET subdomain = %s")):
        assert taken(runner, name, statement) is allowed(name), name


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(name=written())
def test_registry_and_domain_have_one_rule(runner: Connection, name: str) -> None:
    assert taken(runner, name) is allowed(name)


def test_who_has_one_keeps_it_and_may_not_come_back_to_it(registry_roles: Registry) -> None:
    forward, back = ((FILES / f"schema_steps/0019-look-alikes{end}.sql").read_text() for end in ("", ".rollback"))
    with psycopg.connect(registry_roles.owner) as owner:
        owner.execute(back)
    with psycopg.connect(registry_roles.runner) as connection:
        connection.execute(_TENANT, ("adm1n",))
    with psycopg.connect(registry_roles.owner) as owner:
        owner.execute(forward)
    with psycopg.connect(registry_roles.runner) as connection:
        connection.execute("UPDATE tenant.tenants SET status_message = 'x', subdomain = 'adm1n'")
        connection.execute("UPDATE tenant.tenants SET subdomain = 'acme'")
        with pytest.raises(psycopg.errors.CheckViolation, match="subdomain adm1n looks like an address of the platform"):
            connection.execute("UPDATE tenant.tenants SET subdomain = 'adm1n'")
