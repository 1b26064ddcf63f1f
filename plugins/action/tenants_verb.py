# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One verb for many tenants. Documentation: plugins/modules/tenants_verb.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..module_utils.domain.tenant.status import Status
from ..module_utils.domain.tenant.tenant import Tenant
from ..module_utils.domain.tenant.verb import Verb
from ..module_utils.host.playbook_runs import Job
from ..module_utils.options import PLAYBOOK_RUNS, REGISTRY
from ..module_utils.outcome import Outcome
from ..module_utils.registry.connection import connect
from ..module_utils.registry.many_tenants import CHOICES, Meant, ask
from ..plugin_utils.noun import NounAction
from ..plugin_utils.playbook_runs import run_jobs


class ActionModule(NounAction):
    """Run the verb's playbook for each tenant, and tell how that goes."""

    ARGUMENTS = {
        "verb": {"type": "str", "required": True, "choices": list(CHOICES)},
        "tenants": {"type": "list", "elements": "str", "default": []},
        "status": {"type": "str", "choices": [str(status) for status in Status]},
        "approved": {"type": "int"},
        **PLAYBOOK_RUNS,
        **REGISTRY,
    }

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Do it for whom it may be done; a tenant that fails or is refused does not hold up the others."""
        meant = Meant(options["tenants"], options["status"] or "", options["approved"])
        with connect(options["registry"]) as connection:
            found = ask(connection, options["verb"], meant, check=check)
        todo = {each.tenant: each.verb for each in found if each.tenant and each.verb}
        jobs = [_job(tenant, verb, Path(options["playbooks"])) for tenant, verb in todo.items()]
        ended = [] if check else run_jobs(jobs, options)
        facts = {
            "done": sorted(each.name for each in ended if each.succeeded),
            "failures": {each.name: each.message for each in ended if not each.succeeded},
            "refused": {each.name: str(each.refusal) for each in found if each.refusal},
        }
        return Outcome({}, {"verbs": {tenant.name: str(verb) for tenant, verb in todo.items()}} if todo else {}, facts)


def _job(tenant: Tenant, verb: Verb, playbooks: Path) -> Job:
    return Job(tenant.name, ((playbooks / f"tenant_{verb}.yml", {"tenant": str(tenant.id)}),))
