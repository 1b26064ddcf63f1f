# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the option that all lookups of plugin_utils.secret_lookup have."""

from __future__ import annotations


class ModuleDocFragment:
    """The platform key, as lookups find it."""

    DOCUMENTATION = r"""
options:
  platform_key_file:
    description: File (mode 0600) with the platform key. Where it does not exist yet, check mode gets a placeholder.
    type: str
    required: true
    vars:
      - name: saasodoo_platform_key_file
    env:
      - name: SAASODOO_PLATFORM_KEY_FILE
"""
