# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Watch what tenants' databases take. Documentation: plugins/modules/tenant_storage.py."""

from __future__ import annotations

from typing import Any

from ..module_utils.domain.tenant.storage import Level, StorageSettings
from ..module_utils.errors import Unavailable
from ..module_utils.options import PLATFORM_KEY, REGISTRY
from ..module_utils.outcome import Outcome
from ..module_utils.registry import servers, storage
from ..module_utils.registry.connection import connect
from ..module_utils.registry.servers import known_component
from ..module_utils.secrets.platform_key import read_platform_key
from ..plugin_utils.noun import NounAction
from ..plugin_utils.storage import Looked, look


class ActionModule(NounAction):
    """Measure all, server by server; have those only read that are over for too long, and others write again."""

    ARGUMENTS = {
        "near_percent": {"type": "int", "default": StorageSettings.near_percent},
        "grace_hours": {"type": "float", "default": StorageSettings.grace_hours},
        **REGISTRY,
        **PLATFORM_KEY,
    }

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Look at the servers that answer."""
        settings = StorageSettings(options["near_percent"], options["grace_hours"])
        if check and not known_component(options["registry"]):  # the registry itself is only predicted
            return Outcome(facts={"storage": [], "unanswered": []})
        key = read_platform_key(options["platform_key_file"])
        looked, silent = list[Looked](), []
        with connect(options["registry"], autocommit=True) as connection:
            tenants = storage.watched(connection)
            for name, address in servers.addresses(connection, key).items():
                try:
                    looked += look(connection, address, tenants[name], settings, check=check)
                except Unavailable:
                    silent.append(name)
            if not check:
                storage.record(connection, {each.tenant.id: each.found for each in looked})
        before = {each.tenant.name: each.level_before for each in looked}
        after = {each.tenant.name: str(each.found.level) for each in looked}
        told = [each.as_dict() for each in looked if each.found.level is not Level.WITHIN]
        return Outcome(before, after, {"storage": told, "unanswered": silent})
