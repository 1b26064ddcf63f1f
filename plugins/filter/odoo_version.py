# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One of the inventory's versions of Odoo."""

from __future__ import annotations

DOCUMENTATION = r"""
name: odoo_version
short_description: One of the inventory's versions of Odoo
version_added: "0.1.0"
description: Finds a version in the list, checks what is said of it, and adds what is left out.
author:
  - SaaSOdoo developers (@saasodoo)
options:
  _input:
    description: The versions that are known (C(saasodoo_odoo_versions)).
    type: list
    elements: dict
    required: true
  wanted:
    description: Which of them.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show where Odoo 19.0 comes from
  ansible.builtin.debug:
    msg: "{{ (saasodoo_odoo_versions | saasodoo.platform.odoo_version('19.0')).source }}"
"""

RETURN = r"""
_value:
  description: The version, with its defaults.
  type: dict
  sample: {"version": "19.0", "without_demo": "True"}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.domain.odoo.version import find_version
from ..module_utils.errors import PlatformError


def _version(versions: Sequence[Mapping[str, Any]], wanted: str) -> dict[str, Any]:
    try:
        return find_version(versions, wanted)
    except PlatformError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """Gives the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"odoo_version": _version}
