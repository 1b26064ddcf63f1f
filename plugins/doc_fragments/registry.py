# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the options in module_utils.options.REGISTRY."""

from __future__ import annotations


class ModuleDocFragment:
    """The registry connection."""

    DOCUMENTATION = r"""
options:
  registry:
    description:
      - Connection string of the platform's registry in libpq form, with C(user) and C(passfile), never a password.
      - The environment variable E(SAASODOO_REGISTRY) is used where the option is not given.
    type: str
    required: true
"""
