# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the options in module_utils.options.SERVER."""

from __future__ import annotations


class ModuleDocFragment:
    """One Postgres server."""

    DOCUMENTATION = r"""
options:
  server:
    description:
      - The Postgres server, as C(server) of M(saasodoo.platform.tenant) or C(allocation.server) of
        M(saasodoo.platform.database_allocation) has it. It is spoken to as its superuser, directly.
    type: dict
    required: true
    suboptions:
      name:
        description: Its name in the registry.
        type: str
        required: true
      host:
        description: Where it listens.
        type: str
        default: 127.0.0.1
      port:
        description: Its own port.
        type: int
        required: true
      pooler_host:
        description: Where its PgBouncer listens. Not used here.
        type: str
      pooler_port:
        description: The port of its PgBouncer. Not used here.
        type: int
      server_type:
        description: Shared or dedicated. Not used here.
        type: str
"""
