# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The settings of a Postgres server, from what it may use."""

from __future__ import annotations

DOCUMENTATION = r"""
name: postgres_settings
short_description: Settings of a Postgres server, from what it may use
version_added: "0.1.0"
description: Sizes the settings of C(postgresql.conf) that depend on memory, CPU and the number of connections.
author:
  - SaaSOdoo developers (@saasodoo)
options:
  _input:
    description: Memory the server may use, such as V(4GB).
    type: str
    required: true
  cpus:
    description: CPU cores it may use.
    type: float
    required: true
  connections:
    description: Connections that its tenants may hold together.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Show the settings of a small server
  ansible.builtin.debug:
    msg: "{{ '1GB' | saasodoo.platform.postgres_settings(cpus=1, connections=200) }}"
"""

RETURN = r"""
_value:
  description: Names and values of settings.
  type: dict
  sample: {"max_connections": 230, "shared_buffers": "256MB"}
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.domain.billing.plan import parse_size
from ..module_utils.domain.server.sizing import postgres_settings
from ..module_utils.errors import PlatformError


def _settings(memory: str, cpus: Any, connections: Any) -> dict[str, int | str]:
    try:
        return postgres_settings(parse_size(memory), float(cpus), int(connections))
    except PlatformError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """Gives the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"postgres_settings": _settings}
