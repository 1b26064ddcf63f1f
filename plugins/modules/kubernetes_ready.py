# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_ready
short_description: Wait until objects in Kubernetes are ready
version_added: "0.1.0"
description:
  - Looks until every object is what its controller should make of it. A Deployment has all its replicas available and of the
    newest form, a StatefulSet likewise, a DaemonSet on all its nodes, a PersistentVolumeClaim is bound, a Job is done, a
    CloudNativePG Cluster or Pooler has all its instances, what Rook makes of Ceph is in phase Ready and its health not
    C(HEALTH_ERR); an object of another kind is there.
  - What does not become ready fails the task with the object's own words, what keeps its pods, the events of both, and the last
    lines of the logs of containers that do not run. It fails at once where waiting is in vain, such as for an image that the
    node does not have and may not fetch.
author:
  - SaaSOdoo developers (@saasodoo)
attributes:
  check_mode:
    description: Does not wait, since the objects may not have been made.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
options:
  objects:
    description: What to wait for.
    type: list
    elements: dict
    required: true
    suboptions:
      api_version:
        description: As in its manifest.
        type: str
        default: v1
      kind:
        description: As in its manifest.
        type: str
        required: true
      name:
        description: Its name.
        type: str
        required: true
      namespace:
        description: Its namespace. Empty, it is of the cluster.
        type: str
        default: ""
  timeout:
    description: Seconds to wait for all of them together.
    type: int
    default: 300
extends_documentation_fragment:
  - saasodoo.platform.kubernetes
"""

EXAMPLES = r"""
- name: Wait until Odoo runs
  saasodoo.platform.kubernetes_ready:
    objects:
      - {api_version: apps/v1, kind: Deployment, name: odoo-6f1ed002, namespace: saasodoo}
    timeout: 120
"""

RETURN = r"""
objects:
  description: What was found of each, in the order asked for.
  returned: success, except in check mode
  type: list
  elements: dict
  sample:
    - name: Deployment odoo-6f1ed002 in namespace saasodoo
      found: 1 of 1 replicas are available, 1 of them of the new kind
"""
