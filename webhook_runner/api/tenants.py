"""Of tenants, for operators: who needs a person, and one thing for many at once."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, HTTPTokenAuth
from flask import Response, jsonify, request

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.attention import needs
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput
from webhook_runner.many import queue_all
from webhook_runner.services import Core

_MOST = 1000  # tenants in one request


def add_tenants(bp: APIBlueprint, core: Core, auth: HTTPTokenAuth) -> None:
    """Add the routes to the operators' blueprint."""

    @bp.get("/attention")
    @bp.doc(summary="Who needs a person: why, since when, and what to type once that is mended", security=auth.name)
    def attention() -> Response:
        with core.registry.transaction() as connection:
            return jsonify(needs=needs(connection))

    @bp.post("/tenants/<verb>")
    @bp.doc(
        summary='retry, start, stop, restart, suspend, resume or terminate for many: {"tenants": [...]} or {"status": "error"}',
        responses={202: "What became of each", 400: "It is not clear what or who is meant"},
        security=auth.name,
    )
    def do_for_many(verb: str) -> tuple[Response, int]:
        references, status = _meant(request.get_json(silent=True))
        with core.registry.transaction(cause="operator:api") as connection:
            outcomes = queue_all(connection, verb, references, status, cause="operator:api")
        return jsonify(tenants=outcomes), 202


def _meant(body: Any) -> tuple[list[str], str]:
    """Return the tenants and the status that the body names."""
    given = body if isinstance(body, dict) else {}
    references, status = given.get("tenants", []), given.get("status", "")
    fits = isinstance(references, list) and len(references) <= _MOST and all(isinstance(each, str) for each in references)
    if not fits or not isinstance(status, str) or set(given) - {"tenants", "status"}:
        expected = f'{{"tenants": [up to {_MOST} names or ids]}} or {{"status": "error"}}'
        raise InvalidInput("the body does not say which tenants are meant", expected=expected)
    return references, status
