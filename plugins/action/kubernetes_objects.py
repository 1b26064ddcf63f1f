# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objects in Kubernetes. Documentation: plugins/modules/kubernetes_objects.py."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ..module_utils.domain.kubernetes.object import Manifest, Name, Wanted, brings, read_objects
from ..module_utils.domain.kubernetes.ownership import ObjectChange, change, foretold
from ..module_utils.errors import InvalidInput, NotFound, TimedOut
from ..module_utils.kubernetes.objects import KubernetesObjects
from ..module_utils.options import KUBERNETES
from ..module_utils.outcome import Outcome
from ..module_utils.waiting import Look, wait_until
from ..plugin_utils.noun import NounAction

_PAUSE = 0.1  # seconds between looks
_NEW_KIND = 10  # seconds for the API server to offer a kind whose definition it has just taken


class ActionModule(NounAction):
    """Apply objects in their order, or remove them in the reverse one."""

    ARGUMENTS = {
        "objects": {"type": "list", "elements": "dict", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "timeout": {"type": "int", "default": 60},
        **KUBERNETES,
    }

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Bring each object to its state and return what changed; what is not ours is neither touched nor shown."""
        wanted = read_objects(options["objects"])
        work = _Work(KubernetesObjects(options["kubeconfig"], options["context"]), options["timeout"], check=check)
        if options["state"] == "present":
            return _outcome(work.present(wanted))
        return _outcome([work.absent(each.name) for each in reversed(wanted)][::-1])


class _Work:
    """What one task does in a cluster, within its time."""

    def __init__(self, cluster: KubernetesObjects, timeout: int, *, check: bool) -> None:
        self._cluster, self._check, self._timeout = cluster, check, timeout
        self._end = time.monotonic() + timeout

    def present(self, wanted: Sequence[Wanted]) -> list[ObjectChange]:
        """Apply each, once what it is made from is there."""
        done, brought = [], set[tuple[str, str]]()
        for each in wanted:
            if (each.name.api_version, each.name.kind) in brought and not self._check:
                self._await_kind(each.name)
            done.append(self._present(each))
            brought |= brings(each.manifest)
        return done

    def absent(self, name: Name) -> ObjectChange:
        """Remove an object and wait until it is gone: what it needs comes next, and must outlive it."""
        found = self._cluster.read(name) if self._cluster.knows(name) else None
        if found is not None:
            self._cluster.delete(name, found, check=self._check)
            if not self._check:
                self._await_end(name, found)
        return change(name, found, None)

    def _present(self, wanted: Wanted) -> ObjectChange:
        name = wanted.name
        if not self._cluster.knows(name):
            if self._check:
                return foretold(name, wanted.manifest)
            action = "install what brings this kind (its CustomResourceDefinition), or mend apiVersion and kind"
            raise InvalidInput(
                f"{name} can't be made", found=f"the cluster has no {name.kind} in {name.api_version}", action=action
            )
        found = self._cluster.read(name)
        if found is not None and found["metadata"].get("deletionTimestamp"):
            if self._check:
                return foretold(name, wanted.manifest)
            self._await_end(name, found)
            found = None
        try:
            return change(name, found, self._cluster.apply(wanted, check=self._check))
        except NotFound:
            if self._check:  # such as the namespace: an earlier object, or an earlier task, would have made it
                return foretold(name, wanted.manifest)
            raise

    def _await_kind(self, name: Name) -> None:
        wait_until(f"the kind of {name}", lambda: Look(self._cluster.knows(name), "it is not offered yet"), timeout=_NEW_KIND)

    def _await_end(self, name: Name, found: Manifest) -> None:
        """Wait until an object is gone. Raises TimedOut with what holds it."""

        def look() -> Look:
            left = self._cluster.left(name, found)
            return Look(not left, left)

        try:
            wait_until(str(name), look, timeout=max(0.0, self._end - time.monotonic()), pause=_PAUSE)
        except TimedOut as error:
            action = "see to it that what holds it lets go, or give more time (timeout)"
            what = f"{name} was not gone after {self._timeout} s"
            raise TimedOut(what, found=error.found, expected="no such object", action=action) from None


def _outcome(done: Sequence[ObjectChange]) -> Outcome:
    """Of what did not change nothing is shown: a list may be long."""
    changed = [each for each in done if each.changed]
    return Outcome(
        before={str(each.name): each.before for each in changed if each.before is not None},
        after={str(each.name): each.after for each in changed if each.after is not None},
        facts={"objects": [{"name": str(each.name), "changed": each.changed} for each in done]},
    )
