#!/usr/bin/python
# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a tenant's Odoo has on disk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: odoo_instance
short_description: A tenant's data directory and the configuration of its Odoo
version_added: "0.1.0"
description:
  - Makes the data directory with its folders C(addons), C(filestore), C(sessions), readable by nobody else, copies the template's
    filestore into it, and writes C(odoo.conf).
  - Each part appears whole or not at all, so a run that is killed is simply run again.
author:
  - SaaSOdoo developers (@saasodoo)
attributes:
  check_mode:
    description: Says what would change, and changes nothing.
    support: full
  diff_mode:
    description: Shows folders and configuration; of a secret only whether it is the one wanted.
    support: full
options:
  path:
    description: The data directory.
    type: path
    required: true
  state:
    description:
      - V(present) has it ready to run.
      - V(closed) keeps the data, but takes away the configuration with its passwords, and all sessions.
      - V(absent) removes everything, the data too.
    type: str
    choices: [present, closed, absent]
    default: present
  user:
    description: Who owns it. Used only by root.
    type: str
    default: ""
  database:
    description: Name of the database, below which Odoo keeps its files.
    type: str
    required: true
  template_filestore:
    description: Copied where the database has no filestore yet. Without it the filestore is left alone.
    type: path
  options:
    description: What odoo.conf says, but for its secrets.
    type: dict
    default: {}
  secrets:
    description: The rest of odoo.conf, never shown.
    type: dict
    default: {}
  live:
    description:
      - Names of O(options) that a running Odoo is told in another way, or may learn at its next start.
      - They are written like all others, but left out of the fingerprint.
    type: list
    elements: str
    default: []
  storage_limit:
    description:
      - How many bytes the data directory may hold; 0 for no limit. Without it, a limit that is there is left alone.
      - Kept to by CephFS, for a user who may set quotas (C(mds allow rwp)); on any other file system it is not enforced, see
        C(storage_limit_enforced) of RV(instance).
    type: int
"""

EXAMPLES = r"""
- name: Make the data directory
  saasodoo.platform.odoo_instance:
    path: /var/lib/saasodoo/odoo_instances/odoo_data_odoo_c1_0f8fad5bd9cb_0f8fad5bd9cb
    user: saasodoo
    database: odoo_c1_0f8fad5bd9cb
    template_filestore: /var/lib/saasodoo/odoo_templates/6f1ed002ab559585/filestore
    options: {db_name: odoo_c1_0f8fad5bd9cb, http_port: 22000, limit_memory_hard: 4294967296}
    live: [limit_memory_hard, limit_memory_soft]
    storage_limit: 10737418240
    secrets:
      db_password: "{{ lookup('saasodoo.platform.tenant_secret', '0f8fad5b-d9cb-469f-a165-70867728950e', 'database') }}"
"""

RETURN = r"""
instance:
  description:
    - Where the configuration is, and a hash of it but for what is O(live).
    - A process that was started with another hash is to be restarted.
    - Whether O(storage_limit) holds here.
  returned: success
  type: dict
  sample:
    configuration: /var/lib/saasodoo/odoo_instances/odoo_data_odoo_c1_0f8fad5bd9cb_0f8fad5bd9cb/odoo.conf
    fingerprint: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    storage_limit_enforced: true
"""

from pathlib import Path
from typing import Any

from ..module_utils.host_module import run_module
from ..module_utils.odoo import instance as odoo_instance
from ..module_utils.odoo.instance import Instance
from ..module_utils.outcome import Outcome
from ..module_utils.ports import Host

ARGUMENTS: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["present", "closed", "absent"], "default": "present"},
    "user": {"type": "str", "default": ""},
    "database": {"type": "str", "required": True},
    "template_filestore": {"type": "path"},
    "options": {"type": "dict", "default": {}},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "live": {"type": "list", "elements": "str", "default": []},
    "storage_limit": {"type": "int"},
}
RULES: dict[str, Any] = {}


def apply(options: dict[str, Any], host: Host) -> Outcome:
    """Bring the instance to its state."""
    path, filestore = Path(options["path"]), options["template_filestore"]
    words = {name: options[name] for name in ("user", "database", "options", "secrets", "storage_limit")}
    instance = Instance(path, **words, template_filestore=Path(filestore) if filestore else None, live=tuple(options["live"]))
    match options["state"]:
        case "present":
            before, after, act = odoo_instance.describe(instance), odoo_instance.target(instance), odoo_instance.ensure
        case "closed":
            before, act = odoo_instance.closed(instance), odoo_instance.close
            after = dict.fromkeys(before, False)
        case _:
            before, after, act = {"exists": path.exists()}, {"exists": False}, odoo_instance.remove
    if before != after and not host.check_mode:
        act(instance)
    facts = {
        "configuration": str(path / "odoo.conf"),
        "fingerprint": instance.fingerprint,
        "storage_limit_enforced": odoo_instance.limits_storage(instance),
    }
    return Outcome(before, after, {"instance": facts})


if __name__ == "__main__":
    run_module(ARGUMENTS, apply, **RULES)
