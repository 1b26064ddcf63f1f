# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One verb for many tenants. Documentation: plugins/modules/tenants_verb.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.crowd import VERBS, Asked, ask
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.playbook_runs import Job
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.registry import connect
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.lifecycle import Status
from ansible_collections.saasodoo.platform.plugins.module_utils.options import PLAYBOOK_RUNS, REGISTRY
from ansible_collections.saasodoo.platform.plugins.module_utils.reporting import Outcome
from ansible_collections.saasodoo.platform.plugins.plugin_utils.noun import NounAction
from ansible_collections.saasodoo.platform.plugins.plugin_utils.playbook_runs import run_jobs


class ActionModule(NounAction):
    """Run the verb's playbook for each tenant, and tell how that goes."""

    ARGUMENTS = {
        "verb": {"type": "str", "required": True, "choices": list(VERBS)},
        "tenants": {"type": "list", "elements": "str", "default": []},
        "status": {"type": "str", "choices": [str(status) for status in Status]},
        **PLAYBOOK_RUNS,
        **REGISTRY,
    }

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Do it for whom it may be done; a tenant that fails or is refused does not hold up the others."""
        with connect(options["registry"]) as connection:
            found = ask(connection, options["verb"], options["tenants"], options["status"] or "")
        todo = [each for each in found if each.verb]
        ended = [] if check else run_jobs([_job(each, Path(options["playbooks"])) for each in todo], options)
        facts = {
            "done": sorted(each.name for each in ended if each.succeeded),
            "failures": {each.name: each.message for each in ended if not each.succeeded},
            "refused": {each.name: str(each.refusal) for each in found if each.refusal},
        }
        return Outcome({}, {"verbs": {each.name: str(each.verb) for each in todo}} if todo else {}, facts)


def _job(each: Asked, playbooks: Path) -> Job:
    assert each.tenant is not None
    return Job(each.name, ((playbooks / f"tenant_{each.verb}.yml", {"tenant": str(each.tenant.id)}),))
