# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the options in module_utils.options.KUBERNETES."""

from __future__ import annotations


class ModuleDocFragment:
    """The access to a cluster."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - File that names the cluster and the user. Without one, a pod's own account is used inside a cluster, else
        C(~/.kube/config).
      - The environment variable E(KUBECONFIG) is used where the option is not given.
    type: path
    default: ""
  context:
    description: The file's context to use instead of its current one.
    type: str
    default: ""
"""
