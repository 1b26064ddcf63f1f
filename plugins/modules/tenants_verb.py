# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tenants_verb
short_description: Do one thing for many tenants
version_added: "0.1.0"
description:
  - Runs the verb's playbook for each tenant, each in an ansible-playbook of its own, since that holds the tenant's lock. They get
    the inventories and extra variables of the playbook that this runs in.
  - A tenant that fails, or may not have it done now, is named and does not hold up the others.
  - Stopped by SIGTERM or an interrupt it ends those that run.
options:
  verb:
    description: What to do. V(retry) is what the tenant's last run was for, or what billing wishes of it by now.
    type: str
    choices: [retry, start, stop, restart, suspend, resume, terminate]
    required: true
  tenants:
    description: Subdomains or ids.
    type: list
    elements: str
    default: []
  status:
    description: In their place, all tenants of this status.
    type: str
    choices:
      - creating
      - waiting_for_database
      - starting
      - running
      - stopping
      - stopped
      - paused
      - migrating
      - terminated
      - error
  approved:
    description:
      - How many tenants these are. Needed by V(verb=terminate) with O(status), which is refused where their number is another.
      - Check mode names them.
    type: int
attributes:
  check_mode:
    description: Says what it would do for whom, and does nothing.
    support: full
  diff_mode:
    description: Shows what is done for whom.
    support: full
extends_documentation_fragment:
  - saasodoo.platform.playbook_runs
  - saasodoo.platform.registry
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: Try again what failed, two tenants at a time
  saasodoo.platform.tenants_verb:
    verb: retry
    status: error
    parallel: 2
    playbooks: "{{ playbook_dir }}"
    log: "{{ saasodoo_home }}/log"
    registry: "{{ saasodoo_registry }}"
"""

RETURN = r"""
done:
  description: Tenants it was done for.
  returned: success
  type: list
  elements: str
  sample: [acme]
failures:
  description: Why it failed, by name.
  returned: success
  type: dict
  sample: {"beta": "fatal: [local]: FAILED! => ..."}
refused:
  description: Why it was not begun for others, by name.
  returned: success
  type: dict
  sample: {"gamma": "cannot resume a tenant that is running; expected: one of error, paused, running"}
"""
