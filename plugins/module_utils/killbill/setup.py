# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a Kill Bill tenant is set up: what it has now, what it should have, and the calls that lead there."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from ..domain.billing import catalog, overdue
from ..domain.change import Change
from ..errors import InvalidInput, NotFound, Unavailable
from .account import clock
from .api import Api

_CONFIGURATION = "/1.0/kb/tenants/uploadPerTenantConfig"
_CALLBACK = "/1.0/kb/tenants/registerNotificationCallback"
_CATALOG = "/1.0/kb/catalog/xml"
_OVERDUE = "/1.0/kb/overdue/xml"
_CLOCK = "/1.0/kb/test/clock"
_SETTLE = 60  # seconds that Kill Bill may take for all that a moved clock sets off
_MINIMUM_SECRET = 24  # characters


@dataclass(frozen=True)
class SetupChange(Change[Mapping[str, Any]]):
    """What a noun finds and wants, and the call that leads there. ``write`` is None when there is nothing to do."""

    write: Callable[[Api], object] | None = None


@dataclass(frozen=True)
class TenantState:
    """One Kill Bill tenant: its id, None when there is none, and its per-tenant configuration."""

    id: str | None = None
    configuration: Mapping[str, str] | None = None


def read_tenant(api: Api) -> TenantState:
    """Return the tenant of the access's api_key. Raises Unauthorized when it is there, with another secret."""
    try:
        found = api.get("/1.0/kb/tenants", apiKey=api.access.api_key)
    except (NotFound, Unavailable) as error:
        # 0.22 answers 500 for an unknown key, 0.24 may answer 404.
        if isinstance(error, NotFound) or "cannot find value for key" in str(error.found):
            return TenantState()
        raise
    return TenantState(found["tenantId"], _configuration(api))


def _configuration(api: Api) -> dict[str, str]:
    values = api.get(_CONFIGURATION).get("values") or []
    try:
        return {str(name): str(value) for name, value in json.loads(values[-1]).items()} if values else {}
    except (ValueError, AttributeError):
        raise InvalidInput("Kill Bill's per-tenant configuration is no JSON object", action="correct it by hand") from None


def change_tenant(present: TenantState, api_key: str, api_secret: str, configuration: Mapping[str, str]) -> SetupChange:
    """Make the tenant, and give it ``configuration``; other keys it has stay."""
    owned = {name: value for name, value in (present.configuration or {}).items() if name in configuration}
    before = {"api_key": api_key, "configuration": owned} if present.id else {}
    after = {"api_key": api_key, "configuration": dict(configuration)}

    def write(api: Api) -> None:
        if not present.id:
            api.post("/1.0/kb/tenants", {"apiKey": api_key, "apiSecret": api_secret, "externalKey": api_key})
        if owned != configuration:
            whole = {**(present.configuration or {}), **configuration}
            api.post_text(_CONFIGURATION, json.dumps(whole, sort_keys=True), "text/plain")

    return SetupChange(before, after, write if before != after else None)


def read_catalog(api: Api) -> tuple[tuple[catalog.Version, ...], datetime]:
    """Return the versions of the tenant's catalog, and Kill Bill's present."""
    return catalog.read_versions(api.get_xml(_CATALOG)), clock(api)


def upload_catalog(api: Api, text: str) -> None:
    """Have Kill Bill check the catalog, where it can without taking it (0.24), and upload it. Raises InvalidInput."""
    with contextlib.suppress(NotFound):
        api.post_text(f"{_CATALOG}/validate", text, "text/xml")
    api.post_text(_CATALOG, text, "text/xml")


def read_overdue(api: Api) -> dict[str, str]:
    """Return the tenant's overdue states."""
    return overdue.read_states(api.get_xml(_OVERDUE))


def change_overdue(present: Mapping[str, str], days: Mapping[str, int]) -> SetupChange:
    """Bring the overdue states to ``days``."""
    text = overdue.overdue_xml(days)
    wanted = overdue.read_states(text)
    return SetupChange(present, wanted, (lambda api: api.post_text(_OVERDUE, text, "text/xml")) if present != wanted else None)


def read_callbacks(api: Api) -> tuple[str, ...]:
    """Return the addresses that Kill Bill sends its events to; Kill Bill keeps one per tenant."""
    return tuple(api.get(_CALLBACK).get("values") or ())


def change_callback(present: tuple[str, ...], url: str, secret: str) -> SetupChange:
    """Have events sent to ``url``/``secret``, or with an empty url nowhere. The secret is shown as a fingerprint only."""
    if url and len(secret) < _MINIMUM_SECRET:
        raise InvalidInput("the callback's secret is too short", expected=f"{_MINIMUM_SECRET} characters or more")
    wanted = (f"{url.rstrip('/')}/{secret}",) if url else ()

    def write(api: Api) -> None:
        if wanted:
            api.post(_CALLBACK, cb=wanted[0])
        else:
            api.delete(_CALLBACK)

    before, after = {"callbacks": shown(present)}, {"callbacks": shown(wanted)}
    return SetupChange(before, after, write if present != wanted else None)


def shown(callbacks: tuple[str, ...]) -> list[str]:
    """Return the callbacks with a fingerprint in place of the last part, their secret."""
    return [f"{base}/{fingerprint(secret)}" for base, _slash, secret in (callback.rpartition("/") for callback in callbacks)]


def fingerprint(secret: str) -> str:
    """Return what tells two secrets apart without telling them: the first 8 digits of a hash."""
    return f"sha256:{sha256(secret.encode()).hexdigest()[:8]}"


def move_clock(api: Api, moment: datetime) -> None:
    """Set the test clock, and wait until all that this sets off is done. Raises InvalidInput when there is no test clock."""
    try:
        api.post(_CLOCK, requestedDate=moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"), timeoutSec=_SETTLE)
    except NotFound:
        raise InvalidInput(
            "Kill Bill has no test clock", action="set org.killbill.server.test.mode=true, never in production"
        ) from None


def change_clock(present: datetime, at_least: datetime | None, days: int) -> SetupChange:
    """Move the clock to ``at_least``, unless it is there already, and ``days`` further."""
    target = (max(present, at_least) if at_least else present) + timedelta(days=days)
    moves = target > present
    return SetupChange(
        {"moment": present.isoformat()}, {"moment": target.isoformat()}, (lambda api: move_clock(api, target)) if moves else None
    )
