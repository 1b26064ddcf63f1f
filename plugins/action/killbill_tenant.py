# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Kill Bill tenant. Documentation: plugins/modules/killbill_tenant.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..module_utils.errors import InvalidInput
from ..module_utils.killbill.api import Api, read_access
from ..module_utils.killbill.setup import SetupChange, TenantState, change_tenant, read_tenant
from ..module_utils.options import KILLBILL
from ..plugin_utils.killbill import KillBillAction


class ActionModule(KillBillAction):
    """Make the tenant that the access names, with its configuration."""

    ARGUMENTS = {"configuration": {"type": "dict", "default": {}}, **KILLBILL}
    EMPTY = TenantState()

    def read(self, api: Api, options: dict[str, Any]) -> TenantState:
        """Return the tenant."""
        return read_tenant(api)

    def change(self, present: TenantState, options: dict[str, Any]) -> SetupChange:
        """Make the tenant where there is none."""
        configuration = {str(name): str(value) for name, value in options["configuration"].items()}
        try:
            access = read_access(options["killbill_file"])
        except InvalidInput:
            if present.id or not options["predict_new"]:
                raise
            return change_tenant(present, "", "", configuration)
        return change_tenant(present, access.api_key, access.api_secret, configuration)

    def facts(self, present: TenantState, options: dict[str, Any]) -> Mapping[str, Any]:
        """Return Kill Bill's id of the tenant."""
        return {"tenant_id": present.id}
