# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_ready
short_description: Wait until a Postgres server answers
version_added: "0.1.0"
description: Connects as the server's superuser until that works. A server in crash recovery listens but does not answer yet.
author:
  - SaaSOdoo developers (@saasodoo)
attributes:
  check_mode:
    description: Does not wait, since the server may not have been started.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
options:
  name:
    description: Name of the server; its superuser's password follows from it.
    type: str
    required: true
  host:
    description: Address of the server.
    type: str
    default: 127.0.0.1
  port:
    description: Port of the server, or of its PgBouncer.
    type: int
    required: true
  dbname:
    description: Database to connect to; V(pgbouncer) is the console of PgBouncer.
    type: str
    default: postgres
  timeout:
    description: Seconds to wait.
    type: int
    default: 60
extends_documentation_fragment:
  - saasodoo.platform.platform_key
"""

EXAMPLES = r"""
- name: Wait for the server
  saasodoo.platform.postgres_ready:
    name: pool-1
    port: 21200
    platform_key_file: /var/lib/saasodoo/secrets/platform.key
"""

RETURN = r"""
version:
  description: Version of the server (or of PgBouncer) that answered.
  returned: success, except in check mode
  type: str
  sample: "15.14"
"""
