# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the API server's refusal of an object means: whose matter it is, and what to do about it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import Conflict, InvalidInput, NotFound, PlatformError, Unauthorized, Unavailable
from .object import Name

_LONGEST = 1000  # characters of a message
#: Messages about a Secret that have no room for one of its values. All others may repeat what was sent.
_HARMLESS = re.compile(
    r'failed to create typed patch object \([^()"]*\): [\w.-]+: field not declared in schema'
    r'|secrets "[^"]*" is forbidden: exceeded quota: [\w.:=,/ -]*'
    r'|secrets "[^"]*" is forbidden: User "[^"]*" cannot \w+ resource "secrets" in API group ""( in the namespace "[^"]*")?'
    r'|secrets "[^"]*" is forbidden: unable to create new content in namespace [\w.-]+ because it is being terminated'
    r'|(namespaces|secrets) "[^"]*" not found'
)
#: Of each kind of refusal: the status (0: any), what its message has, the error, what was expected, what to do.
_RULES: tuple[tuple[int, str, type[PlatformError], str, str], ...] = (
    (401, "", Unauthorized, "", "check the kubeconfig's user"),
    (403, "is being terminated", Conflict, "a namespace that stays", "wait until it is gone, and make it again"),
    (403, "exceeded quota", Conflict, "room within the quota", "raise the ResourceQuota, or remove what uses it up"),
    (403, r'\bUser "', Unauthorized, "an account that may do this", "give it the right, by a Role and a RoleBinding"),
    (403, r"not found$", NotFound, "", "make it first"),
    (403, "", InvalidInput, "what the cluster's policies admit", "mend the object, or the policy"),
    (404, r"^namespaces ", NotFound, "the namespace", "make it first, in the list before this object"),
    (404, "", NotFound, "", "make what is missing first"),
    (409, "", Conflict, "an object that nobody else changes meanwhile", "try again"),
    (
        422,
        "immutable|may not change|updates to .* are forbidden",
        InvalidInput,
        "what it was made with",
        "this can't be changed: remove the object (state absent) and make it again, or give the new one another name",
    ),
    (0, "field not declared in schema", InvalidInput, "fields that the kind has", "mend the field's name, or the apiVersion"),
    (500, "^failed to (create typed patch object|convert new object)", InvalidInput, "what the kind's schema allows", "mend it"),
    (429, "", Unavailable, "", "try again later"),
)
_OTHERS: dict[int, tuple[type[PlatformError], str, str]] = {
    4: (InvalidInput, "what the kind's schema allows", "mend the object"),
    5: (Unavailable, "", "look at the API server's log, or try again later"),
}


def refusal(what: str, name: Name, status: int, reason: str, body: str) -> PlatformError:
    """Return the error to raise: ``what`` was to be done with an object, the rest is the answer."""
    answer = _answer(body)
    message = str(answer.get("message") or body or reason)
    kind, expected, action = _meaning(status, message)
    shown = _without_content(status, reason, message, answer) if name.kind == "Secret" else _short(message)
    return kind(f"the cluster refused to {what} {name}", found=shown, expected=expected or None, action=action)


def _meaning(status: int, message: str) -> tuple[type[PlatformError], str, str]:
    for which, pattern, kind, expected, action in _RULES:
        if which in (0, status) and re.search(pattern, message):
            return kind, expected, action
    return _OTHERS.get(status // 100, _OTHERS[5])


def _without_content(status: int, reason: str, message: str, answer: Mapping[str, Any]) -> str:
    if _HARMLESS.fullmatch(message):
        return _short(message)
    fields = ", ".join(_fields(answer))
    where = f" at {fields}" if fields else ""
    return f"{status} {answer.get('reason') or reason}{where} (its message may repeat the Secret's content and is not shown)"


def _fields(answer: Mapping[str, Any]) -> Iterator[str]:
    for cause in (answer.get("details") or {}).get("causes") or []:
        if cause.get("field"):
            yield str(cause["field"])


def _short(message: str) -> str:
    """Leave out the comparison of whole objects that some messages end with."""
    return message.partition("\n@@")[0].strip()[:_LONGEST]


def _answer(body: str) -> Mapping[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, Mapping) else {}
