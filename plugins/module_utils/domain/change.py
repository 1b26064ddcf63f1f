# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What something was and what it is after: the one shape of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Change(Generic[T]):
    """``before`` and ``after``; equal when there was nothing to do."""

    before: T
    after: T

    @property
    def changed(self) -> bool:
        """Whether anything differs."""
        return self.before != self.after
