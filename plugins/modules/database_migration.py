#!/usr/bin/python
# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_migration
short_description: A tenant's database on its way to another Postgres server
version_added: "0.1.0"
description:
  - Moves a tenant's database while people work, by logical replication and a short pause at PgBouncer, with proof that nothing
    was lost and with a way back; or, where it can't be replicated or nobody works, by dump and restore.
  - Each step is written down in the registry before it is begun and after it is done, so a run that was killed anywhere is taken
    up or undone by the next one. Role P(saasodoo.platform.odoo_tenant#role) does all in order; its README tells the steps.
options:
  tenant:
    description: The tenant's id or subdomain.
    type: str
    required: true
  state:
    description:
      - V(kept) changes nothing and returns what is kept of a migration, with whether its time is over.
      - V(taken_up) decides about what a dead run left, with O(again) in favour of going on, and undoes what can't go on.
      - V(planned) looks at both servers, chooses the strategy and records the migration; it fails naming all that is in the way.
      - V(copied), V(following), V(switched) and V(verified) take the steps up to there; those done already are left out.
        V(switched) contains the pause. V(verified) moves the tenant back by itself if the databases differ; where they can't be
        compared now, since a transaction goes on or a server is away, a tenant that has moved stays so, without a report.
      - V(proved) compares what was not compared then; C(differs) of RV(migration) tells whether the tenant has to go back.
      - V(undone) undoes all there is of a migration that has not switched, also of a way back.
      - V(switched_back) and V(returned) take the tenant back to where it was with all that was written since.
      - V(way_back_closed) ends the replication to the former database, V(settled) removes that too.
    type: str
    choices:
      [
        planned, kept, taken_up, copied, following, switched, verified, proved, undone, switched_back, returned, way_back_closed,
        settled,
      ]
    required: true
  target:
    description: Name of the server to move to; the tenant has a place of purpose C(target) there.
    type: str
  strategy:
    description: How to move.
    type: str
    choices: [auto, online, offline]
    default: auto
  again:
    description: Whether somebody asks for the move again, rather than having the remains of a dead run cleared up.
    type: bool
    default: false
  message:
    description: Why it is undone, for the record.
    type: str
    default: ""
  files:
    description: The tenant's filestore, which is backed up with the dump. It does not move.
    type: path
  home:
    description: Folder of the platform.
    type: path
    required: true
  settings:
    description: How patient to be, and how long what is left is kept.
    type: dict
    default: {}
    suboptions:
      jobs:
        description: Tables that are dumped, loaded and compared at a time, on each server.
        type: int
        default: 2
      pause_timeout:
        description: Seconds that clients may be kept waiting for transactions that run, at one try.
        type: float
        default: 0.5
      pause_tries:
        description: How often that is tried.
        type: int
        default: 60
      pause_between:
        description: Seconds that clients go on between two tries.
        type: float
        default: 2.0
      quiet_pause:
        description: Seconds below which the whole pause of the switch is to be; it is measured, and a quieter moment waited for.
        type: float
        default: 1.0
      quiet_timeout:
        description: Seconds after which the switch waits for a quieter moment no longer, goes on all the same and says so.
        type: float
        default: 120.0
      drain_timeout:
        description: Seconds that the last row may take to arrive while clients wait; the move fails if it takes longer.
        type: float
        default: 5.0
      catch_up_timeout:
        description: Seconds until the new server has to have caught up.
        type: float
        default: 1800.0
      catch_up_bytes:
        description: How far behind it may be to be taken for caught up.
        type: int
        default: 1000000
      longest_transaction:
        description: >-
          Seconds that a transaction of the tenant's may have run when a move is planned, and that a table of its may stay in use
          where it is needed alone for a moment.
        type: float
        default: 60.0
      slot_timeout:
        description: >-
          Seconds that one transaction that writes, anybody's on either server, may hold up the making of a replication slot.
        type: float
        default: 600.0
      load_timeout:
        description: The same for a transaction of the platform itself, such as another move's load of a large table.
        type: float
        default: 7200.0
      way_back:
        description: Seconds for which the old database follows the new one.
        type: float
        default: 86400.0
      keep:
        description: Seconds for which the old database is kept.
        type: float
        default: 604800.0
attributes:
  check_mode:
    description: V(planned) looks and says what it would do, or fails as it would; the other states say that they will be reached.
    support: full
  diff_mode:
    description: Shows the plan with its steps and estimates, then how far the migration is.
    support: full
extends_documentation_fragment:
  - saasodoo.platform.registry
  - saasodoo.platform.platform_key
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: Plan a move
  saasodoo.platform.database_migration:
    tenant: acme
    state: planned
    target: pool-2
    home: /var/lib/saasodoo
    registry: "{{ saasodoo_registry }}"
    platform_key_file: /var/lib/saasodoo/secrets/platform.key

- name: Switch to the new server, after copied and following
  saasodoo.platform.database_migration:
    tenant: acme
    state: switched
    home: /var/lib/saasodoo
    registry: "{{ saasodoo_registry }}"
    platform_key_file: /var/lib/saasodoo/secrets/platform.key
"""

RETURN = r"""
migration:
  description:
    - The tenant's unfinished migration, or the one that this ended; null when there is none.
    - C(clients) counts the connections that still come through the PgBouncer of the server that was left.
  returned: success
  type: dict
  sample:
    id: 0b6d5c1e-7a0e-4f4b-9a55-5f5a1f0c8a11
    status: kept
    strategy: online
    reason: "people work on: all of the database can be replicated"
    source: pool-1
    target: pool-2
    tenant_status: running
    message: moved
    switched: true
    differs: false
    switched_at: "2026-11-21T08:00:00+00:00"
    way_back_until: "2026-11-22T08:00:00+00:00"
    keep_until: "2026-11-28T08:00:00+00:00"
    returning: false
    way_back_over: false
    keep_over: false
    clients: 3
    report: {equal: true, tables: 606, rows: 41234}
plan:
  description: What will be done, with estimates in seconds.
  returned: when planned
  type: dict
  sample: {strategy: online, source: pool-1, target: pool-2, estimated_seconds: 8.7, estimated_pause_seconds: 0.1}
findings:
  description: What was measured on both servers.
  returned: when planned
  type: dict
  sample: {size_bytes: 62914560, tables: 606, tables_without_key: 2}
"""
