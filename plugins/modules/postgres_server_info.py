# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_server_info
short_description: The Postgres servers there are, and their places
version_added: "0.1.0"
description: Lists servers of the registry with state, health and places, and sums them up by type.
options:
  name:
    description: Only the server of this name.
    type: str
  server_type:
    description: Only servers of this type.
    type: str
    choices: [shared, dedicated]
attributes:
  check_mode:
    description: Only reads.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
extends_documentation_fragment:
  - saasodoo.platform.registry
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: List the pools
  saasodoo.platform.postgres_server_info:
    server_type: shared
    registry: "{{ saasodoo_registry }}"

- name: Look at one
  saasodoo.platform.postgres_server_info:
    name: pool-1
    registry: "{{ saasodoo_registry }}"
"""

RETURN = r"""
servers:
  description: The servers that match, by name; empty when none does.
  type: list
  elements: dict
  returned: success
  sample:
    - name: pool-1
      server_type: shared
      status: active
      health_status: healthy
      health_message: ""
      health_checked_at: "2026-01-01T00:00:00+00:00"
      host: 127.0.0.1
      port: 21200
      pooler_host: 127.0.0.1
      pooler_port: 21201
      max_instances: 50
      in_use: 12
      reserved: 1
      free: 37
      kept: 2
      cpu_limit: 2.0
      memory_limit: 4GB
stats:
  description: For each type, the number of these servers (retired ones left out) and of their places.
  type: dict
  returned: success
  sample:
    shared: {servers: 1, in_use: 12, reserved: 1, free: 37}
    dedicated: {servers: 0, in_use: 0, reserved: 0, free: 0}
"""
