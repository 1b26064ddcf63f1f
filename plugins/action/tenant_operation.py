# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far a verb has come on a tenant. Documentation: plugins/modules/tenant_operation.py."""

from __future__ import annotations

import os
from typing import Any

from ..module_utils.domain.tenant.operation import Details, Stage
from ..module_utils.domain.tenant.status import Status
from ..module_utils.domain.tenant.verb import MOVING, VERBS, Verb
from ..module_utils.errors import PASSING, NotFound, RegistryUnavailable
from ..module_utils.options import REGISTRY
from ..module_utils.outcome import Outcome
from ..module_utils.registry import tenant_lock, tenants
from ..module_utils.registry.connection import connect
from ..plugin_utils.noun import NounAction
from ..plugin_utils.tenant import describe, shown

_RUN = "SAASODOO_RUN_ID"  # which webhook_runner/run_processes.py marks its runs with


class ActionModule(NounAction):
    """Record a stage of a verb."""

    ARGUMENTS = {
        "tenant": {"type": "str", "required": True},
        "verb": {"type": "str", "required": True, "choices": [str(verb) for verb in Verb]},
        "state": {"type": "str", "required": True, "choices": [str(stage) for stage in Stage]},
        "message": {"type": "str"},
        "plan": {"type": "str"},
        "code": {"type": "str", "default": ""},
        **REGISTRY,
    }
    RULES = {"required_if": [("state", "failed", ["message"]), ("state", "undone", ["message"])]}

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Record the stage, if the ansible-playbook this runs for (the worker's parent) holds the tenant's lock."""
        verb, stage = Verb(options["verb"]), Stage(options["state"])
        details = Details(options["message"] or "", options["plan"])
        with connect(options["registry"]) as connection:
            try:
                tenant = tenants.find(connection, options["tenant"])
            except NotFound:
                if check and VERBS[verb].makes_record:  # its record is made by an earlier task, which check mode only predicted
                    return Outcome({}, {"status": str(Status.CREATING), "operation": str(verb), "stage": str(stage)})
                raise
            if not check:
                tenant_lock.check_held(connection, tenant, os.getppid())
            if stage is Stage.FAILED and _goes_on(verb, options["code"]):
                return Outcome({}, {}, describe(connection, tenant, verb))
            change = tenants.operate(connection, tenant.id, verb, stage, details, check=check)
            return Outcome(shown(change.before), shown(change.after), describe(connection, change.after, verb))


def _goes_on(verb: Verb, code: str) -> bool:
    """Say whether the verb stays under way, to be gone on with.

    Where the registry was away, nobody knows more: the tenant is as it was, and whoever asked for the verb asks again. What else
    may pass, the webhook runner tries again, if this runs for it; a move it leaves to its journal.
    """
    return code == RegistryUnavailable.code or (code in PASSING and _RUN in os.environ and verb not in MOVING)
