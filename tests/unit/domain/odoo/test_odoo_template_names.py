"""The names of templates, and Odoo's password hashes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.odoo.template import UNFINISHED, Template, template_of
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo.password import hash_password

BASE = template_of("19.0", "abc", ["base"], "en_US", "")
modules = st.lists(st.sampled_from(["base", "crm", "sale", "stock", "web"]), min_size=1)


@given(modules)
def test_order_and_repetition_of_modules_do_not_matter(names: list[str]) -> None:
    assert template_of("19.0", "b", names, "en_US", "").hash == template_of("19.0", "b", [*names[::-1], *names], "en_US", "").hash


@pytest.mark.parametrize(
    "other",
    [
        template_of("11.0", "abc", ["base"], "en_US", ""),
        template_of("19.0", "abd", ["base"], "en_US", ""),
        template_of("19.0", "abc", ["base", "crm"], "en_US", ""),
        template_of("19.0", "abc", ["base"], "fr_FR", ""),
        template_of("19.0", "abc", ["base"], "en_US", "FR"),
    ],
)
def test_every_difference_makes_another_template(other: Template) -> None:
    assert other.hash != BASE.hash


def test_the_database_name_is_legal_even_while_unfinished() -> None:
    name = BASE.database + UNFINISHED
    assert name.replace("_", "").isalnum()
    assert len(name) <= 63


@pytest.mark.parametrize(
    ("names", "language", "country"),
    [
        ([], "en_US", ""),
        (["base; DROP"], "en_US", ""),
        (["--init"], "en_US", ""),
        (["base"], "english", ""),
        (["base"], "en_US\nx", ""),
        (["base"], "en_US", "fr"),
        (["base"], "en_US", "FRA"),
        (["base"], "en_US", "FR\n"),
    ],
)
def test_what_odoo_would_not_name_so_is_refused(names: list[str], language: str, country: str) -> None:
    with pytest.raises(InvalidInput):
        template_of("19.0", "abc", names, language, country)


@pytest.mark.parametrize("language", ["en_US", "fr_FR", "sr@latin", "sr@Cyrl", "es_419", "pt_BR", "nb_NO", "ar_001"])
def test_odoos_own_language_names_pass(language: str) -> None:
    assert template_of("19.0", "abc", ["base"], language, "").language == language


def test_password_hashes_are_passlibs() -> None:
    """The text was made by passlib 1.7.4, which Odoo verifies with."""
    salt = bytes.fromhex("0cc2e5f5b2ff2bd3e5b1d2cdb6dedd3b")
    made = hash_password("password", salt=salt, rounds=1)
    digest = "xPaZJVPyph/.oqajUo8asopvJ7JCs51f0Dri.uFiNym9kPjjH0YwaJZ8RaRr.XI4ibTNtBOszsqeI7RepOxhFQ"
    assert made == f"$pbkdf2-sha512$1$DMLl9bL/K9PlsdLNtt7dOw${digest}"
    assert hash_password("Password", salt=salt, rounds=1) != made
    assert hash_password("password", rounds=1) != hash_password("password", rounds=1)
