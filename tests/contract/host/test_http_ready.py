"""The noun http_ready against real servers."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.ansible import run_tasks
from tests.fixtures.postgres import free_port


class _Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.headers["Host"] == "acme.localhost" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/web/health"
    server.shutdown()
    thread.join()
    server.server_close()


def test_all_addresses_must_answer(site: str) -> None:
    both = [{"url": site, "host": "acme.localhost"}, {"url": site, "status": 404}]
    (done,) = run_tasks([{"saasodoo.platform.http_ready": {"name": "it", "addresses": both}}])
    assert (done["changed"], done["found"]) == (False, f"{site}: 404")


def test_the_error_says_what_was_found_and_shows_the_log(site: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(f"line {number}" for number in range(5000)))
    options = {"name": "it", "addresses": [{"url": site, "host": "x"}], "timeout": 0.3, "log": str(log), "log_lines": 2}
    (failed,) = run_tasks([{"saasodoo.platform.http_ready": options}])
    assert failed["code"] == "timeout"
    assert failed["msg"].endswith(f"its log {log} ends with:\nline 4998\nline 4999")
    assert f"found: {site} (Host: x): 404" in failed["msg"]


def test_what_no_waiting_will_change_ends_it_at_once(site: str) -> None:
    options = {"name": "it", "addresses": [{"url": site, "host": "x", "final": [404, 503]}], "log": "its journal"}
    (failed,) = run_tasks([{"saasodoo.platform.http_ready": options}])
    assert failed["code"] == "conflict"
    assert failed["msg"] == f"{site} (Host: x) will not become ready; found: 404; expected: 200; look at its journal"


def test_nobody_there_and_no_log_to_show() -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    options = {"name": "it", "addresses": [{"url": url}], "timeout": 0.2, "log": "journalctl -u it"}
    (failed,) = run_tasks([{"saasodoo.platform.http_ready": options}])
    assert "Connection refused" in failed["msg"]
    assert failed["msg"].endswith("look at journalctl -u it")


def test_check_mode_does_not_wait_and_nonsense_is_refused() -> None:
    options = {"name": "it", "addresses": [{"url": f"http://127.0.0.1:{free_port()}/"}]}
    (done,) = run_tasks([{"saasodoo.platform.http_ready": options}], check=True)
    assert not done["changed"]
    (failed,) = run_tasks([{"saasodoo.platform.http_ready": {"name": "it", "addresses": [{"url": "ftp://x/"}]}}])
    assert failed["code"] == "invalid_input"
