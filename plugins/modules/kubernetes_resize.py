# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_resize
short_description: Change what a Deployment's pods may use, while they run
version_added: "0.1.0"
description:
  - Resizes the pods in place (Kubernetes 1.33 and newer), and has the Deployment say the same without replacing them.
  - Where the cluster does not resize pods, or not these, as they would not fit their node, nothing is changed, and
    C(resize.in_place) is false. Applying the Deployment with its new resources then replaces them, which is what should follow
    in any case.
  - A Deployment that does not exist is no error.
author:
  - SaaSOdoo developers (@saasodoo)
attributes:
  check_mode:
    description: Says what would change, and changes nothing; whether the cluster can is not tried.
    support: full
  diff_mode:
    description: Shows the resources before and after.
    support: full
options:
  name:
    description: The Deployment.
    type: str
    required: true
  namespace:
    description: Its namespace.
    type: str
    required: true
  container:
    description: The container to resize.
    type: str
    required: true
  resources:
    description: What it is to have.
    type: dict
    required: true
    suboptions:
      requests:
        description: What is set aside for it, by name, such as C(cpu) and C(memory).
        type: dict
        required: true
      limits:
        description: What it may use at most.
        type: dict
        required: true
  timeout:
    description: Seconds the node may take. After that the change goes on by itself, or waits, as C(resize.waits) says.
    type: int
    default: 20
extends_documentation_fragment:
  - saasodoo.platform.kubernetes
"""

EXAMPLES = r"""
- name: Give a tenant's Odoo more
  saasodoo.platform.kubernetes_resize:
    name: odoo-1f2e3d4c5b6a
    namespace: saasodoo
    container: odoo
    resources:
      requests: {cpu: 500m, memory: 1Gi}
      limits: {cpu: "4", memory: 8Gi}
"""

RETURN = r"""
resize:
  description: How it went. C(in_place) is whether no pod has to be replaced for it.
  returned: success
  type: dict
  sample: {in_place: true, pending: true, waits: "attempting to set pod memory limit below current usage"}
"""
