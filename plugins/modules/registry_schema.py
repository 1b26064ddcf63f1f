#!/usr/bin/python
# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_schema
short_description: The registry's database and its schema
version_added: "0.1.0"
description:
  - Makes the database, takes the steps that are missing (or undoes those after O(version)), makes the tables of the job
    queue (procrastinate) or brings them forward, and then sets owners and privileges to what is shipped.
  - Each step and the record of it are one transaction. Only one call works at a time.
  - The role that O(owner) names has to exist, see role P(saasodoo.platform.registry#role).
options:
  owner:
    description: Connection string of the registry for its owner, in libpq form with C(user) and C(passfile), never a password.
    type: str
    required: true
  folder:
    description:
      - Folder with C(grants.sql), C(queue.rollback.sql) and C(schema_steps/), which has pairs of C(NUMBER-NAME.sql) and
        C(NUMBER-NAME.rollback.sql).
    type: path
    required: true
  version:
    description:
      - Number of the last step to have, such as V(0004), or V(latest).
      - An older one is for going back to an older release, whose own playbook then sets its privileges. V(0000) undoes
        everything. Going back loses what only the newer schema holds.
    type: str
    default: latest
attributes:
  check_mode:
    description: Gives the same answer and changes nothing.
    support: full
  diff_mode:
    description: Shows the steps, version of the job queue and whether privileges are as shipped.
    support: full
extends_documentation_fragment:
  - saasodoo.platform.new_registry
  - saasodoo.platform.platform_key
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: Bring the registry to this release's schema
  saasodoo.platform.registry_schema:
    owner: "{{ registry_owner }}"
    folder: "{{ role_path }}/files"
    platform_key_file: "{{ saasodoo_platform_key_file }}"
"""

RETURN = r"""
diff:
  description: The database, before and after.
  returned: success
  type: dict
  sample:
    before: {"database": "present", "steps": ["0001-schemas"], "queue": "", "grants": "of other steps"}
    after: {"database": "present", "steps": ["0001-schemas", "0002-billing"], "queue": "3.10.0", "grants": "as shipped"}
"""
