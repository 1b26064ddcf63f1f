# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the table of verbs says of one."""

from __future__ import annotations

DOCUMENTATION = r"""
name: verb_rule
short_description: What the table of verbs says of one
version_added: "0.1.0"
description: Reads a verb's row in the table of plugins/module_utils/domain/tenant/verb.py.
author:
  - SaaSOdoo developers (@saasodoo)
options:
  _input:
    description: The verb.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say where it ends
  ansible.builtin.debug:
    msg: "it ends where it began"
  when: ('resize' | saasodoo.platform.verb_rule).moves_database
"""

RETURN = r"""
_value:
  description: Whether it moves the database, makes the tenant's record, whether what is given by hand is written to that first.
  type: dict
  sample: {"moves_database": true, "makes_record": false, "writes_record": true}
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.domain.tenant.verb import VERBS, Verb

_SHOWN = ("moves_database", "makes_record", "writes_record")


def _rule(verb: str) -> dict[str, bool]:
    if verb not in (*Verb,):
        raise AnsibleFilterError(f"there is no verb '{verb}'; expected: one of {', '.join(Verb)}")
    rule = VERBS[Verb(verb)]
    return {name: getattr(rule, name) for name in _SHOWN}


class FilterModule:
    """Gives the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"verb_rule": _rule}
