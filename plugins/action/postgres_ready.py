# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait until a Postgres server answers. Documentation: plugins/modules/postgres_ready.py."""

from __future__ import annotations

from typing import Any

from ..module_utils.options import PLATFORM_KEY
from ..module_utils.outcome import Outcome
from ..module_utils.postgres.connection import connect_server
from ..module_utils.secrets.platform_key import read_platform_key
from ..plugin_utils.noun import NounAction


class ActionModule(NounAction):
    """Connect until it works; changes nothing."""

    ARGUMENTS = {
        "name": {"type": "str", "required": True},
        "host": {"type": "str", "default": "127.0.0.1"},
        "port": {"type": "int", "required": True},
        "dbname": {"type": "str", "default": "postgres"},
        "timeout": {"type": "int", "default": 60},
        **PLATFORM_KEY,
    }

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Wait for the server; check mode does not, since it may not have been started."""
        if check:
            return Outcome()
        key = read_platform_key(options["platform_key_file"])
        where = (options["host"], options["port"], options["name"])
        with connect_server(*where, key, options["dbname"], wait=options["timeout"]) as connection:
            return Outcome(facts={"version": connection.info.parameter_status("server_version")})
