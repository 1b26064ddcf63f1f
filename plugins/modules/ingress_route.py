#!/usr/bin/python
# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the proxy leads a tenant's address."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ingress_route
short_description: Where the proxy leads a tenant's address
version_added: "0.1.0"
description:
  - Keeps the one entry of a host name in the table that the proxy (role C(ingress)) reads at each request.
  - It takes effect at once, reloads nothing, and may be run concurrently.
author:
  - SaaSOdoo developers (@saasodoo)
attributes:
  check_mode:
    description: Says what would change, and changes nothing.
    support: full
  diff_mode:
    description: Shows the entry before and after.
    support: full
options:
  host:
    description: Full host name, such as V(acme.localhost).
    type: str
    required: true
  owner:
    description: Short id of the tenant. V(state=absent) leaves the entry of another tenant, who has the name now, alone.
    type: str
    required: true
  state:
    description:
      - V(open) leads to the tenant's Odoo, but for the pages of the database manager.
      - V(suspended) answers with the page that says so.
      - V(absent) answers as for any unknown name.
    type: str
    choices: [open, suspended, absent]
    default: open
  port:
    description: Port of the tenant's Odoo on loopback. Required with O(state=open).
    type: int
  routes:
    description: Folder of the table.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Open the tenant's address
  saasodoo.platform.ingress_route:
    host: acme.localhost
    owner: 0f8fad5bd9cb
    port: 22000
    routes: /var/lib/saasodoo/caddy/routes

- name: Show that it is suspended
  saasodoo.platform.ingress_route:
    host: acme.localhost
    owner: 0f8fad5bd9cb
    state: suspended
    routes: /var/lib/saasodoo/caddy/routes
"""

RETURN = r"""
route:
  description: The route as it is now.
  returned: success
  type: dict
  sample: {"host": "acme.localhost", "state": "open", "port": 22000}
"""

from pathlib import Path
from typing import Any

from ..module_utils.host.caddy import Route, RouteTable
from ..module_utils.host_module import run_module
from ..module_utils.outcome import Outcome
from ..module_utils.ports import Host

ARGUMENTS: dict[str, Any] = {
    "host": {"type": "str", "required": True},
    "owner": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["open", "suspended", "absent"], "default": "open"},
    "port": {"type": "int"},
    "routes": {"type": "path", "required": True},
}
RULES: dict[str, Any] = {"required_if": [("state", "open", ["port"])]}


def apply(options: dict[str, Any], host: Host) -> Outcome:
    """Bring the route to its state."""
    route = Route(options["host"], options["owner"], options["state"], options["port"])
    table = RouteTable(Path(options["routes"]))
    change = table.plan(route)
    if change.changed and not host.check_mode:
        table.apply(route)
    described = {"host": route.host, "state": route.state, "port": route.port}
    return Outcome({"entries": change.before}, {"entries": change.after}, {"route": described})


if __name__ == "__main__":
    run_module(ARGUMENTS, apply, **RULES)
