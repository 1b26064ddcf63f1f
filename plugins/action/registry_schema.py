# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The registry's database. Documentation: plugins/modules/registry_schema.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..module_utils.options import NEW_REGISTRY, PLATFORM_KEY
from ..module_utils.outcome import Outcome
from ..module_utils.registry import schema as registry_schema
from ..module_utils.registry.schema_steps import LATEST
from ..module_utils.secrets.platform_key import read_platform_key
from ..plugin_utils.noun import NounAction


class ActionModule(NounAction):
    """Database, schema steps, job tables and grants."""

    ARGUMENTS = {
        "owner": {"type": "str", "required": True},
        "folder": {"type": "path", "required": True},
        "version": {"type": "str", "default": LATEST},
        **NEW_REGISTRY,
        **PLATFORM_KEY,
    }

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Bring the schema to the version."""
        release = registry_schema.Release(Path(options["folder"]), options["version"])
        if check and options["predict_new"]:
            return Outcome(vars(registry_schema.NOTHING), vars(release.wanted()))
        key = read_platform_key(options["platform_key_file"])
        change = registry_schema.sync(options["owner"], key, release, check=check)
        return Outcome(vars(change.before), vars(change.after))
