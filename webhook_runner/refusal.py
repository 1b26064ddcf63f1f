"""What who calls with a wrong secret or token is told: counted, and from one address too often held back."""

from __future__ import annotations

from flask import Response, current_app, jsonify, request

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Unauthorized
from webhook_runner.authentication import FailureLimit
from webhook_runner.metrics import Metrics


class Refusals:
    """Answers of one process. A right secret or token never comes here, so nobody is kept out by others' wrong ones.

    The address that counts is the connection's own: no header is believed about it. Behind a proxy all clients share one.
    """

    def __init__(self, metrics: Metrics, limit: FailureLimit | None = None) -> None:
        self._metrics, self._limit = metrics, FailureLimit() if limit is None else limit

    def refuse(self, credential: str) -> Response:
        """Return 401, or 429 with Retry-After once the address has had its share; ``credential`` is what was wrong."""
        source = request.remote_addr or "unknown"
        held_back = self._limit.failed(source)
        self._metrics.count_refusal(credential, held_back=held_back)
        if not held_back:
            current_app.logger.warning("a wrong %s from %s", credential, source)
        response = jsonify(Unauthorized(f"wrong {credential}").as_dict())
        response.status_code = 429 if held_back else 401
        if held_back:
            response.headers["Retry-After"] = str(int(self._limit.window))
        return response
