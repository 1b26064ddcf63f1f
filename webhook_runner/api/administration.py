"""For operators, under a bearer token: runs with their events, retrying one, tenants, pools and their use, a sync at once."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from apiflask import APIBlueprint, HTTPTokenAuth
from flask import Response, jsonify, request

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput, NotFound
from webhook_runner import converge, queue
from webhook_runner.api.tenants import add_tenants
from webhook_runner.authentication import is_one_of
from webhook_runner.services import Core
from webhook_runner.sql import query

_LIMIT = 100  # runs in a list
_STATUSES = ("queued", "running", "succeeded", "failed", "timed_out", "interrupted", "lost")


def blueprint(core: Core, token: str) -> APIBlueprint:
    """Return the routes; ``token`` is what Authorization: Bearer must carry."""
    bp = APIBlueprint("administration", __name__, url_prefix="/api/admin", tag="Administration")
    auth = HTTPTokenAuth(scheme="Bearer", description="The token in secrets/runner/api.token")

    @auth.verify_token  # type: ignore[untyped-decorator]
    def verify(given: str) -> Literal["operator"] | None:
        return "operator" if is_one_of(given, (token,)) else None

    bp.before_request(auth.login_required(lambda: None))
    _add_runs(bp, core, auth)
    _add_pools(bp, core, auth)
    add_tenants(bp, core, auth)
    return bp


def _add_runs(bp: APIBlueprint, core: Core, auth: HTTPTokenAuth) -> None:
    @bp.get("/runs")
    @bp.doc(summary="Runs, newest first; ?tenant=ID, ?status=failed, ?limit=20", security=auth.name)
    def list_runs() -> Response:
        return jsonify(runs=_rows(core, "list_runs", _wanted_runs()))

    @bp.get("/runs/<uuid:run_id>")
    @bp.doc(summary="One run with its events; ?after=SEQ for those that follow", security=auth.name)
    def read_run(run_id: UUID) -> Response:
        found = _rows(core, "read_run", {"id": run_id})
        if not found:
            raise NotFound(f"there is no run '{run_id}'")
        after = _number("after", default=0, highest=2**31 - 1)
        return jsonify(run=found[0], events=_rows(core, "read_run_events", {"id": run_id, "after": after}))

    @bp.post("/runs/<uuid:run_id>/retry")
    @bp.doc(summary="Try again what a failed run was for", responses={202: "Queued", 409: "Refused"}, security=auth.name)
    def retry_run(run_id: UUID) -> tuple[Response, int]:
        with core.registry.transaction(cause="operator:api") as connection:
            queued = converge.retry(connection, run_id, cause=f"retry:{run_id}")
        return jsonify(queued=queued), 202

    @bp.post("/accounts/<uuid:account_id>/sync")
    @bp.doc(summary="Read an account from Kill Bill now", responses={202: "Queued"}, security=auth.name)
    def sync_account(account_id: UUID) -> tuple[Response, int]:
        with core.registry.transaction() as connection:
            queued = queue.defer(connection, queue.sync_account(account_id, cause="operator:api"))
        return jsonify(queued=queued), 202


def _add_pools(bp: APIBlueprint, core: Core, auth: HTTPTokenAuth) -> None:
    @bp.get("/pools")
    @bp.doc(summary="Postgres servers", security=auth.name)
    def list_pools() -> Response:
        return jsonify(pools=_rows(core, "list_pools", {"name": None}))

    @bp.get("/pools/<name>")
    @bp.doc(summary="One Postgres server", security=auth.name)
    def read_pool(name: str) -> Response:
        found = _rows(core, "list_pools", {"name": name})
        if not found:
            raise NotFound(f"there is no server '{name}'")
        return jsonify(pool=found[0])

    @bp.get("/pools/stats")
    @bp.doc(summary="Places taken and free, by type of server", security=auth.name)
    def pool_stats() -> Response:
        return jsonify(stats=_rows(core, "pool_stats", {}))


def _rows(core: Core, name: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    with core.registry.transaction() as connection:
        return connection.execute(query(name), values).fetchall()


def _wanted_runs() -> dict[str, Any]:
    tenant, status = request.args.get("tenant"), request.args.get("status")
    if status is not None and status not in _STATUSES:
        raise InvalidInput("unknown status", found=status, expected=", ".join(_STATUSES))
    try:
        tenant_id = UUID(tenant) if tenant else None
    except ValueError:
        raise InvalidInput("tenant is not an id", found=tenant, expected="a UUID") from None
    return {"tenant": tenant_id, "status": status, "limit": _number("limit", default=20, highest=_LIMIT)}


def _number(name: str, *, default: int, highest: int) -> int:
    text = request.args.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= highest):
        raise InvalidInput(f"{name} is not a number that can be taken", found=text, expected=f"0 to {highest}")
    return int(text)
