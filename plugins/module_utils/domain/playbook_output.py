# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a line says that ansible-playbook prints."""

from __future__ import annotations

import re

_COLOUR = re.compile(r"\x1b\[[0-9;]*[mK]")
_COMPLAINTS = ("[ERROR]", "ERROR!", "fatal:")


def plain(line: str) -> str:
    """Return the line without colours, and without what surrounds it."""
    return _COLOUR.sub("", line).strip()


def complaint(line: str) -> str:
    """Return what ansible-playbook complains of, of itself or of a task that failed, or '' when it is another line."""
    found = plain(line)
    return found if found.startswith(_COMPLAINTS) else ""
