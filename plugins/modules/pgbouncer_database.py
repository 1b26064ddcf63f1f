#!/usr/bin/python
# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lead a PgBouncer to a database."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbouncer_database
short_description: Lead a server's PgBouncer to a database
version_added: "0.1.0"
description:
  - Keeps one database and its role in the files of a server's PgBouncer and has them read again, which drops no client.
  - A database pooled by transaction also gets the name C(<database>__session), pooled by session, for LISTEN.
author:
  - SaaSOdoo developers (@saasodoo)
attributes:
  check_mode:
    description: Says what would change.
    support: full
  diff_mode:
    description: Shows the lines of the database, and of the role only whether it is there.
    support: full
requirements:
  - psycopg 3, where PgBouncer runs elsewhere
options:
  server:
    description: Name of the server.
    type: str
    required: true
  database:
    description: Name of the database.
    type: str
    required: true
  state:
    description: Whether PgBouncer leads there.
    type: str
    choices: [present, absent]
    default: present
  role:
    description: The role that uses it; that of the same name unless given.
    type: str
  verifier:
    description: The role's SCRAM verifier, as the server has it. With it PgBouncer logs in to the server as the client does.
    type: str
  host:
    description: Address of the server.
    type: str
    default: 127.0.0.1
  port:
    description: Port of the server itself.
    type: int
  pool_mode:
    description: V(session) makes one entry without the second name.
    type: str
    choices: [transaction, session]
    default: transaction
  pool_size:
    description: Server connections at most.
    type: int
    default: 8
  session_pool_size:
    description: Server connections of the second name at most.
    type: int
    default: 4
  must_run:
    description: Whether PgBouncer has to answer; V(false) before it is started for the first time.
    type: bool
    default: true
  pooler_host:
    description:
      - Where PgBouncer listens. One on this machine is asked through its socket, another through O(pooler_port) as the server's
        superuser, whose password follows from O(platform_key_file).
    type: str
    default: 127.0.0.1
  pooler_port:
    description: Its port, where it runs elsewhere.
    type: int
    default: 0
  platform_key_file:
    description:
      - File with the platform key, where PgBouncer runs elsewhere.
      - The environment variable E(SAASODOO_PLATFORM_KEY_FILE) is used where the option is not given.
    type: path
  home:
    description: Folder of the platform.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Configure PgBouncer for a tenant's database
  saasodoo.platform.pgbouncer_database:
    server: pool-1
    database: odoo_c1_1f2e3d4c5b6a
    verifier: "{{ lookup('saasodoo.platform.server_verifier', 'pool-1') }}"
    port: 21200
    home: /var/lib/saasodoo

- name: No longer
  saasodoo.platform.pgbouncer_database:
    server: pool-1
    database: odoo_c1_1f2e3d4c5b6a
    state: absent
    home: /var/lib/saasodoo
"""

RETURN = r"""
session_database:
  description: The name pooled by session.
  returned: success
  type: str
  sample: odoo_c1_1f2e3d4c5b6a__session
"""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import env_fallback

from ..module_utils.host_module import run_module
from ..module_utils.outcome import Outcome
from ..module_utils.pgbouncer.databases import Entry, PgBouncer, session_name
from ..module_utils.pgbouncer.network import pgbouncer
from ..module_utils.ports import Host

ARGUMENTS: dict[str, Any] = {
    "server": {"type": "str", "required": True},
    "database": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "role": {"type": "str"},
    "verifier": {"type": "str", "no_log": True},
    "host": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int"},
    "pool_mode": {"type": "str", "choices": ["transaction", "session"], "default": "transaction"},
    "pool_size": {"type": "int", "default": 8},
    "session_pool_size": {"type": "int", "default": 4},
    "must_run": {"type": "bool", "default": True},
    "pooler_host": {"type": "str", "default": "127.0.0.1"},
    "pooler_port": {"type": "int", "default": 0},
    "platform_key_file": {"type": "path", "fallback": (env_fallback, ["SAASODOO_PLATFORM_KEY_FILE"])},
    "home": {"type": "path", "required": True},
}
RULES: dict[str, Any] = {"required_if": [("state", "present", ["verifier", "port"])]}


def apply(options: dict[str, Any], host: Host) -> Outcome:
    """Bring the entry to its state."""
    given = {field.name: options[field.name] for field in fields(Entry) if options[field.name] is not None}
    entry = Entry(**{"role": options["database"], **given})
    folder = Path(options["home"]) / "pgbouncer" / options["server"]
    where = options["pooler_host"], options["pooler_port"], options["platform_key_file"]
    # Check mode asks no PgBouncer anything, and there may be no platform key yet.
    pooler = PgBouncer(folder) if host.check_mode else pgbouncer(folder, *where)
    present = options["state"] == "present"
    outcome = pooler.ensure(entry, present=present, must_run=options["must_run"], check=host.check_mode)
    return replace(outcome, facts={"session_database": session_name(entry.database)})


if __name__ == "__main__":
    run_module(ARGUMENTS, apply, **RULES)
