# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much replication a Postgres server's settings have to allow, from its places."""

from __future__ import annotations

DOCUMENTATION = r"""
name: replication_settings
short_description: Replication settings of a Postgres server, from its places
version_added: "0.1.0"
description: Sizes the settings of C(postgresql.conf) that bound how many databases may move to and from a server at a time.
author:
  - SaaSOdoo developers (@saasodoo)
options:
  _input:
    description: How many tenants the server takes.
    type: int
    required: true
  cpus:
    description: CPU cores it may use.
    type: float
    required: true
  version:
    description: Major version of PostgreSQL.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Show the limits of a pool
  ansible.builtin.debug:
    msg: "{{ 50 | saasodoo.platform.replication_settings(cpus=1, version=15) }}"
"""

RETURN = r"""
_value:
  description: Names and values of settings.
  type: dict
  sample: {"max_replication_slots": 60, "max_wal_senders": 60, "max_logical_replication_workers": 60, "max_worker_processes": 66}
"""

from collections.abc import Callable
from typing import Any

from ..module_utils.domain.server.sizing import replication_settings


def _settings(places: Any, cpus: Any, version: Any) -> dict[str, int]:
    return replication_settings(int(places), float(cpus), int(version))


class FilterModule:
    """Gives the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"replication_settings": _settings}
