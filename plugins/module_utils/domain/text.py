# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Text that others gave, as the registry can hold it."""

from __future__ import annotations

import re

#: Stands for a character that can't be recorded, as it does wherever text is decoded.
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_NOT_RECORDABLE = re.compile("[\0\ud800-\udfff]")  # PostgreSQL has no NUL, UTF-8 no half of a surrogate pair; JSON has both


def recordable(text: str) -> str:
    """Return ``text`` with REPLACEMENT for each character that can't be recorded."""
    return _NOT_RECORDABLE.sub(REPLACEMENT, text)
