# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_spare
short_description: Which spare Postgres server to prepare ahead
version_added: "0.1.0"
description:
  - Looks whether enough places are free, and where they are not, leases the build of the next server to the caller.
  - Call it regularly, and make what it answers, so that tenants seldom wait for a server.
options:
  server_type:
    description: Type of server to look at.
    type: str
    choices: [shared, dedicated]
    required: true
  settings:
    required: true
attributes:
  check_mode:
    description: Gives the same answer and writes nothing.
    support: full
  diff_mode:
    description: Shows the build and its builder before and after.
    support: full
extends_documentation_fragment:
  - saasodoo.platform.allocation_settings
  - saasodoo.platform.new_registry
  - saasodoo.platform.registry
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: See whether a shared server should be prepared
  saasodoo.platform.database_spare:
    server_type: shared
    settings: "{{ saasodoo_allocation }}"
    registry: "{{ saasodoo_registry }}"
  register: spare
"""

RETURN = r"""
build:
  description: The server the caller is to make, and holds the lease for; null when none is needed or another makes it.
  type: dict
  returned: success
  sample:
    name: pool-2
    server_type: shared
    host: 127.0.0.1
    port: 21202
    pooler_host: 127.0.0.1
    pooler_port: 21203
    max_instances: 50
    cpu_limit: 2.0
    memory_limit: 4GB
explanation:
  description: Every server and its free places; empty when none is needed.
  type: list
  elements: dict
  returned: success
  sample:
    - {server: pool-1, chosen: false, reason: "2 places free (47 in use, 1 reserved, of 50), fewer than wanted"}
"""
