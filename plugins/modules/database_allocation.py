# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_allocation
short_description: A tenant's place on a Postgres server
version_added: "0.1.0"
description:
  - Reserves a place on a server of the type the tenant's plan asks for, takes it into use, or gives it back.
  - Reserving reads, decides and writes in one transaction, so no two calls get the same place.
  - A reservation expires. Take the place into use before anything is made on the server, then it never does.
  - Where no server has room, the answer is C(provisioning). With RV(allocation.build) the caller is to make that server
    and ask again; without, somebody else makes one, and the caller asks again after RV(allocation.retry_after) seconds.
    Look at RV(allocation.build) each time; a builder that died is replaced by the next caller.
  - Fails, naming every server and its reason, when there is no place and no room for another server.
options:
  tenant:
    description: The tenant's id or subdomain.
    type: str
    required: true
  state:
    description:
      - V(allocated) reserves a place, or finds the one the tenant has.
      - V(in_use) makes the reservation last. With O(settings) a tenant without one is given a place that lasts from the start.
      - V(kept) says that the tenant is terminated and its database kept. In a pool that takes no place, but the server is not
        retired.
      - V(absent) gives the place back.
    type: str
    choices: [allocated, in_use, kept, absent]
    default: allocated
  db_type:
    description: Type of server; by default what the tenant's plan in force says.
    type: str
    choices: [shared, dedicated]
  purpose:
    description:
      - Which of the tenant's databases the place is for. Each is on a server of its own.
      - V(home) is the one it lives in, V(target) the one a migration moves it to, V(former) the one it was moved from,
        V(kept) the one it lived in until it was terminated. The last two get no place, that is what becomes of a home; they can
        only be given back.
    type: str
    choices: [home, target, former, kept]
    default: home
  avoid:
    description: Names of servers never to choose, such as one that is to be emptied.
    type: list
    elements: str
    default: []
  server:
    description: The one server to choose. When it can't be had this fails with the reason; nothing else is chosen or built.
    type: str
attributes:
  check_mode:
    description: Gives the same answer and writes nothing.
    support: full
  diff_mode:
    description: Shows the place, or the build, before and after; times of expiry are left out.
    support: full
extends_documentation_fragment:
  - saasodoo.platform.allocation_settings
  - saasodoo.platform.registry
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: Reserve a place
  saasodoo.platform.database_allocation:
    tenant: acme
    settings: "{{ saasodoo_allocation }}"
    registry: "{{ saasodoo_registry }}"
  register: reserved

- name: Take it into use
  saasodoo.platform.database_allocation:
    tenant: acme
    state: in_use
    registry: "{{ saasodoo_registry }}"

- name: Do both at once
  saasodoo.platform.database_allocation:
    tenant: acme
    state: in_use
    settings: "{{ saasodoo_allocation }}"
    registry: "{{ saasodoo_registry }}"
  register: place

- name: Reserve a place to move to, anywhere but on one server
  saasodoo.platform.database_allocation:
    tenant: acme
    purpose: target
    avoid: [pool-1]
    settings: "{{ saasodoo_allocation }}"
    registry: "{{ saasodoo_registry }}"

- name: Give it back
  saasodoo.platform.database_allocation:
    tenant: acme
    state: absent
    registry: "{{ saasodoo_registry }}"
"""

RETURN = r"""
allocation:
  description: The answer. With O(state=absent), and O(state=in_use) without O(settings), it has only the state.
  type: dict
  returned: success
  contains:
    state:
      description: C(allocated), C(provisioning), C(in_use) or C(absent).
      type: str
      sample: allocated
    server:
      description: Where the place is; null while provisioning.
      type: dict
      sample: {name: pool-1, host: 127.0.0.1, port: 21200, pooler_host: 127.0.0.1, pooler_port: 21201}
    build:
      description: The server the caller is to make, and holds the lease for; null when there is none.
      type: dict
      sample:
        name: pool-2
        server_type: shared
        host: 127.0.0.1
        port: 21202
        pooler_host: 127.0.0.1
        pooler_port: 21203
        max_instances: 50
        cpu_limit: 2.0
        memory_limit: 4GB
    retry_after:
      description: Seconds to wait before asking again.
      type: int
      sample: 10
    retries:
      description: Times to ask before giving up.
      type: int
      sample: 30
    timeout_message:
      description: What to say then.
      type: str
      sample: Database allocation timeout after 5 minutes
    explanation:
      description: Every server, whether it was chosen, and why.
      type: list
      elements: dict
      sample:
        - {server: pool-1, chosen: true, reason: "the fullest with room: 49 of 50 places taken"}
        - {server: pool-2, chosen: false, reason: unhealthy}
"""
