"""Routes for operators and the parts of the platform that act for them: under a bearer token."""

from __future__ import annotations

from typing import Literal

from apiflask import APIBlueprint, HTTPError, HTTPTokenAuth
from flask import Response, request

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.text import REPLACEMENT, recordable
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput
from webhook_runner.authentication import is_one_of
from webhook_runner.metrics import TOKEN
from webhook_runner.refusal import Refusals


def under_token(bp: APIBlueprint, token: str, refusals: Refusals) -> HTTPTokenAuth:
    """Let nobody reach the routes of ``bp`` without ``token`` in Authorization: Bearer; return what documents that."""
    auth = HTTPTokenAuth(scheme="Bearer", description="The token in secrets/runner/api.token")

    @auth.verify_token  # type: ignore[untyped-decorator]
    def verify(given: str) -> Literal["operator"] | None:
        return "operator" if is_one_of(given, (token,)) else None

    @auth.error_processor
    def refuse(_: HTTPError) -> Response:
        return refusals.refuse(TOKEN)

    bp.before_request(auth.login_required(lambda: None))
    bp.before_request(_refuse_unreadable)
    return auth


def _refuse_unreadable() -> None:
    """Refuse an address that names nothing the registry could hold."""
    if any(REPLACEMENT in text or recordable(text) != text for text in (request.path, *request.args.values())):
        raise InvalidInput("the address has a character that nothing is named by", expected="UTF-8 without NUL")
