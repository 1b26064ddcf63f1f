"""The web application: its routes, its errors as JSON, its access log that knows routes but no paths."""

from __future__ import annotations

import logging
import re
import time
from datetime import datetime
from typing import Any

from apiflask import APIFlask, HTTPError
from flask import Response, g, jsonify, request
from flask.json.provider import DefaultJSONProvider

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput, PlatformError
from webhook_runner import intake
from webhook_runner.api import administration, health, openapi, trials
from webhook_runner.http_server import Refused
from webhook_runner.metrics import Metrics
from webhook_runner.refusal import Refusals
from webhook_runner.services import Core, make_core
from webhook_runner.settings import Settings

_HOST = re.compile(r"([a-z0-9._-]{1,255}|\[[0-9a-f:.]{2,45}\])(:(?P<port>[0-9]{1,5}))?", re.ASCII | re.IGNORECASE)
_LAST_PORT = 65535
_access = logging.getLogger("webhook_runner.access")
_STATUS = {
    "invalid_input": 400,
    "unauthorized": 401,
    "not_found": 404,
    "conflict": 409,
    "unavailable": 503,
    "registry_unavailable": 503,
    "timeout": 504,
}


class _Json(DefaultJSONProvider):
    """Moments as ISO 8601 has them, with their offset."""

    @staticmethod
    def default(o: Any) -> Any:
        """Return ``o`` as something JSON knows."""
        return o.isoformat() if isinstance(o, datetime) else DefaultJSONProvider.default(o)


def create_app(settings: Settings, core: Core | None = None) -> APIFlask:
    """Return the application; the registry need not be there yet. OpenAPI is at /openapi.json."""
    core = core or make_core(settings, connections=settings.threads)
    core.registry.open()
    metrics = Metrics(core.registry)
    refusals, token = Refusals(metrics), settings.api_token()
    app = APIFlask("webhook_runner", title="SaaSOdoo webhook runner", version="0.1.0", docs_path=None)
    app.json = _Json(app)
    app.config.update(MAX_CONTENT_LENGTH=settings.body_limit + 1, PROPAGATE_EXCEPTIONS=False)
    app.extensions |= {"core": core, "metrics": metrics}
    app.register_blueprint(intake.blueprint(core, metrics, refusals, settings.callback_secrets()))
    app.register_blueprint(health.blueprint(core, metrics))
    app.register_blueprint(trials.blueprint(core, token, refusals))
    app.register_blueprint(administration.blueprint(core, token, refusals))
    _register_error_handlers(app)
    _log_access(app, metrics)
    _check_host(app)
    openapi.declare(app)
    return app


def refusals_of(app: APIFlask) -> Refused:
    """Return what counts and logs the answers that the server itself gives, as those of ``app``: by route, without the path."""
    metrics: Metrics = app.extensions["metrics"]

    def refused(status: int, path: str, remote: str) -> None:
        to_intake = path.startswith(intake.PREFIX)
        route = intake.ROUTE if to_intake else "-"
        metrics.requests.labels(route, status).inc()
        if to_intake:
            metrics.count_webhook(status)
        _access.info("request", extra={"request": {"remote": remote, "route": route, "status": status}})

    return refused


def _register_error_handlers(app: APIFlask) -> None:
    @app.errorhandler(PlatformError)
    def platform_error(error: PlatformError) -> tuple[Response, int]:
        return jsonify(error.as_dict()), _STATUS.get(error.code, 500)

    @app.error_processor
    def http_error(error: HTTPError) -> tuple[dict[str, Any], int, Any]:
        return {"code": "http_error", "msg": error.message}, error.status_code, error.headers


def _check_host(app: APIFlask) -> None:
    @app.before_request
    def check() -> None:
        host = request.environ.get("HTTP_HOST", "")
        found = _HOST.fullmatch(host)
        if host and (not found or int(found["port"] or 0) > _LAST_PORT):
            raise InvalidInput("Host is no address", expected="a name or an address, and a port up to 65535")


def _log_access(app: APIFlask, metrics: Metrics) -> None:
    """Log the route, never the path: the path of a webhook, also of one misspelt, holds the secret."""

    @app.before_request
    def begin() -> None:
        g.began = time.monotonic()

    @app.after_request
    def end(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "-"
        took = time.monotonic() - g.get("began", time.monotonic())
        metrics.requests.labels(route, response.status_code).inc()
        fields = {
            "remote": request.remote_addr,
            "method": request.method,
            "route": route,
            "status": response.status_code,
            "ms": round(took * 1000, 1),
        }
        _access.info("request", extra={"request": fields})
        return response
