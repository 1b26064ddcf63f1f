# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find what moves of databases have left. Documentation: plugins/modules/migration_strays.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..module_utils.database_migration.survey import close_broken, remove_dumps, survey
from ..module_utils.options import PLATFORM_KEY, REGISTRY
from ..module_utils.outcome import Outcome
from ..module_utils.registry.connection import connect
from ..module_utils.registry.servers import known_component
from ..plugin_utils.noun import NounAction


class ActionModule(NounAction):
    """Look at all servers; strays are told, not removed; broken ways back are closed, dumps whose time is over removed."""

    ARGUMENTS = {
        "home": {"type": "path", "required": True},
        "patience": {"type": "float", "default": 15.0},
        "dump_days": {"type": "float", "default": 14.0},
        **REGISTRY,
        **PLATFORM_KEY,
    }

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Survey the servers that answer, then the ways back between them."""
        if check and not known_component(options["registry"]):  # the registry itself is only predicted
            return Outcome(facts={"strays": [], "broken_ways_back": {}, "unanswered": [], "removed_dumps": []})
        with connect(options["registry"], autocommit=True) as connection:
            found, servers, silent = survey(connection, options["platform_key_file"], Path(options["home"]))
            broken = close_broken(connection, servers, patience=options["patience"], check=check)
            dumps = remove_dumps(connection, Path(options["home"]) / "backups", days=options["dump_days"], check=check)
        before = {**dict.fromkeys(broken, "open"), **dict.fromkeys(dumps, "there")}
        facts = {"strays": [str(stray) for stray in found], "broken_ways_back": broken, "unanswered": silent}
        return Outcome(before=before, after=broken, facts={**facts, "removed_dumps": dumps})
