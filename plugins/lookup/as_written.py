# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A variable as somebody wrote it, not evaluated."""

from __future__ import annotations

DOCUMENTATION = r"""
name: as_written
short_description: A variable as somebody wrote it, not evaluated
version_added: "0.1.0"
description:
  - Returns the text of a variable before Ansible evaluates it. What is typed to confirm something has to be the very name, and
    not a template that gives it, as C(-e confirm='{{ name }}') is.
author:
  - SaaSOdoo developers (@saasodoo)
options:
  _terms:
    description: The names of the variables.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: See that this is meant
  ansible.builtin.assert:
    that: lookup('saasodoo.platform.as_written', 'teardown_confirm') == saasodoo_instance
"""

RETURN = r"""
_raw:
  description: The text of each variable; what is no text is told as Python does.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):  # type: ignore[misc]
    """Reads variables."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **_: Any) -> list[str]:
        """Return the text of each. Raises AnsibleLookupError where there is no such variable."""
        known = variables or {}
        if missing := [term for term in terms if term not in known]:
            raise AnsibleLookupError(f"no variable {', '.join(missing)}")
        # A plain str: what is marked as a template would be evaluated on its way to the caller.
        return [str(known[term]) for term in terms]
