"""The proxy as role ingress makes it: a real Caddy, its table of routes, TLS, restarts."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.host.caddy import Route
from tests.fixtures.postgres import free_port, service_user
from tests.fixtures.proxy import Proxy
from tests.fixtures.waiting import eventually


@pytest.fixture(scope="module")
def up(proxy: Proxy) -> Proxy:
    foretold, done, again = proxy.play(check=True), proxy.play(), proxy.play()
    assert foretold.failure is None, foretold.text
    assert done.failure is None, done.text
    assert (foretold.changed, again.changed) == (done.changed, 0)
    return proxy


def test_each_state_of_a_route(up: Proxy, behind: int) -> None:
    host = "states.localhost"
    assert up.get(host)[0] == 404
    up.table.apply(Route(host, "x", "open", behind))
    status, body = up.get(f"{host}:{up.port}", "/web?a=1", {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil"})
    assert (status, body.splitlines()[0]) == (200, "/web?a=1")
    assert "X-Forwarded-For: 127.0.0.1\n" in body.replace("\r", "")
    assert f"X-Forwarded-Host: {host}:{up.port}" in body
    assert "evil" not in body
    up.table.apply(Route(host, "x", "suspended"))
    assert "This site is suspended" in up.get(host)[1]
    up.table.apply(Route(host, "x", "open", free_port()))
    assert up.get(host)[0] == 503
    assert "Back in a moment" in up.get(host)[1]
    up.table.apply(Route(host, "x", "absent"))
    assert "There is no site here" in up.get(host)[1]


@pytest.mark.parametrize("host", ["*", "open*.localhost", "..", "a/../open", "%2e%2e", "[", "x" * 300])
def test_no_host_name_reaches_beyond_its_own_route(up: Proxy, behind: int, host: str) -> None:
    up.table.apply(Route("opened.localhost", "x", "open", behind))
    assert up.get(host)[0] in (400, 404)


def test_a_websocket_outlives_the_changes_of_others(up: Proxy, behind: int) -> None:
    up.table.apply(Route("socket.localhost", "x", "open", behind))
    with socket.create_connection(("127.0.0.1", up.port), timeout=20) as client:
        lines = ("GET /websocket HTTP/1.1", "Host: socket.localhost", "Upgrade: websocket", "Connection: Upgrade", "", "")
        client.sendall("\r\n".join(lines).encode())
        assert b" 101 " in client.recv(4096)
        for number in range(3):
            up.table.apply(Route(f"other{number}.localhost", "y", "open", behind))
            assert up.get(f"other{number}.localhost")[0] == 200
            client.sendall(b"ping")
            assert client.recv(100) == b"ping"


def test_routes_outlive_the_proxy(up: Proxy, behind: int) -> None:
    up.table.apply(Route("kept.localhost", "x", "open", behind))
    os.kill(up.pid(), signal.SIGKILL)

    def back() -> bool:
        with contextlib.suppress(OSError):
            return up.get("kept.localhost")[0] == 200
        return False

    eventually(back)


def test_the_log_holds_no_secret_of_an_address(up: Proxy, behind: int) -> None:
    up.table.apply(Route("logged.localhost", "x", "open", behind))
    up.get("logged.localhost", "/web/reset_password?token=very-secret", {"Cookie": "session_id=very-secret"})
    log = up.home / "caddy/log/access.log"
    eventually(lambda: log.exists() and "logged.localhost" in log.read_text())
    text = log.read_text()
    assert "/web/reset_password?..." in text
    assert "very-secret" not in text


def test_tenants_cannot_change_it(up: Proxy) -> None:
    if service_user() is None:
        pytest.skip("without root, everything runs as one user")
    for path in ("caddy.json", "routes"):
        facts = (up.home / "caddy" / path).stat()
        assert (facts.st_uid, facts.st_mode & 0o022) == (0, 0)
    with contextlib.closing(socket.socket()) as probe:
        assert probe.connect_ex(("127.0.0.1", 2019)) != 0, "Caddy's admin API listens"


def test_with_tls_only_known_names_get_a_certificate(up: Proxy, behind: int) -> None:
    up.table.apply(Route("safe.example.test", "x", "open", behind))
    changed = up.play(saasodoo_tls=True, saasodoo_tls_issuer="internal")
    assert changed.failure is None, changed.text
    assert up.play(saasodoo_tls=True, saasodoo_tls_issuer="internal").changed == 0
    context = up.trusting()
    with (
        socket.create_connection(("127.0.0.1", up.port), timeout=20) as raw,
        context.wrap_socket(raw, server_hostname="safe.example.test") as client,
    ):
        client.sendall(b"GET /web HTTP/1.1\r\nHost: safe.example.test\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(4096), b"")).decode()
    assert " 200 OK" in answer
    assert "X-Forwarded-Proto: https" in answer
    with socket.create_connection(("127.0.0.1", up.port), timeout=20) as raw, pytest.raises(ssl.SSLError):
        context.wrap_socket(raw, server_hostname="unknown.example.test")
