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


def configure(level: str = "INFO") -> None:
    """Set up logging of the whole process to standard error."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JsonLines}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"level": level, "handlers": ["stderr"]},
            "loggers": {
                "gunicorn.error": {"level": level, "handlers": ["stderr"], "propagate": False},
                "procrastinate": {"level": "WARNING"},
                "psycopg.pool": {"level": "ERROR"},
            },
        }
    )
