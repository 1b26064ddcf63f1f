"""The names that follow from a tenant: legal everywhere they are used, and never the same for two."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.subdomain import (
    RESERVED,
    as_subdomain,
    check_subdomain,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import (
    check_customer,
    database_name,
    parse_id,
    short_id,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.text import recordable
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput


@given(customer=st.text(), tenant_id=st.uuids())
def test_a_database_name_is_a_legal_identifier(customer: str, tenant_id: UUID) -> None:
    name = database_name(customer, tenant_id)
    assert re.fullmatch(r"odoo_[a-z0-9][a-z0-9_]*_[0-9a-f]{12}", name)
    assert len(name) <= 63


@given(customer=st.text(), other=st.text(), ids=st.lists(st.uuids(), min_size=2, max_size=2, unique_by=short_id))
def test_two_tenants_never_share_a_database_name(customer: str, other: str, ids: list[UUID]) -> None:
    assert database_name(customer, ids[0]) != database_name(other, ids[1])


@pytest.mark.parametrize(
    "subdomain", ["", "-a", "a-", "1a", "a_b", "a.b", "a" * 64, "é", "a\n", "a b", "{{ a }}", "\N{KELVIN SIGN}a"]
)
def test_an_illegal_subdomain_is_refused(subdomain: str) -> None:
    with pytest.raises(InvalidInput, match="illegal subdomain"):
        check_subdomain(subdomain)


@pytest.mark.parametrize("subdomain", ["xn--a", "xn--bcher-kva", "ab--c", "XN--A"])
def test_a_name_that_stands_for_another_is_refused(subdomain: str) -> None:
    with pytest.raises(InvalidInput, match="no '--' as its third and fourth character"):
        check_subdomain(subdomain)


@pytest.mark.parametrize(
    ("subdomain", "reason"), [(name, reason) for reason, names in RESERVED.items() for name in sorted(names)]
)
def test_a_reserved_subdomain_is_refused_in_any_case(subdomain: str, reason: str) -> None:
    for name in (subdomain, subdomain.upper()):
        with pytest.raises(InvalidInput, match=f"reserved subdomain; found: {name}, {reason}"):
            check_subdomain(name)


@given(name=st.text())
def test_letters_are_folded_once_and_only_those_of_ascii(name: str) -> None:
    folded = as_subdomain(name)
    assert folded == as_subdomain(folded)
    assert len(folded) == len(name)
    assert all(a == b or (a.isascii() and a.lower() == b) for a, b in zip(name, folded, strict=True))


@pytest.mark.parametrize("customer", ["", " ", "\t\n", recordable("a\0b"), recordable("\ud800")])
def test_an_illegal_customer_id_is_refused(customer: str) -> None:
    with pytest.raises(InvalidInput, match="illegal customer id"):
        check_customer(customer)


@given(text=st.text(st.characters(exclude_categories=[])))
def test_what_is_recorded_of_a_text_can_be_and_all_else_stays(text: str) -> None:
    kept = recordable(text)
    assert "\0" not in kept.encode().decode()  # encode refuses halves of surrogate pairs
    assert len(kept) == len(text)
    assert all(a in (b, "\0") or "\ud800" <= a <= "\udfff" for a, b in zip(text, kept, strict=True))


@pytest.mark.parametrize("subdomain", ["a", "acme", "a1", "a-b", "a--b", "abc--d", "a" * 63])
def test_a_legal_subdomain_is_taken_as_it_is(subdomain: str) -> None:
    assert check_subdomain(subdomain) == check_subdomain(subdomain.upper()) == subdomain


@given(tenant_id=st.uuids())
def test_an_id_is_one_only_in_its_usual_form(tenant_id: UUID) -> None:
    assert parse_id(str(tenant_id)) == parse_id(str(tenant_id).upper()) == tenant_id
    assert parse_id(tenant_id.hex) is None
    assert parse_id("acme") is None
