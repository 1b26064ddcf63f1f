# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a template database is made from, and the names that follow from it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import InvalidInput

#: Raised when the way a template is prepared changes, so that new tenants get a new one.
RECIPE = 3
#: Owns what is in template databases, on every server; a clone's objects go from it to the tenant's role.
OWNER = "odoo_template"
#: Ends the name of a database that is not complete yet. What has it is dropped by whoever makes the database next.
UNFINISHED = "__new"

_MODULE = re.compile(r"[a-z][a-z0-9_]*")
_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2}|_[0-9]{3})?(@[A-Za-z]+)?")
_COUNTRY = re.compile(r"([A-Z]{2})?")


@dataclass(frozen=True)
class Template:
    """One combination. ``build`` is the installed Odoo's (release.json), ``country`` an ISO code or empty.

    Raises InvalidInput for names that are none of Odoo's kind.
    """

    version: str
    build: str
    modules: tuple[str, ...]
    language: str = "en_US"
    country: str = ""

    def __post_init__(self) -> None:
        if broken := [name for name in self.modules if not _MODULE.fullmatch(name)]:
            raise InvalidInput("not the name of an Odoo module", found=broken[0])
        if not self.modules:
            raise InvalidInput("a template needs at least one module", expected="base")
        if not _LANGUAGE.fullmatch(self.language):
            raise InvalidInput("not a language as Odoo names it", found=self.language, expected="such as en_US or fr_FR")
        if not _COUNTRY.fullmatch(self.country):
            raise InvalidInput("not a country's code", found=self.country, expected="two capital letters (ISO 3166-1)")

    @property
    def hash(self) -> str:
        """16 hexadecimal digits that differ for every other combination; the order of modules does not matter."""
        recipe = [RECIPE, self.version, self.build, sorted(set(self.modules)), self.language, self.country]
        return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:16]

    @property
    def database(self) -> str:
        """The name of its database."""
        return f"odoo_template_{self.hash}"


def template_of(version: str, build: str, modules: Sequence[str], language: str, country: str) -> Template:
    """Return the template of what an inventory says; see Template."""
    return Template(version, build, tuple(sorted(set(modules))), language, country)
