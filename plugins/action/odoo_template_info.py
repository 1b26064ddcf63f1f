# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a template database is on a server. Documentation: plugins/modules/odoo_template_info.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters import odoo_template
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.odoo_program import read_release
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.odoo_template import Places
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.postgres import connect_server
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.secrets import read_platform_key
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.odoo_template import template_of
from ansible_collections.saasodoo.platform.plugins.module_utils.options import ODOO_TEMPLATE, PLATFORM_KEY, SERVER
from ansible_collections.saasodoo.platform.plugins.module_utils.reporting import Outcome
from ansible_collections.saasodoo.platform.plugins.plugin_utils.noun import NounAction


class ActionModule(NounAction):
    """Look, change nothing."""

    ARGUMENTS = {**ODOO_TEMPLATE, **SERVER, **PLATFORM_KEY}

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Return the template as a fact."""
        key, where = read_platform_key(options["platform_key_file"]), options["server"]
        release = read_release(Path(options["runtime"]))
        words = (options["modules"], options["language"], options["country"])
        template = template_of(release["version"], release["build"], *words)
        places = Places(Path(options["home"]), Path(options["cache"]))
        with connect_server(where["host"], where["port"], where["name"], key) as server:
            ready = all(odoo_template.describe(server, places, template).values())
        return Outcome(facts={"template": odoo_template.facts(where["name"], places, template, ready=ready)})
