"""GET /health, /health/database, /metrics: for machines that watch; open, and without anything worth hiding."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from webhook_runner.metrics import Metrics
from webhook_runner.services import Core


def blueprint(core: Core, metrics: Metrics) -> APIBlueprint:
    """Return the routes."""
    bp = APIBlueprint("health", __name__, tag="Health")

    @bp.get("/health")
    @bp.doc(summary="Whether the process answers")
    def health() -> Response:
        return jsonify(status="ok")

    @bp.get("/health/database")
    @bp.doc(summary="Whether the registry answers", responses={200: "It does", 503: "It does not"})
    def database() -> Response:
        with core.registry.transaction() as connection:
            row = connection.execute("SELECT current_user AS role, clock_timestamp() AS at").fetchone()
        return jsonify(status="ok", **(row or {}))

    @bp.get("/metrics")
    @bp.doc(hide=True)
    def prometheus() -> Response:
        return Response(generate_latest(metrics.collectors), content_type=CONTENT_TYPE_LATEST)

    return bp
