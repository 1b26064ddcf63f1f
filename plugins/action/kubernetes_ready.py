# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting until objects in Kubernetes are ready. Documentation: plugins/modules/kubernetes_ready.py."""

from __future__ import annotations

import time
from typing import Any

from ..module_utils.domain.kubernetes.object import Name
from ..module_utils.errors import TimedOut
from ..module_utils.kubernetes.cluster import Kubernetes
from ..module_utils.options import KUBERNETES
from ..module_utils.outcome import Outcome
from ..module_utils.waiting import Look, wait_until
from ..plugin_utils.noun import NounAction

_PAUSE = 0.25  # seconds between looks at an object
_PODS = 2  # seconds between looks at its pods, which cost the more the more tenants there are


class ActionModule(NounAction):
    """Wait for each object in turn; changes nothing."""

    ARGUMENTS = {
        "objects": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "api_version": {"type": "str", "default": "v1"},
                "kind": {"type": "str", "required": True},
                "name": {"type": "str", "required": True},
                "namespace": {"type": "str", "default": ""},
            },
        },
        "timeout": {"type": "int", "default": 300},
        **KUBERNETES,
    }

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Return what was found of each."""
        if check:
            return Outcome()
        cluster = Kubernetes(options["kubeconfig"], options["context"])
        end = time.monotonic() + options["timeout"]
        names = [Name(**each) for each in options["objects"]]
        return Outcome(facts={"objects": [{"name": str(name), "found": _ready(cluster, name, end)} for name in names]})


def _ready(cluster: Kubernetes, name: Name, end: float) -> str:
    """Return what was found once it is ready. Raises TimedOut with why it is not."""
    pods_next = time.monotonic() + _PODS

    def look() -> Look:
        nonlocal pods_next
        pods = time.monotonic() >= pods_next
        if pods:
            pods_next = time.monotonic() + _PODS
        seen = cluster.standing(name, pods=pods)
        if seen.in_vain:
            raise TimedOut(f"{name} does not become ready by waiting")
        return Look(seen.ready, seen.found)

    try:
        return wait_until(str(name), look, timeout=max(0.0, end - time.monotonic()), pause=_PAUSE).found
    except TimedOut as error:
        raise TimedOut(error.what, found=cluster.explain(name)) from None
