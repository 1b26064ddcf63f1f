"""For operators, under a bearer token: runs with their events, retrying one, tenants, pools and their use, a sync at once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apiflask import APIBlueprint, HTTPTokenAuth
from flask import Response, jsonify, request

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.plan import DatabaseType
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.database_server import Health, Server
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import servers
from webhook_runner import converge, queue, runs
from webhook_runner.api.operators import under_token
from webhook_runner.api.tenants import add_tenants
from webhook_runner.refusal import Refusals
from webhook_runner.services import Core

_LIMIT = 100  # runs in a list
#: Of runs.
STATUSES = ("queued", "running", "succeeded", "failed", "timed_out", "interrupted", "lost")


def blueprint(core: Core, token: str, refusals: Refusals) -> APIBlueprint:
    """Return the routes; ``token`` is what Authorization: Bearer must carry."""
    bp = APIBlueprint("administration", __name__, url_prefix="/api/admin", tag="Administration")
    auth = under_token(bp, token, refusals)
    _add_runs(bp, core, auth)
    _add_pools(bp, core, auth)
    add_tenants(bp, core, auth)
    return bp


def _add_runs(bp: APIBlueprint, core: Core, auth: HTTPTokenAuth) -> None:
    @bp.get("/runs")
    @bp.doc(summary="Runs, newest first; ?tenant=ID, ?status=failed, ?limit=20", security=auth.name)
    def list_runs() -> Response:
        wanted = _wanted_runs()
        with core.registry.transaction() as connection:
            return jsonify(runs=runs.newest(connection, **wanted))

    @bp.get("/runs/<uuid:run_id>")
    @bp.doc(summary="One run with its events; ?after=SEQ for those that follow", security=auth.name)
    def read_run(run_id: UUID) -> Response:
        after = _number("after", default=0, highest=2**31 - 1)
        with core.registry.transaction() as connection:
            return jsonify(run=runs.read(connection, run_id), events=runs.read_events(connection, run_id, after=after))

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
        with core.registry.transaction() as connection:
            return jsonify(pools=[_pool(server) for server in servers.fleet(connection)])

    @bp.get("/pools/<name>")
    @bp.doc(summary="One Postgres server", security=auth.name)
    def read_pool(name: str) -> Response:
        with core.registry.transaction() as connection:
            return jsonify(pool=_pool(servers.find(connection, name)))

    @bp.get("/pools/stats")
    @bp.doc(summary="Places taken and free, by type of server", security=auth.name)
    def pool_stats() -> Response:
        with core.registry.transaction() as connection:
            in_use = servers.in_use(connection)
        by_type = ((kind, [server for server in in_use if server.server_type is kind]) for kind in sorted(DatabaseType))
        return jsonify(stats=[_stats(kind, found) for kind, found in by_type if found])


def _pool(server: Server) -> dict[str, Any]:
    return {**servers.shown_with_health(server), "current_instances": server.given, "kept_databases": server.kept}


def _stats(kind: DatabaseType, found: list[Server]) -> dict[str, Any]:
    return {
        "server_type": str(kind),
        "servers": len(found),
        "healthy": sum(server.health_status is Health.HEALTHY for server in found),
        "max_instances": sum(server.max_instances for server in found),
        "current_instances": sum(server.given for server in found),
    }


def _wanted_runs() -> dict[str, Any]:
    tenant, status = request.args.get("tenant"), request.args.get("status")
    if status is not None and status not in STATUSES:
        raise InvalidInput("unknown status", found=status, expected=", ".join(STATUSES))
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
