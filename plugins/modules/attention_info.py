# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: attention_info
short_description: Who needs a person
version_added: "0.1.0"
description:
  - Lists the tenants that do not come right by themselves, with the cause, since when, and what to type once that is mended.
  - They are those in error, those whose verb nobody goes on with, whose plan could not be applied, whose subscription can't
    become a tenant, and those whose move can't be settled. Who is being worked on, or tried again later, is not one of them.
attributes:
  check_mode:
    description: Only reads.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
extends_documentation_fragment:
  - saasodoo.platform.registry
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: See who needs a person
  saasodoo.platform.attention_info:
    registry: "{{ saasodoo_registry }}"
"""

RETURN = r"""
needs:
  description: One entry for each tenant, the longest first.
  type: list
  elements: dict
  returned: success
  sample:
    - tenant: acme
      tenant_id: 0f8fad5b-d9cb-469f-a165-70867728950e
      cause: "suspend failed: Stop Odoo: no space left on device"
      since: "2026-01-01T00:00:00+00:00"
      command: ansible-playbook playbooks/tenant_suspend.yml -e tenant=acme
"""
