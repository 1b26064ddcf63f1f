# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tenant_operation
short_description: How far a verb has come on a tenant
version_added: "0.1.0"
description:
  - Records the stages of a verb (provision, suspend, ...) in a tenant's record, along the lifecycle table and nowhere else.
  - A verb is begun, may take steps, and is finished, undone or failed. Begun on a tenant that is at its goal already (except
    V(verb=restart), V(verb=resize) and V(verb=migrate)), it only converges and all its stages change nothing. After a run that
    died, the same verb goes on, and any other verb may begin once the dead one has been recorded as failed; but a termination
    must be ended by itself, and a tenant whose database is being moved is taken up by V(verb=migrate) or V(verb=resize) only.
  - The ansible-playbook process must hold the tenant's lock, which the callback plugin C(saasodoo.platform.tenant_lock) takes for
    the extra variable C(tenant). Without it, and when the lock was lost, this fails and changes nothing.
  - What Kill Bill says of the tenant (C(desired_state), C(billing_status)) is not changed. A verb by hand on a tenant that
    Kill Bill speaks for holds until the next sync of its account.
options:
  verb:
    description: What is being done to the tenant.
    type: str
    required: true
    choices: [provision, start, stop, restart, resize, migrate, suspend, resume, terminate]
  state:
    description:
      - V(begun) starts the verb. Begin it outside of what handles its failure, since a verb that is refused has not failed.
        V(verb=resize) and V(verb=migrate) end where they began, running or stopped, which the record keeps (C(returns_to)).
      - V(waiting_for_database), V(starting), V(stopping) and V(migrating) are steps on the way; not every verb has each.
      - V(finished) ends it at its goal. V(verb=provision) and V(verb=resize) record the plan as applied, V(verb=terminate)
        frees port and subdomain.
      - V(undone) ends V(verb=resize) or V(verb=migrate) after a failure of which nothing is left, where the verb began.
      - V(failed) ends it in status error, from where every verb may be begun by hand. While the tenant was migrating, the verb
        stays under way, so that only a verb that knows how to go on may follow.
      - When V(verb=resize) is undone or failed, the plan is recorded as one that only a person tries again.
    type: str
    required: true
    choices: [begun, waiting_for_database, starting, stopping, migrating, finished, undone, failed]
  message:
    description: Kept with the status. Needed for V(state=undone) and V(state=failed); it must hold no secret.
    type: str
  plan:
    description:
      - The plan that V(verb=provision) or V(verb=resize) applied, or could not apply; by default the tenant's plan as it is by
        then. Give the one read when the verb began, since it may have changed meanwhile.
    type: str
  code:
    description:
      - With V(state=failed), what kind of failure it was, as a noun's result names it (C(code)).
      - C(registry_unavailable) is not recorded. The verb stays under way, and the same command goes on with it.
      - In a run of the webhook runner, what else may pass (C(unavailable), C(timeout)) is not recorded, unless a database was
        being moved. The tenant stays where it is, and the runner says of it when it is tried again.
    type: str
    default: ''
extends_documentation_fragment:
  - saasodoo.platform.tenant
  - saasodoo.platform.registry
seealso:
  - module: saasodoo.platform.tenant
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
# ansible-playbook this.yml -e tenant=acme
- name: Begin
  saasodoo.platform.tenant_operation:
    tenant: "{{ tenant }}"
    verb: suspend
    state: begun
    registry: "{{ saasodoo_registry }}"

- name: Suspend
  block:
    - name: Say that it stops
      saasodoo.platform.tenant_operation:
        tenant: "{{ tenant }}"
        verb: suspend
        state: stopping
        registry: "{{ saasodoo_registry }}"

    - name: Say that it is suspended
      saasodoo.platform.tenant_operation:
        tenant: "{{ tenant }}"
        verb: suspend
        state: finished
        registry: "{{ saasodoo_registry }}"
  rescue:
    - name: Say that it failed
      saasodoo.platform.tenant_operation:
        tenant: "{{ tenant }}"
        verb: suspend
        state: failed
        message: "{{ ansible_failed_result.msg | default('unknown') }}"
        registry: "{{ saasodoo_registry }}"

- name: Say that its database could not be moved, and that it runs where it was
  saasodoo.platform.tenant_operation:
    tenant: "{{ tenant }}"
    verb: migrate
    state: undone
    message: "the target has no room"
    registry: "{{ saasodoo_registry }}"
"""

RETURN = r"""
tenant:
  description: The tenant's record and the names derived from it.
  type: dict
  returned: success, unless check mode predicted the tenant itself
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
  description:
    - What the tenant's plan gives it now; sizes as written and in bytes. Null for V(verb=terminate) where the plan is unknown.
  type: dict
  returned: success, unless check mode predicted the tenant itself
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
  returned: success, unless check mode predicted the tenant itself
  sample:
    name: pool-1
    server_type: shared
    host: 127.0.0.1
    port: 21200
    pooler_host: 127.0.0.1
    pooler_port: 21201
"""
