# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Deployment's pods may use, changed while they run. Documentation: plugins/modules/kubernetes_resize.py."""

from __future__ import annotations

from typing import Any

from ..module_utils.domain.kubernetes.object import Manifest, Name
from ..module_utils.domain.kubernetes.pod_resources import Progress, Resources, amount, progress, resources, same
from ..module_utils.errors import TimedOut
from ..module_utils.kubernetes.cluster import Kubernetes
from ..module_utils.kubernetes.resize import ResizableDeployment
from ..module_utils.options import KUBERNETES
from ..module_utils.outcome import Outcome
from ..module_utils.waiting import Look, wait_until
from ..plugin_utils.noun import NounAction

_PAUSE = 0.2  # seconds between looks


class ActionModule(NounAction):
    """Resize the pods, then have the Deployment say so."""

    ARGUMENTS = {
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str", "required": True},
        "container": {"type": "str", "required": True},
        "resources": {
            "type": "dict",
            "required": True,
            "options": {"requests": {"type": "dict", "required": True}, "limits": {"type": "dict", "required": True}},
        },
        "timeout": {"type": "int", "default": 20},
        **KUBERNETES,
    }

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Return whether it was done in place, and what waits for a restart."""
        wanted = {kind: {name: str(value) for name, value in given.items()} for kind, given in options["resources"].items()}
        for given in wanted.values():
            for value in given.values():
                amount(value)
        name = Name("apps/v1", "Deployment", options["name"], options["namespace"])
        target = ResizableDeployment(Kubernetes(options["kubeconfig"], options["context"]), name, options["container"])
        deployment = target.read()
        if deployment is None:  # in check mode it may only be foretold; else applying it comes next
            return Outcome(facts=_facts(in_place=False))
        return _Resizing(target, deployment, options).bring(wanted, check=check)


class _Resizing:
    """One Deployment that is there."""

    def __init__(self, target: ResizableDeployment, deployment: Manifest, options: dict[str, Any]) -> None:
        self._target, self._deployment = target, deployment
        self._container, self._timeout = options["container"], options["timeout"]

    def bring(self, wanted: Resources, *, check: bool) -> Outcome:
        """Resize what is not as wanted."""
        before = resources(self._deployment, self._container)
        pods = self._target.pods(self._deployment)
        if same(before, wanted) and all(same(resources(pod, self._container), wanted) for pod in pods):
            if self._deployment["spec"].get("paused") and not check:
                self._target.go_on()
            return Outcome(facts=_facts(in_place=True))
        outcome = Outcome({"resources": before}, {"resources": wanted}, _facts(in_place=True), forced=True)
        if check:
            return outcome
        if not all(self._target.resize(pod, wanted) for pod in pods):
            return Outcome(facts=_facts(in_place=False))
        waits = [reason for pod in pods if (reason := self._await(pod, wanted))]
        self._target.follow(self._deployment, wanted)
        return Outcome(outcome.before, outcome.after, _facts(in_place=True, waits="; ".join(waits)), forced=True)

    def _await(self, pod: Manifest, wanted: Resources) -> str:
        """Wait until a pod has what it is to have; return what it waits for where it does not get it."""

        def look() -> Look:
            now = next(
                (each for each in self._target.pods(self._deployment) if each["metadata"]["uid"] == pod["metadata"]["uid"]), None
            )
            if now is None:
                return Look(True, "")
            how_far, reason = progress(now, self._container, wanted)
            return Look(how_far is Progress.DONE, reason)

        try:
            return wait_until(f"pod {pod['metadata']['name']}", look, timeout=self._timeout, pause=_PAUSE).found
        except TimedOut as error:
            return str(error.found or "the node has not resized it yet")


def _facts(*, in_place: bool, waits: str = "") -> dict[str, Any]:
    return {"resize": {"in_place": in_place, "pending": bool(waits), "waits": waits}}
