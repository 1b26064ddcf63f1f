# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the options in module_utils.options.NEW_REGISTRY."""

from __future__ import annotations


class ModuleDocFragment:
    """A registry that is about to be made."""

    DOCUMENTATION = r"""
options:
  predict_new:
    description:
      - The registry is not there yet. In check mode, say what the first run will make instead of asking it.
      - Has no effect outside check mode.
    type: bool
    default: false
"""
