"""Of tenants, for operators: who needs a person, and one thing for many at once."""

from __future__ import annotations

import json
from typing import Any

from apiflask import APIBlueprint, HTTPTokenAuth
from flask import Response, jsonify, request

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.text import recordable
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.attention import needs
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.many_tenants import CHOICES, Meant
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
        summary=f'{", ".join(CHOICES)}: one of these for many, {{"tenants": [...]}} or {{"status": "error"}}',
        description='terminate for all of a status needs their number: {"status": "error", "approved": 3}',
        responses={202: "What became of each", 400: "It is not clear what or who is meant", 409: "Not approved"},
        security=auth.name,
    )
    def do_for_many(verb: str) -> tuple[Response, int]:
        meant = _meant(_body())
        with core.registry.transaction(cause="operator:api") as connection:
            outcomes = queue_all(connection, verb, meant, cause="operator:api")
        return jsonify(tenants=outcomes), 202


def _body() -> Any:
    """Return what the body is as JSON, or None where it is none; one that is too deep makes the parser give up."""
    try:
        return json.loads(request.get_data(cache=False)) if request.is_json else None
    except (ValueError, RecursionError):
        return None


def _meant(body: Any) -> Meant:
    """Return the tenants that the body means."""
    given = body if isinstance(body, dict) else {}
    references, status, approved = given.get("tenants", []), given.get("status", ""), given.get("approved")
    fits = isinstance(references, list) and len(references) <= _MOST and all(_is_text(each) for each in references)
    fits = fits and _is_text(status) and type(approved) in (int, type(None))
    if not fits or set(given) - {"tenants", "status", "approved"}:
        expected = f'{{"tenants": [up to {_MOST} names or ids]}} or {{"status": "error"}}, with "approved": their number'
        raise InvalidInput("the body does not say which tenants are meant", expected=expected)
    return Meant(references, status, approved)


def _is_text(value: Any) -> bool:
    """Say whether it is text that the registry could hold."""
    return isinstance(value, str) and recordable(value) == value
