"""The HTTP server: waitress, which reads a request whole before a thread takes it, within bounds and with an end of our own.

So a thread is never held by a client that takes its time. What such clients hold is bounded by time (a request that has not come
whole in ``request_time`` is closed, however often it sends a byte) and by number (beyond ``connections`` the one that has waited
longest makes room for the new one).
"""

from __future__ import annotations

import json
import logging
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask

_log = logging.getLogger(__name__)
_HEADER_LIMIT = 16 * 1024  # bytes
_LOOK = 1.0  # seconds between two looks at who takes too long
_OTHER_FILES = 256  # the registry's connections, logs, what is imported

#: Told of what the server itself refuses: status, path (which may hold a secret) and the client's address.
Refused = Callable[[int, str, str], None]


@dataclass(frozen=True)
class Bounds:
    """What the server takes on. Times are in seconds, sizes in bytes."""

    host: str
    port: int
    threads: int
    connections: int
    request_time: float
    body_limit: int
    stop_time: float = 5  # who started it kills it after 8 s (roles/webhook_runner/vars)


class _Request(HTTPRequestParser):  # type: ignore[misc]
    """A request that comes in, with the time of its first byte."""

    def __init__(self, adj: Adjustments) -> None:
        super().__init__(adj)
        self.began = time.time()


class _Refusal(ErrorTask):  # type: ignore[misc]
    """The answer to what is no request, or too large: in our words and counted."""

    def execute(self) -> None:
        error = self.request.error
        self.channel.server.refused(error.code, getattr(self.request, "path", ""), str(self.channel.addr[0]))
        body = json.dumps({"code": "http_error", "msg": error.reason}).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc]
    """One client's connection."""

    parser_class = _Request
    error_task_class = _Refusal

    def waits_since(self) -> float | None:
        """Return since when the client lets us wait: for a request, for its rest, to take an answer. None: it waits for us."""
        if self.requests:
            return None
        return float(self.request.began if self.request else self.last_activity)


class Server(TcpWSGIServer):  # type: ignore[misc]
    """Serves ``application`` (WSGI) on one address until ``stop`` is called, in one process."""

    channel_class = _Channel

    def __init__(self, application: Any, bounds: Bounds, refused: Refused) -> None:
        self.refused = refused
        self._bounds = bounds
        self._connections = min(bounds.connections, _files(bounds.connections + _OTHER_FILES) - _OTHER_FILES)
        self._next_look = 0.0
        self._stopping = False
        adjustments = _adjustments(bounds, self._connections)
        super().__init__(application, map={}, adj=adjustments, sockinfo=adjustments.listen[0])

    def stop(self) -> None:
        """Have ``run`` end; may be called by a signal's handler."""
        self._stopping = True
        self.pull_trigger()

    def run(self) -> None:
        """Serve until asked to stop; then take nothing new, and end when all is answered or ``stop_time`` is over."""
        while not self._stopping:
            self._turn(1.0)
            self._close_slow()
        wasyncore.dispatcher.close(self)
        end = time.monotonic() + self._bounds.stop_time
        self._turn(0.0)  # what has come meanwhile
        while self._owes_answers() and time.monotonic() < end:
            self._turn(0.05)

    def _turn(self, timeout: float) -> None:
        wasyncore.loop(timeout, use_poll=True, map=self._map, count=1)

    def _close_slow(self) -> None:
        """Close who lets us wait for too long. Only between two turns: in one, a closed file's number may be a new client's."""
        crowded, now = len(self.active_channels) >= self._connections, time.time()
        if not crowded and now < self._next_look:
            return
        self._next_look = now + _LOOK
        waiting = [(since, each) for each in self.active_channels.values() if (since := each.waits_since()) is not None]
        waiting.sort(key=lambda pair: pair[0])
        for number, (since, channel) in enumerate(waiting):
            if since < now - self._bounds.request_time or (crowded and number == 0):
                channel.handle_close()

    def _owes_answers(self) -> bool:
        return any(each.requests or each.total_outbufs_len for each in self.active_channels.values())


def _adjustments(bounds: Bounds, connections: int) -> Adjustments:
    return Adjustments(
        host=bounds.host,
        port=bounds.port,
        threads=bounds.threads,
        connection_limit=connections + 16,  # its own count has its sockets in it; who makes room is chosen here
        channel_timeout=round(bounds.request_time) + 1,
        max_request_header_size=_HEADER_LIMIT,
        max_request_body_size=bounds.body_limit + 2,  # the application says itself what is one byte too long
        ident=None,
    )


def _files(wanted: int) -> int:
    """Have this process open ``wanted`` files, or as many as it may, and return how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    may = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < may:
        resource.setrlimit(resource.RLIMIT_NOFILE, (may, hard))
    if may < wanted:
        _log.warning("this process may open %d files, %d are wanted: it holds fewer connections", may, wanted)
    return may
