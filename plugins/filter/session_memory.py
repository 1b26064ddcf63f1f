# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a session may have of a Postgres server's memory, so that no tenant takes all of it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: session_memory
short_description: Memory of its own that a session of a Postgres server may have
version_added: "0.1.0"
description:
  - Bounds the memory of a session (RLIMIT_DATA), beside shared buffers, so that all sessions of one tenant leave some to others.
author:
  - SaaSOdoo developers (@saasodoo)
options:
  _input:
    description: Memory the server may use, such as V(4GB).
    type: str
    required: true
  sessions:
    description: Sessions that one tenant may have.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Show what a session of a pool may have
  ansible.builtin.debug:
    msg: "{{ '8GB' | saasodoo.platform.session_memory(sessions=20) }}"
"""

RETURN = r"""
_value:
  description: Bytes.
  type: int
  sample: 214748364
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.domain.billing.plan import parse_size
from ..module_utils.domain.server.sizing import session_memory
from ..module_utils.errors import PlatformError


def _bytes(memory: str, sessions: Any) -> int:
    try:
        return session_memory(parse_size(memory), int(sessions))
    except PlatformError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """Gives the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"session_memory": _bytes}
