# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_objects
short_description: Objects in Kubernetes
version_added: "0.1.0"
description:
  - Brings objects to their state by server-side apply, all under the field manager V(saasodoo). The platform owns the fields
    that it gives and no others. What somebody else changed of them is put back. What is given no more is removed. Fields, labels
    and annotations of others stay.
  - Only what the platform owns is compared and shown, so defaults of the API server, the work of controllers and the fields of
    others are no change.
  - A field that the kind does not have is refused, as is everything that its schema, a quota or a policy does not allow, with the
    API server's words.
  - Of a Secret no value is ever shown, neither in the diff nor in an error. The diff says whether it is the same or another one.
author:
  - SaaSOdoo developers (@saasodoo)
attributes:
  check_mode:
    description:
      - The API server tries each object and keeps nothing (C(dryRun=All)), so what it would refuse fails here, too.
      - An object whose namespace or kind is not there yet is foretold as made.
    support: full
  diff_mode:
    description: Shows those fields of changed objects that the platform owns, or owned.
    support: full
options:
  objects:
    description:
      - Manifests, each with C(apiVersion), C(kind) and C(metadata.name), and with C(metadata.namespace) unless it is of the whole
        cluster. Each object once.
      - They are applied in their order and removed in the reverse one, each gone before the next is begun.
    type: list
    elements: dict
    required: true
  state:
    description: Whether they are to be there. Objects that are missing already are fine.
    type: str
    choices: [present, absent]
    default: present
  timeout:
    description:
      - Seconds to wait for all together that are being deleted. That is what is to be absent, and an object that is still on its
        way out when it is to be present.
    type: int
    default: 60
extends_documentation_fragment:
  - saasodoo.platform.kubernetes
"""

EXAMPLES = r"""
- name: Make a namespace and its quota
  saasodoo.platform.kubernetes_objects:
    objects:
      - apiVersion: v1
        kind: Namespace
        metadata: {name: odoo-6f1ed002}
      - apiVersion: v1
        kind: ResourceQuota
        metadata: {name: plan, namespace: odoo-6f1ed002}
        spec: {hard: {limits.cpu: "2", limits.memory: 2Gi}}

- name: Remove a namespace with all that is in it
  saasodoo.platform.kubernetes_objects:
    objects:
      - {apiVersion: v1, kind: Namespace, metadata: {name: odoo-6f1ed002}}
    state: absent
    timeout: 300
"""

RETURN = r"""
objects:
  description: Whether each was changed, in the order given.
  returned: success
  type: list
  elements: dict
  sample:
    - name: Namespace odoo-6f1ed002
      changed: false
    - name: ResourceQuota plan in namespace odoo-6f1ed002
      changed: true
"""
