# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_server
short_description: A Postgres server in the registry
version_added: "0.1.0"
description:
  - Records a server from its making to its end, and with that, whether tenants may be given places on it.
  - Making and starting it is role C(postgres_pool)'s work.
author:
  - SaaSOdoo developers (@saasodoo)
attributes:
  check_mode:
    description: Says what would change. Where the registry is not made yet, it is taken for empty.
    support: full
  diff_mode:
    description: Shows the record before and after.
    support: full
options:
  name:
    description: Name of the server.
    type: str
    required: true
  state:
    description:
      - V(provisioning) records a server about to be made; one that is known stays as it is.
      - V(present) is a server that is made; it takes tenants, unless it is draining.
      - V(draining) takes no more tenants; V(active) takes them again.
      - V(retired) is for good, and only for a server without tenants.
    type: str
    choices: [provisioning, present, active, draining, retired]
    default: present
  server_type:
    description: Shared by many tenants, or dedicated to one.
    type: str
    choices: [shared, dedicated]
    default: shared
  max_instances:
    description: How many tenants it takes; 1 for a dedicated server.
    type: int
    default: 50
  cpu_limit:
    description: Cores it may use.
    type: float
    default: 1.0
  memory_limit:
    description: Memory it may use.
    type: str
    default: 1GB
  host:
    description: Its address; C({name}) in it stands for the server's name. A known server keeps the one it has.
    type: str
    default: 127.0.0.1
  port:
    description: Port of PostgreSQL. V(0) is the one it has, or the first free one from O(port_first) to O(port_last).
    type: int
    default: 0
  pooler_host:
    description: Address of its PgBouncer, likewise.
    type: str
    default: 127.0.0.1
  pooler_port:
    description: Port of its PgBouncer; V(0) as above.
    type: int
    default: 0
  port_first:
    description: First port of the range.
    type: int
    default: 0
  port_last:
    description: Last port of the range.
    type: int
    default: 0
  home:
    description:
      - Folder of the platform. With it V(retired) is refused also while tenants whose databases moved still come through the
        server's PgBouncer.
    type: path
extends_documentation_fragment:
  - saasodoo.platform.registry
"""

EXAMPLES = r"""
- name: Record a pool that is made
  saasodoo.platform.postgres_server:
    name: pool-1
    max_instances: 50
    port: 21200
    pooler_port: 21201
    registry: "{{ saasodoo_registry }}"

- name: Let it take no more tenants
  saasodoo.platform.postgres_server:
    name: pool-1
    state: draining
    registry: "{{ saasodoo_registry }}"
"""

RETURN = r"""
server:
  description: The record as it is now, or in check mode would be.
  returned: success
  type: dict
  sample:
    name: pool-1
    server_type: shared
    status: active
    host: 127.0.0.1
    port: 21200
    pooler_host: 127.0.0.1
    pooler_port: 21201
    max_instances: 50
    cpu_limit: 1.0
    memory_limit: 1GB
"""
