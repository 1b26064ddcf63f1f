# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who needs a person. Documentation: plugins/modules/attention_info.py."""

from __future__ import annotations

from typing import Any

from ..module_utils.options import REGISTRY
from ..module_utils.outcome import Outcome
from ..module_utils.registry.attention import needs
from ..module_utils.registry.connection import connect
from ..plugin_utils.noun import NounAction


class ActionModule(NounAction):
    """Read the list; changes nothing."""

    ARGUMENTS = {**REGISTRY}

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Return who is on it, the longest first."""
        with connect(options["registry"]) as connection:
            found = needs(connection)
        plain = [vars(each) | {"tenant_id": str(each.tenant_id), "since": each.since.isoformat()} for each in found]
        return Outcome(facts={"needs": plain})
