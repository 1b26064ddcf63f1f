#!/usr/bin/python
# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep a template database on a Postgres server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: odoo_template
short_description: A template database on a Postgres server, which tenants are cloned from
version_added: "0.1.0"
description:
  - Has the installed Odoo make a database with the given modules, prepares what first pages need, closes it and marks it a
    template. Takes half a minute the first time; its dump and filestore are kept in O(cache), so that another server gets it
    in seconds.
  - There is one for each combination of version, build, modules, language and country; a change makes another one.
  - A run that is killed leaves at worst an unfinished one, which the next run drops.
  - To only ask whether it is there, M(saasodoo.platform.odoo_template_info) is much faster.
author:
  - SaaSOdoo developers (@saasodoo)
attributes:
  check_mode:
    description: Says what would change, and changes nothing.
    support: full
  diff_mode:
    description: Shows whether database and filestore are there.
    support: full
requirements:
  - psycopg 3 for the Python that runs the module
  - pg_dump and pg_restore, not older than the server
options:
  state:
    description: V(absent) drops the template from this server. Its clones live on, dump and filestore are kept.
    type: str
    choices: [present, absent]
    default: present
  user:
    description: User to run Odoo as. Used only by root.
    type: str
    required: true
extends_documentation_fragment:
  - saasodoo.platform.odoo_template
  - saasodoo.platform.server
  - saasodoo.platform.platform_key
"""

EXAMPLES = r"""
- name: Make the template for new tenants
  saasodoo.platform.odoo_template:
    runtime: /var/lib/saasodoo/runtime/odoo-19.0
    modules: [base]
    home: /var/lib/saasodoo/odoo_templates
    cache: /root/.cache/saasodoo/odoo_templates
    user: saasodoo
    server: {name: pool-1, host: 127.0.0.1, port: 21200}
    platform_key_file: /var/lib/saasodoo/secrets/platform.key
"""

RETURN = r"""
template:
  description: The template. C(filestore) is to be copied to a clone's data directory before its Odoo starts.
  returned: success
  type: dict
  sample:
    name: odoo_template_6f1ed002ab559585
    hash: 6f1ed002ab559585
    version: "19.0"
    server: pool-1
    filestore: /var/lib/saasodoo/odoo_templates/6f1ed002ab559585/filestore
    ready: true
"""

from typing import Any

from ..module_utils.host_module import run_module
from ..module_utils.odoo.template import Builder, describe_on, facts, read_options
from ..module_utils.options import ODOO_TEMPLATE, PLATFORM_KEY, SERVER
from ..module_utils.outcome import Outcome
from ..module_utils.ports import Host
from ..module_utils.postgres.connection import Address
from ..module_utils.secrets.platform_key import read_platform_key

ARGUMENTS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "user": {"type": "str", "required": True},
    **ODOO_TEMPLATE,
    **SERVER,
    **PLATFORM_KEY,
}


def apply(options: dict[str, Any], host: Host) -> Outcome:
    """Bring the template to its state."""
    key, where = read_platform_key(options["platform_key_file"]), options["server"]
    template, places = read_options(options)
    address = Address(where["host"], where["port"], where["name"], key)
    before, ready = describe_on(address, places, template, check=host.check_mode), options["state"] == "present"
    after = dict.fromkeys(before, True) if ready else before | {"database": False}
    if before != after and not host.check_mode:
        with address.connect() as server:
            builder = Builder.on(server, address, options, places)
            (builder.ensure if ready else builder.remove)(template)
    return Outcome(before, after, {"template": facts(where["name"], places, template, ready=ready)})


if __name__ == "__main__":
    run_module(ARGUMENTS, apply)
