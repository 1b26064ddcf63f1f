# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_server_drain
short_description: Move all tenants away from a Postgres server
version_added: "0.1.0"
description:
  - Runs C(tenant_migrate.yml) for each tenant that lives on the server, each in an ansible-playbook of its own, since that holds
    the tenant's lock. They get the inventories and extra variables of the playbook that this runs in.
  - A tenant that fails, or can't be moved, is named and does not hold up the others. Run again, it goes on with who is left.
  - Stopped by SIGTERM or an interrupt it ends those that run, and so it does when its ansible-playbook is killed. The next run
    takes each up, or the maintenance scan undoes it, as its journal says.
  - Mark the server with M(saasodoo.platform.postgres_server) as draining before, or it gets new tenants.
options:
  name:
    description: Name of the server.
    type: str
    required: true
  let_go:
    description: Whether the former databases are dropped at once, so that the server is empty in the end. No way back then.
    type: bool
    default: false
attributes:
  check_mode:
    description: Says whom it would move, and moves nobody.
    support: full
  diff_mode:
    description: Shows which tenants have a database on the server before and after.
    support: full
extends_documentation_fragment:
  - saasodoo.platform.playbook_runs
  - saasodoo.platform.registry
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: Empty a server
  saasodoo.platform.postgres_server_drain:
    name: pool-1
    parallel: 2
    playbooks: "{{ playbook_dir }}"
    log: "{{ saasodoo_home }}/log"
    registry: "{{ saasodoo_registry }}"
"""

RETURN = r"""
moved:
  description: Tenants that live on another server now.
  returned: success
  type: list
  elements: str
  sample: [acme]
settled:
  description: Tenants that were moved earlier, whose former database was dropped.
  returned: success
  type: list
  elements: str
  sample: []
failures:
  description: Why tenants could not be moved or settled, by name.
  returned: success
  type: dict
  sample: {"beta": "fatal: [local]: FAILED! => ..."}
unmovable:
  description: Why others can't be moved at all, by name.
  returned: success
  type: dict
  sample: {"gamma": "is paused, and only what runs or is stopped can be moved: resume or terminate it"}
kept:
  description: Until when the former databases of others are kept on the server, by name; without O(let_go).
  returned: success
  type: dict
  sample: {"acme": "2026-12-01T10:00:00+00:00"}
empty:
  description: Whether nothing of a tenant is left on the server.
  returned: success
  type: bool
  sample: false
"""
