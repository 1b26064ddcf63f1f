"""The web process: gunicorn with threads, since an answer mostly waits for the registry's disk."""

from __future__ import annotations

from typing import Any

from apiflask import APIFlask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from webhook_runner import logs
from webhook_runner.application import create_app
from webhook_runner.settings import Settings


class _Server(BaseApplication):  # type: ignore[misc]
    """gunicorn, configured by our settings instead of its own files and command line."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def init(self, parser: Any, opts: Any, args: Any) -> None:
        """Take nothing from the command line."""

    def load_config(self) -> None:
        """Set gunicorn's options. One worker process: the limit on wrong secrets and the metrics are its own."""
        options: dict[str, Any] = {
            "bind": f"{self._settings.host}:{self._settings.port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": self._settings.threads,
            "timeout": 30,
            "graceful_timeout": 5,  # a request waits 4 s for the registry at most, and is then answered that it is away
            "accesslog": None,  # the application's own knows no path, so no secret
            "logger_class": _Log,
            "control_socket_disable": True,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> APIFlask:
        """Make the application, in the worker process."""
        return create_app(self._settings)


class _Log(Logger):  # type: ignore[misc]
    """gunicorn's logger, writing in our format."""

    def setup(self, cfg: Any) -> None:
        """Set up gunicorn's logs, then ours over them."""
        super().setup(cfg)
        logs.configure()


def serve(settings: Settings) -> None:
    """Serve until SIGTERM."""
    _Server(settings).run()
