# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant's record. Documentation: plugins/modules/tenant.py."""

from __future__ import annotations

import os
from typing import Any

from ..module_utils.domain.tenant import operation
from ..module_utils.domain.tenant.verb import Verb
from ..module_utils.options import REGISTRY
from ..module_utils.outcome import Outcome
from ..module_utils.registry import tenant_lock, tenants
from ..module_utils.registry.connection import connect
from ..plugin_utils.noun import NounAction
from ..plugin_utils.tenant import describe, shown


class ActionModule(NounAction):
    """Make the record, or read it."""

    ARGUMENTS = {
        "tenant": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present"], "default": "present"},
        "customer_id": {"type": "str"},
        "plan": {"type": "str"},
        "may_move": {"type": "bool", "default": False},
        "verb": {"type": "str", "choices": [str(verb) for verb in Verb]},
        "odoo_version": {"type": "str", "default": "19.0"},
        "http_port_first": {"type": "int", "default": 22000},
        "http_port_last": {"type": "int", "default": 24999},
        **REGISTRY,
    }

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Make sure the tenant is recorded as asked for; nothing is where the verb that is to follow is refused."""
        with connect(options["registry"]) as connection:
            before, after = tenants.present(
                connection,
                options["tenant"],
                customer_id=options["customer_id"],
                plan_name=options["plan"],
                odoo_version=options["odoo_version"],
                ports=range(options["http_port_first"], options["http_port_last"] + 1),
                may_move=options["may_move"],
                check=check,
            )
            if options["verb"]:
                operation.begun(after, Verb(options["verb"]))
                if not check:
                    tenant_lock.check_held(connection, after, os.getppid())
            return Outcome(shown(before), shown(after), describe(connection, after))
