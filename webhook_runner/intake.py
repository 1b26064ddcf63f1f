"""POST /api/billing/webhook/<secret>: check the secret, read the body, store event and job, answer 202. Nothing else."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn
from uuid import UUID

import psycopg
from apiflask import APIBlueprint
from flask import Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput
from webhook_runner.authentication import is_one_of
from webhook_runner.inbox import Event, store
from webhook_runner.metrics import SECRET, Metrics
from webhook_runner.refusal import Refusals
from webhook_runner.services import Core

PREFIX = "/api/billing/webhook/"
ROUTE = f"{PREFIX}<secret>"
_EVENT_TYPE = re.compile(r"[A-Z][A-Z0-9_]{0,99}")
_TEXT_LIMIT = 200  # characters of objectType and objectId


def blueprint(core: Core, metrics: Metrics, refusals: Refusals, secrets: tuple[str, ...]) -> APIBlueprint:
    """Return the intake. ``secrets`` are the valid ones: two while one is being replaced."""
    bp = APIBlueprint("intake", __name__, tag="Billing")

    @bp.post(ROUTE)
    @bp.doc(summary="Take an event from Kill Bill", responses={202: "Stored", 400: "Not an event", 401: "Wrong secret",
            413: "Too large", 429: "Too many wrong secrets", 503: "The registry is away; send it again"})  # fmt: skip
    def webhook(secret: str) -> tuple[Response, int] | Response:
        if not is_one_of(secret, secrets):
            return refusals.refuse(SECRET)
        with metrics.intake.time():
            event = parse(_body(core.settings.body_limit))
            with core.registry.transaction() as connection:
                event_id = _store(connection, event)
        return jsonify(event=event_id), 202

    @bp.after_request
    def count(response: Response) -> Response:
        metrics.count_webhook(response.status_code)
        return response

    return bp


def _body(limit: int) -> bytes:
    """Return the body; one byte more than ``limit`` is read, since one sent in chunks is cut off without a word."""
    body = request.get_data(cache=False)
    if len(body) > limit:
        raise RequestEntityTooLarge
    return body


def parse(body: bytes) -> Event:
    """Return the event ``body`` is. Raises InvalidInput, saying what was found, whatever the bytes are."""
    try:
        raw = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("the body is not JSON", found=type(error).__name__) from None
    if not isinstance(raw, dict):
        raise InvalidInput("the body is not an event", found=type(raw).__name__, expected="an object")
    event_type = _text(raw, "eventType", required=True)
    if not _EVENT_TYPE.fullmatch(event_type):
        raise InvalidInput("eventType is not one", expected="up to 100 of A-Z, 0-9 and _")
    _text(raw, "metaData", limit=None)
    return Event(event_type, _account(raw), _text(raw, "objectType"), _text(raw, "objectId"), raw)


def _store(connection: Any, event: Event) -> int:
    try:
        return store(connection, event)
    except (psycopg.DataError, UnicodeEncodeError, ValueError) as error:  # NUL, half a surrogate pair, a number beyond numeric
        raise InvalidInput("the body can't be stored", found=type(error).__name__) from None


def _text(raw: dict[str, Any], name: str, *, required: bool = False, limit: int | None = _TEXT_LIMIT) -> str:
    value = raw.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(f"{name} has the wrong type", found=type(value).__name__, expected="a string")
    if limit is not None and len(value) > limit:
        raise InvalidInput(f"{name} is too long", found=f"{len(value)} characters", expected=f"at most {limit}")
    return value


def _account(raw: dict[str, Any]) -> UUID | None:
    text = _text(raw, "accountId")
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInput("accountId is not an id", expected="a UUID") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are not JSON
