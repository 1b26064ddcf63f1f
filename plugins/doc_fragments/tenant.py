# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of what the nouns about a tenant have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """How a tenant is named."""

    DOCUMENTATION = r"""
options:
  tenant:
    description:
      - The tenant's subdomain or id. Of a subdomain, the live tenant is meant; if there is none, the one terminated last.
    type: str
    required: true
attributes:
  check_mode:
    description: Gives the same answer and writes nothing.
    support: full
  diff_mode:
    description: Shows plan (also the one applied, and one that failed), status, operation, message and port before and after.
    support: full
"""
