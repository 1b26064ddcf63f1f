# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant's database and role on a Postgres server. Documentation: plugins/modules/tenant_database.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..module_utils.odoo import database as odoo_database
from ..module_utils.odoo.database import TenantDatabase
from ..module_utils.options import PLATFORM_KEY, SERVER
from ..module_utils.outcome import Outcome
from ..module_utils.postgres.connection import Address
from ..module_utils.secrets.platform_key import read_platform_key
from ..module_utils.secrets.tenant import tenant_secrets
from ..plugin_utils.noun import NounAction


class ActionModule(NounAction):
    """Clone, keep, drop."""

    ARGUMENTS = {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "tenant_id": {"type": "str"},
        "secret_generation": {"type": "int", "default": 1},
        "template": {"type": "str"},
        "base_url": {"type": "str"},
        "report_url": {"type": "str"},
        "connection_limit": {"type": "int", "default": 20},
        **SERVER,
        **PLATFORM_KEY,
    }
    RULES = {"required_if": [("state", "present", ["tenant_id", "template", "base_url", "report_url"])]}

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Bring database and role to their state."""
        key, where = read_platform_key(options["platform_key_file"]), options["server"]
        address = Address(where["host"], where["port"], where["name"], key)
        if options["state"] == "absent":
            outcome = odoo_database.release(address, options["name"], check=check)
        else:
            secrets = tenant_secrets(key, options["tenant_id"], options["secret_generation"])
            outcome = odoo_database.converge(address, _wanted(options), secrets, check=check)
        return replace(outcome, facts={"database": {"name": options["name"], "server": where["name"]}})


def _wanted(options: dict[str, Any]) -> TenantDatabase:
    # Frozen: Odoo would else set it to whatever address the administrator happened to log in by.
    parameters = {"web.base.url": options["base_url"], "web.base.url.freeze": "True", "report.url": options["report_url"]}
    return TenantDatabase(options["name"], options["template"], parameters, options["connection_limit"])
