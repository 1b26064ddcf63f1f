# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tenant
short_description: The record of a tenant
version_added: "0.1.0"
description:
  - Makes sure that a tenant is recorded in the registry, and returns all that roles need to know of it.
  - With only O(tenant), reads the record. With O(customer_id) and O(plan) too, makes it if there is none that is not terminated,
    with the lowest free port and a database name of its own. Such a tenant is made by hand; Kill Bill has no say in it.
  - Fails when the subdomain is illegal, reserved or another customer's, when the plan is unknown, and when no port is free.
options:
  state:
    description: The record is there. It never goes away; M(saasodoo.platform.tenant_operation) ends a tenant.
    type: str
    choices: [present]
    default: present
  customer_id:
    description: Whose tenant it is. Needed for a new one; never changes.
    type: str
  plan:
    description:
      - The plan's name. Needed for a new tenant.
      - For a tenant made by hand, another plan of the same type of database is recorded. Otherwise Kill Bill decides the plan.
    type: str
  may_move:
    description: Whether O(plan) may need another type of database than the tenant has. Whoever says so moves it.
    type: bool
    default: false
  verb:
    description: The verb that begins next. Where it is to be refused, the task fails with the reason and records nothing.
    type: str
    choices: [provision, start, stop, restart, resize, migrate, suspend, resume, terminate]
  odoo_version:
    description: The Odoo version of a new tenant.
    type: str
    default: "19.0"
  http_port_first:
    description: A new tenant gets the lowest free port from here ...
    type: int
    default: 22000
  http_port_last:
    description: ... up to and including this one.
    type: int
    default: 24999
extends_documentation_fragment:
  - saasodoo.platform.tenant
  - saasodoo.platform.registry
seealso:
  - module: saasodoo.platform.tenant_operation
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: Make a tenant by hand
  saasodoo.platform.tenant:
    tenant: acme
    customer_id: c1
    plan: basic-monthly
    registry: "{{ saasodoo_registry }}"

- name: Read it
  saasodoo.platform.tenant:
    tenant: acme
    registry: "{{ saasodoo_registry }}"
  register: found
"""

RETURN = r"""
tenant:
  description: The tenant's record and the names derived from it.
  type: dict
  returned: success
  sample:
    id: 0f8fad5b-d9cb-469f-a165-70867728950e
    short_id: 0f8fad5bd9cb
    name: acme
    subdomain: acme
    customer_id: c1
    account_id: null
    subscription_id: null
    plan_name: basic-monthly
    status: running
    provisioning_status: ready
    billing_status: paid
    operation: null
    status_message: ""
    desired_state: manual
    cancel_at: null
    database_name: odoo_c1_0f8fad5bd9cb
    data_directory: odoo_data_odoo_c1_0f8fad5bd9cb_0f8fad5bd9cb
    http_port: 22000
    odoo_version: "19.0"
    secret_generation: 1
    created_at: "2026-01-31T12:00:00+00:00"
    updated_at: "2026-01-31T12:00:00+00:00"
    terminated_at: null
    applied_plan: basic-monthly
    failed_plan: null
    returns_to: null
    rest: running
entitlement:
  description: What the tenant's plan gives it now; sizes as written and in bytes.
  type: dict
  returned: success
  sample:
    cpu_limit: 2.0
    memory_limit: 4GB
    memory_bytes: 4294967296
    storage_limit: 10GB
    storage_bytes: 10737418240
    db_type: shared
server:
  description: The Postgres server the tenant has a place on; null while it has none.
  type: dict
  returned: success
  sample:
    name: pool-1
    server_type: shared
    host: 127.0.0.1
    port: 21200
    pooler_host: 127.0.0.1
    pooler_port: 21201
"""
