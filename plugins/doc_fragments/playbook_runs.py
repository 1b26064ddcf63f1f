# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the options in module_utils.options.PLAYBOOK_RUNS."""

from __future__ import annotations


class ModuleDocFragment:
    """Playbooks that are run for many tenants."""

    DOCUMENTATION = r"""
options:
  playbooks:
    description: Folder of the playbooks.
    type: path
    required: true
  log:
    description: Folder for what they print, in a file per tenant.
    type: path
    required: true
  parallel:
    description: How many tenants at a time.
    type: int
    default: 1
"""
