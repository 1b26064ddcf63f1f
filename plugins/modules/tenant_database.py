# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tenant_database
short_description: A tenant's database and role on a Postgres server
version_added: "0.1.0"
description:
  - Clones a template database, and makes it the tenant's own before its Odoo ever starts it, with an identity, secrets, an
    administrator's password and addresses of its own, and a role that may connect to nothing else.
  - It gets its name last, so a run that is killed leaves no half database; the next run drops what it left.
  - On a database that exists, sets the role's password and limit, the addresses, and, where O(secret_generation) was raised,
    the secrets. What is in the database is otherwise left alone, a password changed in Odoo too.
options:
  name:
    description: Name of database and role, C(tenant.database_name).
    type: str
    required: true
  state:
    description: V(absent) drops database and role, whoever is connected.
    type: str
    choices: [present, absent]
    default: present
  tenant_id:
    description: The tenant's id, from which its secrets follow. Required with O(state=present).
    type: str
  secret_generation:
    description: C(tenant.secret_generation). Raising it sets new passwords and ends all sessions.
    type: int
    default: 1
  template:
    description: Name of the template database on the same server, as M(saasodoo.platform.odoo_template) returns it.
      Required with O(state=present).
    type: str
  base_url:
    description: The address customers use, such as V(https://acme.example.com). Required with O(state=present).
    type: str
  report_url:
    description: The address by which Odoo's own report renderer reaches it, such as V(http://127.0.0.1:22001).
      Required with O(state=present).
    type: str
  connection_limit:
    description: How many connections the role may have to the server.
    type: int
    default: 20
attributes:
  check_mode:
    description: Says what would change, and changes nothing.
    support: full
  diff_mode:
    description: Shows the role's limit, the addresses and the generation of the secrets, never a secret.
    support: full
extends_documentation_fragment:
  - saasodoo.platform.server
  - saasodoo.platform.platform_key
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: Give a tenant its database
  saasodoo.platform.tenant_database:
    name: odoo_c1_0f8fad5bd9cb
    tenant_id: 0f8fad5b-d9cb-469f-a165-70867728950e
    template: odoo_template_6f1ed002ab559585
    base_url: http://acme.localhost:21080
    report_url: http://127.0.0.1:22000
    server: {name: pool-1, host: 127.0.0.1, port: 21200}
    platform_key_file: /var/lib/saasodoo/secrets/platform.key

- name: Take it away
  saasodoo.platform.tenant_database:
    name: odoo_c1_0f8fad5bd9cb
    state: absent
    server: {name: pool-1, host: 127.0.0.1, port: 21200}
    platform_key_file: /var/lib/saasodoo/secrets/platform.key
"""

RETURN = r"""
database:
  description: The database.
  returned: success
  type: dict
  sample: {name: odoo_c1_0f8fad5bd9cb, server: pool-1}
"""
