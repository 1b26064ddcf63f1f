"""Serve each of pages.json at a port of its own, whatever path is asked for. Usage: pages.py FILE"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def handler(status, body):
    """Return the class that answers every request with one page."""

    class Page(BaseHTTPRequestHandler):
        def answer(self):
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            if status == 503:
                self.send_header("Retry-After", "3600")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = answer  # noqa: N815

        def log_message(self, *arguments):
            """The Ingress controller logs what is asked for."""

    return Page


if __name__ == "__main__":
    servers = [
        ThreadingHTTPServer(("", page["port"]), handler(page["status"], page["body"].encode()))
        for page in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    ]
    for server in servers:
        threading.Thread(target=server.serve_forever).start()
