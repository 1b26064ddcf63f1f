# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_server_health
short_description: Check the health of Postgres servers
version_added: "0.1.0"
description:
  - Connects to each server that is in use, commits a write, looks at recovery, replication slots and disk, and connects through
    its PgBouncer; then records what it found, which allocation goes by.
  - An unhealthy server is no failure of the task.
author:
  - SaaSOdoo developers (@saasodoo)
attributes:
  check_mode:
    description: Checks the servers, but records nothing.
    support: full
  diff_mode:
    description: Shows the health before and after.
    support: full
options:
  name:
    description: Only the server of this name.
    type: str
  patience:
    description: Seconds to go on trying to connect to a server that does not answer.
    type: float
    default: 5.0
extends_documentation_fragment:
  - saasodoo.platform.registry
  - saasodoo.platform.platform_key
"""

EXAMPLES = r"""
- name: Check all servers
  saasodoo.platform.postgres_server_health:
    registry: "{{ saasodoo_registry }}"
    platform_key_file: "{{ saasodoo_platform_key_file }}"
"""

RETURN = r"""
health:
  description: Each server's health, and why.
  returned: success
  type: dict
  sample: {"pool-1": "healthy", "pool-2": "unhealthy server pool-2 does not answer at 127.0.0.1:21202"}
unhealthy:
  description: Names of the unhealthy servers.
  returned: success
  type: list
  elements: str
  sample: [pool-2]
"""
