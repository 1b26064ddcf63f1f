# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the options in module_utils.options.KILLBILL."""

from __future__ import annotations


class ModuleDocFragment:
    """The access to Kill Bill."""

    DOCUMENTATION = r"""
options:
  killbill_file:
    description:
      - File (mode 0600) that says how to reach Kill Bill, as JSON with C(url), C(user) and C(password) of an administrator,
        and C(api_key) and C(api_secret) of the Kill Bill tenant.
      - The environment variable E(SAASODOO_KILLBILL_FILE) is used where the option is not given.
    type: path
    required: true
  predict_new:
    description:
      - Kill Bill or its tenant may not be there yet. In check mode, say what the first run will make instead of failing.
      - Has no effect outside check mode.
    type: bool
    default: false
"""
