"""The web process: one, with threads, since an answer mostly waits for the registry's disk; so limits and metrics are its own."""

from __future__ import annotations

import signal

from webhook_runner.application import create_app, refusals_of
from webhook_runner.http_server import Bounds, Server
from webhook_runner.settings import Settings


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    app = create_app(settings)
    bounds = Bounds(
        host=settings.host,
        port=settings.port,
        threads=settings.threads,
        connections=settings.connections,
        request_time=settings.request_time,
        body_limit=settings.body_limit,
    )
    server = Server(app, bounds, refusals_of(app))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    server.run()
    app.extensions["core"].registry.close()
