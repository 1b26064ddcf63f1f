# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Versions of Odoo as the inventory lists them: where each comes from, and how it differs from the others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import InvalidInput, NotFound

#: What each kind of source has to say, besides its kind.
SOURCES = {
    "debian_package": ("suite", "package"),
    "tarball": ("url", "sha256"),
    "tree": ("path",),
    "wheel": ("package", "sha256"),
}
_NEEDED = ("version", "source", "python", "lock", "health_path")
_DEFAULTS = {
    "without_demo": "True",
    "server_wide_modules": ["base", "web"],
    "source_only": [],
    "launcher": "",
}
_GUIDE = "roles/odoo_runtime/README.md, 'Add a version'"
#: A version is a part of paths, so it can't lead elsewhere; the registry checks the same.
NAME = re.compile(r"[a-z0-9]+([.~-][a-z0-9]+)*")


def find_version(versions: Sequence[Mapping[str, Any]], wanted: str) -> dict[str, Any]:
    """Return the one of ``versions`` that is called ``wanted``, with what it leaves out.

    Raises NotFound when there is none of that name, InvalidInput when there are two or it does not say what it has to.
    """
    names = [str(each.get("version", "")) for each in versions]
    if wanted not in names:
        known = ", ".join(names) or "none"
        raise NotFound(f"Odoo {wanted} is not known", expected=f"one of saasodoo_odoo_versions: {known}", action=f"see {_GUIDE}")
    if names.count(wanted) > 1:
        raise InvalidInput(f"Odoo {wanted} is listed more than once", action="leave one of them in saasodoo_odoo_versions")
    given = versions[names.index(wanted)]
    _check(given, wanted)
    source = {"beside": [], **given["source"]}
    addons = ["odoo/addons"] if source["kind"] == "wheel" else ["addons"]
    return {**_DEFAULTS, "addons": addons, **given, "source": source}


def _check(given: Mapping[str, Any], name: str) -> None:
    """Raise InvalidInput when a version does not say what it has to, or says what nothing reads."""
    where = f"Odoo {name} in saasodoo_odoo_versions"
    if not NAME.fullmatch(name):
        raise InvalidInput(f"{where}: that is no version", expected="one like 19.0")
    source = given.get("source")
    kind = source.get("kind") if isinstance(source, Mapping) else None
    if not isinstance(source, Mapping) or kind not in SOURCES:
        raise InvalidInput(f"{where}: unknown kind of source", found=repr(kind), expected=f"one of {', '.join(SOURCES)}")
    missing = [field for field in _NEEDED if not given.get(field)]
    missing += [f"source.{field}" for field in SOURCES[kind] if not source.get(field)]
    unknown = [field for field in given if field not in (*_NEEDED, *_DEFAULTS, "addons")]
    unknown += [f"source.{field}" for field in source if field not in ("kind", "beside", *SOURCES[kind])]
    if missing or unknown:
        problems = [f"{', '.join(missing)} missing"] * bool(missing) + [f"{', '.join(unknown)} unknown"] * bool(unknown)
        raise InvalidInput(f"{where}: {'; '.join(problems)}", action=f"see {_GUIDE}")
