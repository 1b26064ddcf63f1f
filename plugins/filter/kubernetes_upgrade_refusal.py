# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a cluster may not be upgraded to a version."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kubernetes_upgrade_refusal
short_description: Why a cluster may not be upgraded to a version
version_added: "0.1.0"
description: Holds a wanted version of Kubernetes against what a cluster runs, by Kubernetes' own rules on version skew.
author:
  - SaaSOdoo developers (@saasodoo)
options:
  _input:
    description: The version wanted, such as V(1.36.3).
    type: str
    required: true
  running:
    description: The version of the cluster's control plane.
    type: str
    required: true
  kubelets:
    description: The versions of the nodes' kubelets, by the nodes' names.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: See that the cluster may be upgraded
  ansible.builtin.assert:
    that: refusal == ''
    fail_msg: "{{ refusal }}"
  vars:
    refusal: "{{ '1.36.3' | saasodoo.platform.kubernetes_upgrade_refusal('v1.35.1', {'node-1': 'v1.34.0'}) }}"
"""

RETURN = r"""
_value:
  description: The reason, empty where it may be upgraded.
  type: str
  sample: ""
"""

from collections.abc import Callable, Mapping
from typing import Any

from ..module_utils.domain.kubernetes.version import check_upgrade
from ..module_utils.errors import PlatformError


def _refusal(wanted: str, running: str, kubelets: Mapping[str, str]) -> str:
    try:
        check_upgrade(wanted, running, kubelets)
    except PlatformError as error:
        return str(error)
    return ""


class FilterModule:
    """Gives the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"kubernetes_upgrade_refusal": _refusal}
