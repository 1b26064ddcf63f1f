# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_strays
short_description: Find what moves of databases have left
version_added: "0.1.0"
description:
  - Looks on each Postgres server in use for replication slots, subscriptions, publications, the migrations' own schema,
    databases, roles and PgBouncer entries of tenants that do not live there, and that no move under way and nothing kept of a
    move accounts for. They are told, with what mends each, and left alone.
  - Looks whether each way back that is kept still leads back. One that is broken (its slot lost its log, tables were changed
    since, the former database refuses what is written) is closed with the reason in the migration's message; the maintenance
    scan then takes it down, so that its slot holds back no log.
  - Removes the dumps that moves began with and left as backups, with the links to the filestore beside them, once they are
    O(dump_days) old and their move's way back is over; at once what is only a part of a dump.
options:
  home:
    description: Folder of the platform.
    type: path
    required: true
  patience:
    description: Seconds that a row may take to arrive by a way back. One that is merely slower is left open.
    type: float
    default: 15.0
  dump_days:
    description: Days for which a complete dump is kept.
    type: float
    default: 14.0
attributes:
  check_mode:
    description: Looks, closes and removes nothing.
    support: full
  diff_mode:
    description: Shows the ways back that are closed, and why, and the dumps that are removed.
    support: full
extends_documentation_fragment:
  - saasodoo.platform.registry
  - saasodoo.platform.platform_key
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: Look for what moves have left
  saasodoo.platform.migration_strays:
    home: "{{ saasodoo_home }}"
    dump_days: "{{ saasodoo_migration_dump_days }}"
    registry: "{{ saasodoo_registry }}"
    platform_key_file: "{{ saasodoo_platform_key_file }}"
"""

RETURN = r"""
strays:
  description: What nobody accounts for, each with what mends it.
  returned: success
  type: list
  elements: str
  sample: ["pool-1: slot saasodoo_0f8fad5bd9cb_rev of no tenant; SELECT pg_drop_replication_slot('...') on that server"]
broken_ways_back:
  description: Why ways back were closed, by tenant.
  returned: success
  type: dict
  sample: {"acme": "tables were changed since, by a module perhaps: table public.crm_lead is new"}
removed_dumps:
  description: Folders of dumps that were removed.
  returned: success
  type: list
  elements: str
  sample: ["/var/lib/saasodoo/backups/0f8fad5bd9cb/20261109T080000-pool-1"]
unanswered:
  description: Servers that did not answer and were not looked at.
  returned: success
  type: list
  elements: str
  sample: []
"""
