# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The registry's login roles. Documentation: plugins/modules/registry_role.py."""

from __future__ import annotations

from typing import Any

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters import registry_access as access
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.secrets import read_platform_key
from ansible_collections.saasodoo.platform.plugins.module_utils.options import NEW_REGISTRY, PLATFORM_KEY
from ansible_collections.saasodoo.platform.plugins.module_utils.reporting import Outcome
from ansible_collections.saasodoo.platform.plugins.plugin_utils.noun import NounAction

_COMPONENT = {
    "name": {"type": "str", "choices": list(access.COMPONENTS), "required": True},
    "user": {"type": "str", "required": True},
}


class ActionModule(NounAction):
    """One login role and one password file per component."""

    ARGUMENTS = {
        "components": {"type": "list", "elements": "dict", "options": _COMPONENT, "required": True},
        "passfiles": {"type": "path", "required": True},
        "host": {"type": "str", "default": "127.0.0.1"},
        "port": {"type": "int", "required": True},
        **NEW_REGISTRY,
        **PLATFORM_KEY,
    }

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Make and mend roles and password files."""
        components = access.read_components(options["components"], options["passfiles"])
        where = (options["host"], options["port"])
        if check and options["predict_new"]:
            return Outcome(*access.sync_components(None, components, None, where, check=True))
        key = read_platform_key(options["platform_key_file"])
        with access.connect_admin(*where, key, "postgres") as connection:
            return Outcome(*access.sync_components(connection, components, key, where, check=check))
