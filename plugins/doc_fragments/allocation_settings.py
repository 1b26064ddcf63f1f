# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the option in plugin_utils.allocation.SETTINGS."""

from __future__ import annotations


class ModuleDocFragment:
    """The settings of allocation."""

    DOCUMENTATION = r"""
options:
  settings:
    description: How places are given and servers are made; see inventories/local/group_vars/all/allocation.yml.
    type: dict
    suboptions:
      port_first:
        description: First port for servers; each takes two, one for PostgreSQL and one for its PgBouncer.
        type: int
        required: true
      port_last:
        description: Last port for servers.
        type: int
        required: true
      host:
        description: Address of new servers; C({name}) in it stands for the server's name.
        type: str
        default: 127.0.0.1
      pooler_host:
        description: Address of their PgBouncers, likewise.
        type: str
        default: 127.0.0.1
      max_instances:
        description: Places on a new shared server.
        type: int
        default: 50
      max_servers:
        description: No more servers than this are made; retired ones don't count.
        type: int
        default: 100
      reservation_seconds:
        description:
          - A place not taken into use for this long is given away.
          - Longer than a run may take, so that a running one never loses its place.
        type: int
        default: 3600
      lease_seconds:
        description:
          - Whoever makes a server has this long before the next caller takes the work over.
          - Longer than making a server takes, and shorter than O(settings.retry_after) times O(settings.retries).
        type: int
        default: 120
      retry_after:
        description: Seconds between two looks of a tenant that waits for a place.
        type: int
        default: 10
      retries:
        description: Looks before a waiting tenant gives up.
        type: int
        default: 30
      spare_places:
        description: With fewer places free on shared servers, the next one is prepared ahead.
        type: int
        default: 5
      spare_dedicated:
        description: Empty dedicated servers to keep ready.
        type: int
        default: 1
      shared_cpu_limit:
        description: Cores of a new shared server.
        type: float
        default: 2.0
      shared_memory_limit:
        description: Memory of a new shared server.
        type: str
        default: 4GB
      dedicated_cpu_limit:
        description: Cores of a new dedicated server.
        type: float
        default: 4.0
      dedicated_memory_limit:
        description: Memory of a new dedicated server.
        type: str
        default: 8GB
"""
