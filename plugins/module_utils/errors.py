# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The platform's errors: each says what failed, which one, what was found, what was expected, what to do."""

from __future__ import annotations

from typing import Any


class PlatformError(Exception):
    """Something a user can act on.

    Modules, playbooks and the webhook runner catch this one family, once, at their edge, and show ``str(error)``.
    ``found``, ``expected`` and ``action`` are kept apart so that an API can return them as fields.
    """

    code = "error"

    def __init__(self, what: str, *, found: object = None, expected: object = None, action: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.found = found
        self.expected = expected
        self.action = action

    def __str__(self) -> str:
        parts = [self.what]
        if self.found is not None:
            parts.append(f"found: {self.found}")
        if self.expected is not None:
            parts.append(f"expected: {self.expected}")
        if self.action:
            parts.append(self.action)
        return "; ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Return the error as the fields an API or a failed task shows: code, msg, found, expected, action."""
        fields = {"code": self.code, "msg": str(self), "found": self.found, "expected": self.expected, "action": self.action}
        return {name: value for name, value in fields.items() if value not in (None, "")}


class InvalidInput(PlatformError):
    """What the caller gave can't be used; nothing was changed."""

    code = "invalid_input"


class NotFound(PlatformError):
    """The thing named does not exist."""

    code = "not_found"


class Conflict(PlatformError):
    """The request does not fit the present state (HTTP 409)."""

    code = "conflict"


class UnsafeFile(PlatformError):
    """A file or folder is not what the platform makes there; it was neither followed nor changed."""

    code = "unsafe_file"


class Unavailable(PlatformError):
    """A part the platform depends on does not answer; trying again later may work (HTTP 503)."""

    code = "unavailable"


class RegistryUnavailable(Unavailable):
    """The registry does not answer, or went away in the middle: what was being done is neither done nor known to have failed."""

    code = "registry_unavailable"


class TimedOut(PlatformError):
    """Something did not become ready in its time."""

    code = "timeout"


class Unauthorized(PlatformError):
    """The credentials are missing or wrong."""

    code = "unauthorized"


#: The codes of what may pass by itself: a part was away or slow. All else has a reason of its own.
PASSING = frozenset({Unavailable.code, RegistryUnavailable.code, TimedOut.code})
