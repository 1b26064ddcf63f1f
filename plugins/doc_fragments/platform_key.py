# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the options in module_utils.options.PLATFORM_KEY."""

from __future__ import annotations


class ModuleDocFragment:
    """The platform key."""

    DOCUMENTATION = r"""
options:
  platform_key_file:
    description:
      - File (mode 0600) with the platform key, from which the secrets of tenants and servers are derived.
      - The environment variable E(SAASODOO_PLATFORM_KEY_FILE) is used where the option is not given.
    type: path
    required: true
"""
