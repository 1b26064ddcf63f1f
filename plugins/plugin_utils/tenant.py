# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the nouns about a tenant return and show."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from ..module_utils.domain.billing.plan import Entitlement
from ..module_utils.domain.server.database_server import Server
from ..module_utils.domain.tenant.tenant import Tenant
from ..module_utils.domain.tenant.verb import VERBS, Verb
from ..module_utils.errors import NotFound
from ..module_utils.postgres.connection import Connection
from ..module_utils.registry import plans, servers

_SHOWN = (
    "plan_name",
    "applied_plan",
    "failed_plan",
    "status",
    "provisioning_status",
    "billing_status",
    "operation",
    "status_message",
    "http_port",
)
_OF_SERVER = ("name", "server_type", "host", "port", "pooler_host", "pooler_port")


def describe(connection: Connection, tenant: Tenant, verb: Verb | None = None) -> dict[str, Any]:
    """Return the tenant, what its plan gives it now, and the server its database is on (None while it has none).

    Raises NotFound for an unknown plan, unless ``verb`` ends the tenant's life: that needs none, and is to be possible.
    """
    try:
        entitlement = _entitlement(plans.entitlement(connection, tenant.plan_name))
    except NotFound:
        if verb is None or not VERBS[verb].ends_life:
            raise
        entitlement = None
    server = _server(servers.of_tenant(connection, tenant.id))
    return {"tenant": as_dict(tenant), "entitlement": entitlement, "server": server}


def shown(tenant: Tenant | None) -> dict[str, Any]:
    """Return what a diff shows of a tenant: what verbs and people change, not the ids that follow from its creation."""
    return {name: _plain(getattr(tenant, name)) for name in _SHOWN} if tenant else {}


def as_dict(tenant: Tenant) -> dict[str, Any]:
    """Return the tenant's record and the names derived from it, in plain types; it holds no secret."""
    names = ("short_id", "name", "rest", "data_directory")
    derived = {name: _plain(getattr(tenant, name)) for name in names}
    return {name: _plain(value) for name, value in vars(tenant).items()} | derived


def _server(server: Server | None) -> dict[str, Any] | None:
    return {name: _plain(getattr(server, name)) for name in _OF_SERVER} if server else None


def _entitlement(entitlement: Entitlement) -> dict[str, Any]:
    return {
        "cpu_limit": float(entitlement.cpu_limit),
        "memory_limit": entitlement.memory_limit,
        "memory_bytes": entitlement.memory_bytes,
        "storage_limit": entitlement.storage_limit,
        "storage_bytes": entitlement.storage_bytes,
        "db_type": str(entitlement.db_type),
    }


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case str() | UUID():
            return str(value)
        case _:
            return value
