#!/usr/bin/python
# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_role
short_description: Login roles of the registry
version_added: "0.1.0"
description:
  - Makes one login role of the registry's server and one password file for each component of the platform, and mends those
    that differ. Passwords follow from the platform key and are shown nowhere; the server is given verifiers only.
  - What a role may do in the database is decided by M(saasodoo.platform.registry_schema).
options:
  components:
    description: The components.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - The component. Its role is C(saasodoo_NAME), its password file C(NAME.pgpass).
          - V(owner) migrates, V(operator) is what playbooks are, V(runner) is the webhook runner, V(inventory) reads.
        type: str
        choices: [owner, operator, runner, inventory]
        required: true
      user:
        description: The system user that runs the component. The password file is theirs, mode 0600.
        type: str
        required: true
  passfiles:
    description: Folder of the password files, on the controller. It has to exist.
    type: path
    required: true
  host:
    description: Address of the registry's server.
    type: str
    default: 127.0.0.1
  port:
    description: Port of the registry's server.
    type: int
    required: true
attributes:
  check_mode:
    description: Gives the same answer and changes neither roles nor files.
    support: full
  diff_mode:
    description: Shows the state of each role and password file, never what is in it.
    support: full
extends_documentation_fragment:
  - saasodoo.platform.new_registry
  - saasodoo.platform.platform_key
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: Let playbooks log in to the registry
  saasodoo.platform.registry_role:
    components:
      - {name: operator, user: root}
    passfiles: "{{ saasodoo_home }}/secrets/registry"
    port: "{{ saasodoo_port_registry }}"
    platform_key_file: "{{ saasodoo_platform_key_file }}"
"""

RETURN = r"""
diff:
  description: Roles and password files, before and after.
  returned: success
  type: dict
  sample:
    before: {"saasodoo_operator": {"role": "absent", "password file": "absent"}}
    after: {"saasodoo_operator": {"role": "login", "password file": "current, mode 0600, of root"}}
"""
