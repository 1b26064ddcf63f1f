"""Keep tenants apart. Loaded server-wide, never installed.

``cookies`` keeps one's sessions from the pages of others. What Odoo does on the database ``postgres`` is led here to the tenant's
own.

Odoo LISTENs and NOTIFYs there for its bus and its cron (odoo/addons/bus/models/bus.py, base/models/ir_cron.py,
odoo/service/server.py). NOTIFY reaches every session of a database, whatever its role, so tenants that share a server
would hear each other. LISTEN needs a session of its own, which PgBouncer's transaction pooling does not give: hence the
alias ``<database>__session``, session-pooled to the same database.

Only servers whose configuration names this addon in ``server_wide_modules`` are, and they have to be for one database.

Works on Odoo 11.0 and 19.0: both make every connection from what ``odoo.sql_db.connection_info_for`` returns.
"""

from __future__ import annotations

from typing import Any

from odoo import sql_db
from odoo.tools import config

from . import cookies

SELF = "saasodoo_isolation"
SHARED = "postgres"
ALIAS = "{}__session"


def is_loaded() -> bool:
    """Say whether this server's configuration names this addon."""
    return SELF in (config["server_wide_modules"] or ())


def own_database() -> str | None:
    """Return the one database this server is for; None when it is for none or several, or not to be led home."""
    if not is_loaded():
        return None
    names = config["db_name"] or []
    if isinstance(names, str):  # Odoo 11.0
        names = [name.strip() for name in names.split(",")]
    return names[0] if len(names) == 1 else None


def isolate() -> None:
    """Do all of it, when Odoo has loaded this."""
    from odoo import http  # not before Odoo does itself

    lead_home()
    if is_loaded():
        cookies.guard(type(http.root))


def lead_home() -> None:
    """Replace connection_info_for; doing so twice does no harm.

    The name it returns stays "postgres": the pool then does not keep the connection.
    """
    original = sql_db.connection_info_for

    def connection_info_for(db_or_uri: str, *args: Any, **kwargs: Any) -> tuple[str, dict[str, Any]]:
        name, info = original(db_or_uri, *args, **kwargs)
        own = own_database()
        if name == SHARED and own:
            info = dict(info, database=ALIAS.format(own))
        return name, info

    sql_db.connection_info_for = connection_info_for
