"""The documentation of the collection's plugins, read as Ansible reads it, and the arguments the code declares."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import yaml

from tests.conventions.project import COLLECTION, PLUGINS, constant, files, text

KINDS = ("modules", "lookup", "inventory", "callback", "filter")
#: What both sides say of an option. Where an option's value comes from besides (env, vars) is not compared.
_SAID = ("type", "required", "default", "choices", "elements")


def plugins(kind: str) -> list[str]:
    """Return the names of the collection's plugins of one kind."""
    return [name.split("/")[-1].removesuffix(".py") for name in files(rf"plugins/{kind}/(?!__)[^/]+\.py")]


def documentation(kind: str, name: str) -> dict[str, Any]:
    """Return a plugin's documentation with its fragments; what the plugin itself says of an option goes before."""
    found: dict[str, Any] = yaml.safe_load(constant(text(f"plugins/{kind}/{name}.py"), "DOCUMENTATION"))
    for fragment in found.get("extends_documentation_fragment") or []:
        source = text(f"plugins/doc_fragments/{fragment.removeprefix(COLLECTION + '.')}.py")
        for part_of, entries in yaml.safe_load(constant(source, "DOCUMENTATION")).items():
            own = found.get(part_of) or {}
            found[part_of] = own | {name: entry | own.get(name, {}) for name, entry in entries.items()}
    return {"options": {}} | found


def part(kind: str, name: str, which: str) -> Any:
    """Return EXAMPLES or RETURN of a plugin, parsed; None where it is missing or empty."""
    return yaml.safe_load(constant(text(f"plugins/{kind}/{name}.py"), which))


def arguments(name: str) -> Mapping[str, Any]:
    """Return the arguments that a noun validates: of its action plugin where it has one, else of its module."""
    if name in plugins("action"):
        declared: Mapping[str, Any] = import_module(f"{PLUGINS}.action.{name}").ActionModule.ARGUMENTS
    else:
        declared = import_module(f"{PLUGINS}.modules.{name}").ARGUMENTS
    return declared


def differences(declared: Mapping[str, Any], documented: Mapping[str, Any], where: str = "") -> list[str]:
    """Return how declared arguments differ from documented options, also within options of options."""
    found = [f"{where}{name}: only declared" for name in declared if name not in documented]
    found += [f"{where}{name}: only documented" for name in documented if name not in declared]
    for name in sorted(set(declared) & set(documented)):
        one, other = _normal(declared[name]), _normal(documented[name])
        found += [
            f"{where}{name}.{key}: {one[key]!r} declared, {other[key]!r} documented" for key in _SAID if one[key] != other[key]
        ]
        nested = declared[name].get("options") or {}, documented[name].get("suboptions") or {}
        found += differences(*nested, where=f"{where}{name}.")
    return found


def _normal(option: Mapping[str, Any]) -> dict[str, Any]:
    """Return an option with what Ansible assumes where nothing is said."""
    said = {key: option.get(key) for key in _SAID}
    return said | {"type": said["type"] or "str", "required": bool(said["required"])}
