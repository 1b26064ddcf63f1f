"""A second look at tenants in error that were given up: one whose Odoo answers by now was only slow, and is tried once more."""

from __future__ import annotations

import logging
from typing import Any

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import VERBS
from ansible_collections.saasodoo.platform.plugins.module_utils.host.http_health import Address, look_at
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.tenant_runs import LAST_WANTED
from webhook_runner.services import Services
from webhook_runner.settings import Settings

_log = logging.getLogger(__name__)
_PAGE = "/web/login"  # which every version of Odoo has, and shows only with its database
# The verbs that bring up a tenant's Odoo, wherever they began.
_BRINGING_UP = [str(verb) for verb, rule in VERBS.items() if rule.goals == {Status.RUNNING}]
# Tenants in error since a run that was to bring up their Odoo was interrupted for the last time.
_GIVEN_UP = f"""
SELECT run.id, t.short_id, t.http_port FROM tenant.tenants t CROSS JOIN LATERAL ({LAST_WANTED}) run
WHERE t.status = 'error' AND t.http_port IS NOT NULL AND run.kind = ANY(%s)
    AND run.status IN ('interrupted', 'lost') AND run.next_try_at IS NULL
"""
_TRY_ONCE_MORE = "UPDATE ops.runs SET next_try_at = clock_timestamp() WHERE id = %(id)s AND next_try_at IS NULL"


def look_again(services: Services) -> int:
    """Have one more try of the last run of each whose Odoo answers; return how many. Raises Unavailable without the registry."""
    with services.registry.transaction() as connection:
        found = connection.execute(_GIVEN_UP, (_BRINGING_UP,)).fetchall()
    answering = [row for row in found if look_at(Address(_address(services.settings, row))).ready]
    with services.registry.transaction() as connection:
        for row in answering:
            connection.execute(_TRY_ONCE_MORE, row)
            _log.info("the Odoo of tenant %s answers: run %s is tried once more", row["short_id"], row["id"])
    return len(answering)


def _address(settings: Settings, row: dict[str, Any]) -> str:
    host = settings.tenant_host.replace("{short_id}", row["short_id"])
    return f"http://{host}:{row['http_port']}{_PAGE}"
