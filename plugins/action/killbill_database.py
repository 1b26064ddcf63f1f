# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The schema of Kill Bill's own database. Documentation: plugins/modules/killbill_database.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..module_utils.errors import InvalidInput, Unavailable
from ..module_utils.killbill import schema as killbill_schema
from ..module_utils.options import PLATFORM_KEY, SERVER
from ..module_utils.outcome import Outcome
from ..module_utils.secrets.platform_key import read_platform_key
from ..plugin_utils.noun import NounAction


class ActionModule(NounAction):
    """Make the tables that are missing."""

    ARGUMENTS = {
        "war": {"type": "path", "required": True},
        "plugins": {"type": "list", "elements": "path", "default": []},
        "predict_new": {"type": "bool", "default": False},
        **SERVER,
        **PLATFORM_KEY,
    }

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Compare the schema in the war with the database, and make what is missing."""
        files = [Path(file) for file in (options["war"], *options["plugins"])]
        new = check and options["predict_new"]
        if new and not all(file.exists() for file in files):
            return Outcome({}, {"tables": "all"})
        schema = killbill_schema.read_schema(*files)
        given = options["server"]
        try:
            key = read_platform_key(options["platform_key_file"])
            server = killbill_schema.Server(given["host"], given["port"], given["name"], key)
            found = killbill_schema.read_tables(server)
        except (InvalidInput, Unavailable):
            if not new:
                raise
            found = frozenset()
        missing = killbill_schema.plan(schema, found)
        if not check and missing:
            killbill_schema.make(server, schema, missing)
        wanted = found.union(*(schema.tables(group) for group in missing))
        before, after = ({"tables": killbill_schema.count(schema, tables)} for tables in (found, wanted))
        return Outcome(before, after, after)
