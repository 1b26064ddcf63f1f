"""Serve each page of a file at a port of its own, whatever path is asked for. Usage: pages.py pages.json."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def handler(status: int, body: bytes) -> type[BaseHTTPRequestHandler]:
    """Return the class that answers every request with one page."""

    class Page(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            if status != 403:
                self.send_header("Retry-After", "3600")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = answer

        def log_message(self, *_: object) -> None:
            """Say nothing: the Ingress controller logs what is asked for."""

    return Page


if __name__ == "__main__":
    for page in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        server = ThreadingHTTPServer(("", page["port"]), handler(page["status"], page["body"].encode()))
        threading.Thread(target=server.serve_forever).start()
