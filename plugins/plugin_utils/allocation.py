# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the nouns that allocate share: the option ``settings`` (doc fragment: allocation_settings) and the answer's shape."""

from __future__ import annotations

from dataclasses import MISSING, Field, asdict, fields
from decimal import Decimal
from typing import Any

from ..module_utils.domain.server.allocation import Decision, Kind
from ..module_utils.domain.server.allocation_settings import AllocationSettings
from ..module_utils.domain.server.database_server import Server

_TYPES = {"int": "int", "str": "str", "Decimal": "float"}


def _option(field: Field[Any]) -> dict[str, Any]:
    kind = _TYPES[str(field.type)]
    if field.default is MISSING:
        return {"type": kind, "required": True}
    return {"type": kind, "default": float(field.default) if isinstance(field.default, Decimal) else field.default}


SETTINGS: dict[str, Any] = {
    "settings": {"type": "dict", "options": {field.name: _option(field) for field in fields(AllocationSettings)}},
}


def read_settings(given: dict[str, Any]) -> AllocationSettings:
    """Return the settings a task gave. Raises InvalidInput when they can't work together."""
    values: dict[str, Any] = {name: Decimal(str(value)) if isinstance(value, float) else value for name, value in given.items()}
    return AllocationSettings(**values)


def report(decision: Decision | None, settings: AllocationSettings) -> dict[str, Any]:
    """Return a decision as playbooks see it; no decision means that nothing is to be built."""
    server = decision.server if decision else None
    placed = decision is not None and decision.kind is Kind.PLACED
    return {
        "state": "allocated" if placed else "provisioning",
        "server": _where(server) if server and placed else None,
        "build": _plan(server) if server and not placed else None,
        "retry_after": settings.retry_after,
        "retries": settings.retries,
        "timeout_message": settings.timeout_message,
        "explanation": [asdict(row) for row in decision.explanation] if decision else [],
    }


def _where(server: Server) -> dict[str, Any]:
    return {
        "name": server.name,
        "host": server.host,
        "port": server.port,
        "pooler_host": server.pooler_host,
        "pooler_port": server.pooler_port,
    }


def _plan(server: Server) -> dict[str, Any]:
    return {
        **_where(server),
        "server_type": str(server.server_type),
        "max_instances": server.max_instances,
        "cpu_limit": float(server.cpu_limit),
        "memory_limit": server.memory_limit,
    }
