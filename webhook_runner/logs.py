"""Logs of both processes: lines of JSON, and whatever writes them, never the secret of the callback path."""

from __future__ import annotations

import json
import logging
import logging.config
import re
from datetime import UTC, datetime
from typing import Any

_SECRET = re.compile(r"(/api/billing/webhook/)[^\s/'\"?#]+")
_HIDDEN = r"\1***"


def redact(text: str) -> str:
    """Return ``text`` with the secret of any callback path in it hidden."""
    return _SECRET.sub(_HIDDEN, text)


class JsonLines(logging.Formatter):
    """One line of JSON per record; the message, and an exception's traceback, are redacted as a whole."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if request := getattr(record, "request", None):
            line |= request
        if record.exc_info:
            line["error"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class _NoPath(logging.Filter):
    """Takes the path out of what waitress says of a request: one misspelt holds the secret where nobody looks for it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = record.getMessage().partition(" while serving ")[0], None
        return True


def configure(level: str = "INFO") -> None:
    """Set up logging of the whole process to standard error."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JsonLines}},
            "filters": {"no path": {"()": _NoPath}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"level": level, "handlers": ["stderr"]},
            "loggers": {
                "waitress": {"level": "WARNING", "filters": ["no path"]},
                "waitress.queue": {"level": "ERROR"},  # it warns of each request that waits for a thread
                "procrastinate": {"level": "WARNING"},
                "psycopg.pool": {"level": "ERROR"},
            },
        }
    )
