# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plans in the registry. Documentation: plugins/modules/plan.py."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ..module_utils.domain.billing.plan import plan_change, read_plan
from ..module_utils.options import NEW_REGISTRY, REGISTRY
from ..module_utils.outcome import Outcome
from ..module_utils.registry import connection as registry
from ..module_utils.registry import plans
from ..plugin_utils.noun import NounAction


class ActionModule(NounAction):
    """Entitlements of one or many plans, in one transaction."""

    ARGUMENTS = {"plans": {"type": "list", "elements": "dict", "required": True}, **NEW_REGISTRY, **REGISTRY}

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Bring the rows of the given plans to what is wanted; all others stay."""
        wanted = [row for plan in options["plans"] for row in read_plan(plan)]
        if check and options["predict_new"]:
            change = plan_change((), wanted, datetime.now(UTC))
        else:
            with registry.connect(options["registry"]) as connection:
                change = plans.sync(connection, wanted, check=check)
        return Outcome(change.before, change.after)
