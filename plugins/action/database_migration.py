# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant's database on its way to another server. Documentation: plugins/modules/database_migration.py."""

from __future__ import annotations

import os
from typing import Any

from ..module_utils.database_migration.planning import SETTINGS, Migrations
from ..module_utils.database_migration.states import STATES, bring_to
from ..module_utils.options import PLATFORM_KEY, REGISTRY
from ..module_utils.outcome import Outcome
from ..module_utils.registry import tenant_lock, tenants
from ..module_utils.registry.connection import connect
from ..plugin_utils.noun import NounAction
from ..plugin_utils.progress import report


class ActionModule(NounAction):
    """Bring a migration to its next state."""

    ARGUMENTS = {
        "tenant": {"type": "str", "required": True},
        "state": {"type": "str", "required": True, "choices": ["planned", "kept", *STATES]},
        "target": {"type": "str"},
        "strategy": {"type": "str", "choices": ["auto", "online", "offline"], "default": "auto"},
        "again": {"type": "bool", "default": False},
        "message": {"type": "str", "default": ""},
        "files": {"type": "path"},
        "home": {"type": "path", "required": True},
        **SETTINGS,
        **REGISTRY,
        **PLATFORM_KEY,
    }
    RULES = {"required_if": [("state", "planned", ["target"]), ("state", "undone", ["message"])]}

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Bring it there, if the ansible-playbook this runs for (the worker's parent) holds the tenant's lock."""
        with connect(options["registry"], autocommit=True) as connection:
            tenant = tenants.find(connection, options["tenant"])
            if not check:
                tenant_lock.check_held(connection, tenant, os.getppid())
            return bring_to(Migrations(connection, tenant, options, report), options["state"], check=check)
