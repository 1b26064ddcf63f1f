# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Move all tenants away from a server. Documentation: plugins/modules/postgres_server_drain.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..module_utils.domain.server.drain import Drain, plan
from ..module_utils.options import PLAYBOOK_RUNS, REGISTRY
from ..module_utils.outcome import Outcome
from ..module_utils.registry.connection import connect
from ..module_utils.registry.residents import residents
from ..plugin_utils.drain import jobs, report
from ..plugin_utils.noun import NounAction
from ..plugin_utils.playbook_runs import run_jobs


class ActionModule(NounAction):
    """Run the playbooks that move each tenant, and tell how that goes."""

    ARGUMENTS = {
        "name": {"type": "str", "required": True},
        "let_go": {"type": "bool", "default": False},
        **PLAYBOOK_RUNS,
        **REGISTRY,
    }

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Move whoever can be moved; a tenant that fails does not hold up the others."""
        before = _plan(options)
        shown = _shown(before)
        if check:
            return Outcome(
                {"tenants": shown}, {"tenants": _shown(Drain((), (), before.kept, before.skipped))}, report(before, Drain(), ())
            )
        ended = run_jobs(jobs(before, Path(options["playbooks"]), let_go=options["let_go"]), options)
        after = _plan(options)
        return Outcome({"tenants": shown}, {"tenants": _shown(after)}, report(before, after, ended))


def _plan(options: dict[str, Any]) -> Drain:
    with connect(options["registry"]) as connection:
        return plan(residents(connection, options["name"]), let_go=options["let_go"])


def _shown(drain: Drain) -> dict[str, str]:
    return {
        each.name: str(each.purpose) for each in (*drain.move, *drain.settle, *drain.kept, *(one for one, _why in drain.skipped))
    }
