"""A second look at tenants in error that were given up: one whose Odoo answers by now was only slow, and is tried once more."""

from __future__ import annotations

import logging
from typing import Any

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.http_health import Address, look_at
from webhook_runner.services import Services
from webhook_runner.settings import Settings
from webhook_runner.sql import query

_log = logging.getLogger(__name__)
_PAGE = "/web/login"  # which every version of Odoo has, and shows only with its database


def look_again(services: Services) -> int:
    """Have one more try of the last run of each whose Odoo answers; return how many. Raises Unavailable without the registry."""
    with services.registry.transaction() as connection:
        found = connection.execute(query("given_up")).fetchall()
    answering = [row for row in found if look_at(Address(_address(services.settings, row))).ready]
    with services.registry.transaction() as connection:
        for row in answering:
            connection.execute(query("try_once_more"), row)
            _log.info("the Odoo of tenant %s answers: run %s is tried once more", row["short_id"], row["id"])
    return len(answering)


def _address(settings: Settings, row: dict[str, Any]) -> str:
    host = settings.tenant_host.replace("{short_id}", row["short_id"])
    return f"http://{host}:{row['http_port']}{_PAGE}"
