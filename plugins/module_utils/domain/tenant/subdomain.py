# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which names tenants may have: the one place of these rules. A tenant's name is a DNS label below the base domain."""

from __future__ import annotations

import re

from ...errors import InvalidInput

#: What no tenant is called, by the reason.
RESERVED: dict[str, frozenset[str]] = {
    "an address of the platform": frozenset(
        {"admin", "api", "billing", "console", "kaui", "killbill", "login", "portal", "registry", "status", "support", "www"}
    ),
    "an address that mail programs and name servers look for": frozenset(
        {"autoconfig", "autodiscover", "ftp", "mail", "ns1", "ns2", "smtp", "webmail"}
    ),
    # The inventory calls a tenant by its subdomain.
    "a host or group of the inventory": frozenset({"all", "local", "localhost", "platform", "tenants", "ungrouped"}),
    "a word that programs take for something else": frozenset({"none", "null", "postgres", "true"}),
}

#: Those that people go to: what only looks like one may deceive them. Programs read exactly.
SEEN = (
    "admin", "billing", "console", "kaui", "killbill", "login", "portal", "registry", "status", "support", "webmail", "www",
)  # fmt: skip

#: Letters that are alike to a hasty eye, and digits that stand for them (schema step 0019 has the same).
_ALIKE = str.maketrans("0134578i", "oleastbl")
_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1035
_ENCODED = re.compile(r"..--")  # RFC 5891: such a label stands for another text (xn--) or for nothing known yet


def as_subdomain(name: str) -> str:
    """Return ``name`` as DNS compares it: in lower case. Only ASCII is folded, since K (the sign for kelvin) is no k."""
    return name.lower() if name.isascii() else name


def check_reference(reference: object) -> str:
    """Return what a tenant is called by, or raise InvalidInput when that is no text."""
    if not isinstance(reference, str):
        raise InvalidInput("tenant must be a name or an id", found=repr(reference), expected="-e tenant=NAME")
    return reference


def check_subdomain(name: str) -> str:
    """Return the subdomain that ``name`` asks for, or raise InvalidInput when it is no DNS label or is reserved."""
    subdomain = as_subdomain(name)
    if not _LABEL.fullmatch(subdomain):
        raise InvalidInput(
            "illegal subdomain",
            found=name,
            expected="1 to 63 of a-z, 0-9 and '-', starting with a letter, not ending in '-'",
        )
    if _ENCODED.match(subdomain):
        raise InvalidInput("illegal subdomain", found=name, expected="no '--' as its third and fourth character")
    for reason, names in RESERVED.items():
        if subdomain in names:
            raise InvalidInput("reserved subdomain", found=f"{name}, {reason}", action="choose another")
    if alike := next((seen for seen in SEEN if _as_seen(seen) == _as_seen(subdomain)), None):
        raise InvalidInput("reserved subdomain", found=f"{name}, which looks like {alike}", action="choose another")
    return subdomain


def _as_seen(name: str) -> str:
    return name.replace("-", "").translate(_ALIKE).replace("rn", "m").replace("vv", "w")
