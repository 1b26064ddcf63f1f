# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a noun reports back: the only place that knows check mode's and diff's shape and how a failure is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import PlatformError


@dataclass(frozen=True)
class Outcome:
    """What applying a noun did, or in check mode would do.

    ``before`` and ``after`` hold only what the noun owns, never a secret; ``changed`` follows from them unless the change
    cannot be seen there (``forced``). ``facts`` are the noun's other return values.
    """

    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    forced: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything differs from what was there."""
        return self.forced or self.before != self.after

    def result(self) -> dict[str, Any]:
        """Return the outcome as an Ansible task result, diff included."""
        return {"changed": self.changed, "diff": {"before": dict(self.before), "after": dict(self.after)}, **self.facts}


def failure(error: PlatformError) -> dict[str, Any]:
    """Return the result of a task that ended with ``error``."""
    return {"failed": True, **error.as_dict()}
