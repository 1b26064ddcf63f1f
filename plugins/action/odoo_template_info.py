# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a template database is on a server. Documentation: plugins/modules/odoo_template_info.py."""

from __future__ import annotations

from typing import Any

from ..module_utils.odoo import template as odoo_template
from ..module_utils.options import ODOO_TEMPLATE, PLATFORM_KEY, SERVER
from ..module_utils.outcome import Outcome
from ..module_utils.postgres.connection import Address
from ..module_utils.secrets.platform_key import read_platform_key
from ..plugin_utils.noun import NounAction


class ActionModule(NounAction):
    """Look, change nothing."""

    ARGUMENTS = {**ODOO_TEMPLATE, **SERVER, **PLATFORM_KEY, "timeout": {"type": "int", "default": 60}}

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Return the template as a fact."""
        key, where = read_platform_key(options["platform_key_file"]), options["server"]
        template, places = odoo_template.read_options(options)
        # In check mode the server may only be predicted: nothing to wait for.
        wait = 0 if check else options["timeout"]
        address = Address(where["host"], where["port"], where["name"], key)
        ready = all(odoo_template.describe_on(address, places, template, check=check, wait=wait).values())
        return Outcome(facts={"template": odoo_template.facts(where["name"], places, template, ready=ready)})
