# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a task that takes long tells, while it runs, how far it has come: a line of output that the webhook runner keeps.

Everything else that is printed is not kept, since it may hold what a task did not mean to show.
"""

from __future__ import annotations

from .playbook_output import plain

_MARK = "progress: "
_LIMIT = 300  # characters of a line


def line(text: str) -> str:
    """Return ``text`` as a line of progress; it must hold no secret."""
    return f"{_MARK}{' '.join(text.split())}"[:_LIMIT]


def read(output: str) -> str:
    """Return the progress that a line of output tells, or '' when it is another line."""
    found = plain(output)
    return found.removeprefix(_MARK)[:_LIMIT] if found.startswith(_MARK) else ""
