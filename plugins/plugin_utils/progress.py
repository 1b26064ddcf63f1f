# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Telling of a task's progress while it runs: on the command line, and in the events of a run of the webhook runner."""

from __future__ import annotations

from ansible.utils.display import Display

from ..module_utils.domain import progress


def report(text: str) -> None:
    """Print ``text`` as a line of progress; it must hold no secret. The caller sees to it that it is not too often."""
    Display().display(progress.line(text))
