# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose fields an object's are: the API server writes down who applied which, and only ours are compared and shown.

What is written down (``metadata.managedFields``, FieldsV1) is a tree: ``f:name`` is a field, ``k:{...}`` the item of a list
that has these keys, ``v:...`` the item of a set, ``i:0`` an item by its place, ``.`` the thing itself. A leaf is owned whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..change import Change
from .object import Manifest, Name, given

#: Owned fields.
Fields = Mapping[str, Any]

#: The name under which the platform applies.
MANAGER = "saasodoo"
_SAME, _ONE, _OTHER = "unchanged", "a value", "another value"
_NOTHING: Any = object()
#: Here kubectl repeats the whole object, a Secret's values included.
_REPEATED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True)
class ObjectChange(Change[Manifest | None]):
    """What of ours was in an object and what is after; None where there is no object. It never has a Secret's values."""

    name: Name


def change(name: Name, before: Manifest | None, after: Manifest | None) -> ObjectChange:
    """Compare an object with what became of it, as the API server returned both."""
    fields = union(owned(before), owned(after))
    one, other = (None if each is None else prune(each, fields) for each in (before, after))
    return _veiled(name, one, other)


def foretold(name: Name, manifest: Manifest) -> ObjectChange:
    """Return how an object comes to be that the API server can't be asked about yet."""
    return _veiled(name, None, given(manifest))


def owned(manifest: Manifest | None, manager: str = MANAGER) -> Fields:
    """Return what ``manager`` applied of an object. A status, if it ever writes one, is another matter."""
    entries = (manifest or {}).get("metadata", {}).get("managedFields") or []
    ours = [each for each in entries if each.get("manager") == manager and each.get("operation") == "Apply"]
    fields: Fields = {}
    for entry in ours:
        fields = union(fields, {} if entry.get("subresource") else entry.get("fieldsV1") or {})
    return fields


def union(one: Fields, other: Fields) -> Fields:
    """Return what one of two owns. A leaf is owned whole, so it stays one."""
    return {**one, **{key: _union_below(one[key], other[key]) if key in one else other[key] for key in other}}


def prune(value: Any, fields: Fields) -> Any:
    """Return of an object, or a part of one, what is owned."""
    if isinstance(value, Mapping):
        kept = {key.removeprefix("f:"): _below(value, key, below) for key, below in fields.items() if key.startswith("f:")}
        return {key: part for key, part in kept.items() if part is not _NOTHING}
    if isinstance(value, list):
        pruned = (_item(number, item, fields) for number, item in enumerate(value))
        return [item for item in pruned if item is not _NOTHING]
    return value


def _union_below(one: Fields, other: Fields) -> Fields:
    return union(one, other) if one and other else {}


def _below(value: Manifest, key: str, fields: Fields) -> Any:
    part = value.get(key.removeprefix("f:"), _NOTHING)
    if part is _NOTHING or not fields:
        return part
    pruned = prune(part, fields)
    return pruned if pruned or "." in fields or not part else _NOTHING


def _item(number: int, item: Any, fields: Fields) -> Any:
    """Return what is owned of a list's item, with its keys, which tell one item from the next."""
    for key, below in fields.items():
        how, _colon, text = key.partition(":")
        if how == "k" and isinstance(item, Mapping) and (keys := json.loads(text)).items() <= item.items():
            return {**keys, **prune(item, below)} if below else item
        if (how == "v" and json.loads(text) == item) or (how == "i" and int(text) == number):
            return prune(item, below) if below else item
    return _NOTHING


def _veiled(name: Name, before: Manifest | None, after: Manifest | None) -> ObjectChange:
    """Of a Secret's values only say whether they are the same."""
    if name.kind != "Secret":
        return ObjectChange(before, after, name)
    return ObjectChange(_veil(before, after, _ONE), _veil(after, before, _OTHER), name)


def _veil(manifest: Manifest | None, other: Manifest | None, word: str) -> Manifest | None:
    if manifest is None:
        return None
    parts = {part: _veil_texts(manifest, other or {}, part, word) for part in ("data", "stringData") if part in manifest}
    metadata, others = manifest.get("metadata", {}), (other or {}).get("metadata", {})
    notes = metadata.get("annotations") or {}
    if _REPEATED in notes:
        repeated = _word(notes, others.get("annotations") or {}, _REPEATED, word)
        parts["metadata"] = {**metadata, "annotations": {**notes, _REPEATED: repeated}}
    return {**manifest, **parts}


def _veil_texts(manifest: Manifest, other: Manifest, part: str, word: str) -> Any:
    texts, others = manifest[part], other.get(part)
    if not isinstance(texts, Mapping):
        return _word(manifest, other, part, word)
    return {key: _word(texts, others if isinstance(others, Mapping) else {}, key, word) for key in texts}


def _word(one: Manifest, other: Manifest, key: str, word: str) -> str:
    if key not in other:
        return _ONE
    return _SAME if one[key] == other[key] else word
