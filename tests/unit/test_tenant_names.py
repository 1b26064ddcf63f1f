"""The names that follow from a tenant: legal everywhere they are used, and never the same for two."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant import (
    RESERVED_SUBDOMAINS,
    check_subdomain,
    database_name,
    parse_id,
    short_id,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput


@given(customer=st.text(), tenant_id=st.uuids())
def test_a_database_name_is_a_legal_identifier(customer: str, tenant_id: UUID) -> None:
    name = database_name(customer, tenant_id)
    assert re.fullmatch(r"odoo_[a-z0-9][a-z0-9_]*_[0-9a-f]{12}", name)
    assert len(name) <= 63


@given(customer=st.text(), other=st.text(), ids=st.lists(st.uuids(), min_size=2, max_size=2, unique_by=short_id))
def test_two_tenants_never_share_a_database_name(customer: str, other: str, ids: list[UUID]) -> None:
    assert database_name(customer, ids[0]) != database_name(other, ids[1])


@pytest.mark.parametrize("subdomain", ["", "-a", "a-", "1a", "Acme", "a_b", "a.b", "a" * 64, "é", "a\n", "a b", "{{ a }}"])
def test_an_illegal_subdomain_is_refused(subdomain: str) -> None:
    with pytest.raises(InvalidInput, match="illegal subdomain"):
        check_subdomain(subdomain)


@pytest.mark.parametrize("subdomain", sorted(RESERVED_SUBDOMAINS))
def test_a_reserved_subdomain_is_refused(subdomain: str) -> None:
    with pytest.raises(InvalidInput, match="reserved"):
        check_subdomain(subdomain)


@pytest.mark.parametrize("subdomain", ["a", "acme", "a1", "a-b", "a" * 63])
def test_a_legal_subdomain_is_taken_as_it_is(subdomain: str) -> None:
    assert check_subdomain(subdomain) == subdomain


@given(tenant_id=st.uuids())
def test_an_id_is_one_only_in_its_usual_form(tenant_id: UUID) -> None:
    assert parse_id(str(tenant_id)) == parse_id(str(tenant_id).upper()) == tenant_id
    assert parse_id(tenant_id.hex) is None
    assert parse_id("acme") is None
