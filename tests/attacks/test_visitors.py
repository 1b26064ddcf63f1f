"""Visitors of the proxy that mean harm, and tenants whose pages lay cookies for their neighbours."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

from ansible_collections.saasodoo.platform.plugins.module_utils.host.caddy import Route
from tests.fixtures.odoo import Template, Tenant, pooler, started
from tests.fixtures.odoo import tenants as make_tenants
from tests.fixtures.proxy import Proxy

pytestmark = pytest.mark.timeout(300)

HOST = "acme.example.test"
#: Ways to say a Domain attribute, and what is left of each.
_FOR_ALL = {
    "a=b; Domain=example.test; Path=/": "a=b; Path=/",
    "a=b;domain=.example.test": "a=b",
    "a=b ;\t DOMAIN \t= example.test ; Secure": "a=b ; Secure",
    "a=b; Domain=x.test; Path=/; Domain=example.test": "a=b; Path=/",
    "domain=kept; Path=/": "domain=kept; Path=/",
}


@dataclass(frozen=True)
class Answer:
    status: int
    cookies: list[str]
    body: str


@dataclass(frozen=True)
class Visitor:
    """Somebody at a proxy's port; with ``trusting`` by https."""

    port: int
    trusting: ssl.SSLContext | None = None

    def socket(self, host: str = HOST) -> socket.socket:
        """Return a connection."""
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        return self.trusting.wrap_socket(raw, server_hostname=host) if self.trusting else raw

    def ask(self, path: str = "/", *, host: str = HOST, body: str | None = None, **headers: str | list[str]) -> Answer:
        """Return the answer. A header's name may have _ for -, and several values; a ``body`` is posted."""
        connection = http.client.HTTPConnection("127.0.0.1")
        connection.sock = self.socket()
        try:
            connection.putrequest("GET" if body is None else "POST", path, skip_host=True)
            connection.putheader("Host", host.encode())
            for name, values in headers.items():
                for value in [values] if isinstance(values, str) else values:
                    connection.putheader(name.replace("_", "-"), value.encode())
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body.encode() if body else None)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers.get_all("Set-Cookie") or [], answer.read().decode())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def visitor(running_proxy: Proxy) -> Visitor:
    return Visitor(running_proxy.port)


@pytest.fixture(scope="module")
def safe(running_proxy: Proxy) -> Visitor:
    """Somebody who comes by https. The tests that ask for it come last: the proxy then speaks nothing else."""
    done = running_proxy.play(saasodoo_tls=True, saasodoo_tls_issuer="internal")
    assert done.failure is None, done.text
    return Visitor(running_proxy.port, running_proxy.trusting())


@pytest.fixture
def lead(running_proxy: Proxy) -> Iterator[Callable[[int], None]]:
    """What leads the address to a port."""
    yield lambda port: running_proxy.table.apply(Route(HOST, "x", "open", port))
    running_proxy.table.apply(Route(HOST, "x", "absent"))


@pytest.mark.parametrize("port", ["99999", "65536", "0", "abc", "-1", "+80", "", "80:80", "08080", "\u0668\u0660", "80 "])
def test_a_host_with_a_port_that_is_none_is_answered_by_the_proxy(
    visitor: Visitor, behind: int, lead: Callable[[int], None], port: str
) -> None:
    lead(behind)
    assert visitor.ask(host=f"{HOST}:{port}").status == 400 or port == "80 "  # what a header ends with is no part of it


@pytest.mark.parametrize("port", ["1", "80", "8069", "65535"])
def test_a_host_with_a_port_is_served(visitor: Visitor, behind: int, lead: Callable[[int], None], port: str) -> None:
    lead(behind)
    assert visitor.ask(host=f"{HOST}:{port}").status == 200


def test_a_host_that_is_none_is_nobodys(visitor: Visitor) -> None:
    assert [visitor.ask(host=host).status for host in ("[::1]", "[::1]:80", "nobody.test", "a:b:80", "[::1]:x", "<nil>")] == [
        404,
        404,
        404,
        400,
        400,
        400,
    ]


def test_no_answer_sets_a_cookie_for_siblings(visitor: Visitor, behind: int, lead: Callable[[int], None]) -> None:
    lead(behind)
    assert visitor.ask(X_Set=list(_FOR_ALL)).cookies == list(_FOR_ALL.values())


def test_somebody_at_a_real_odoo_stays_who_he_is(safe: Visitor, odoo_template: Template, lead: Callable[[int], None]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="saasodoo-odoo-visitor-", dir="/tmp"))  # not pytest's own, see test_odoo_tenants.py
    made = make_tenants.__wrapped__(odoo_template)  # type: ignore[attr-defined]
    tenant: Tenant = next(made)()
    with pooler(folder / "pooler", [tenant]) as port, started(tenant, folder / "odoo", port):
        lead(tenant.port)
        session = _log_in(safe, tenant)
        assert _who(safe, session) == "admin"
        assert _who(safe, f"session_id=evil; {session}; \u00a0session_id=evil") == "admin", "a sibling's cookie changes nothing"
        assert _who(safe, session.replace("__Host-", "")) is None, "what a sibling can set is no session"
        renewed = _handshake(safe, session)
        assert renewed.startswith("__Host-session_id="), "Odoo renews sessions here, too, and nobody may miss it"
        assert _who(safe, renewed) == "admin"
        _passed_by(tenant.port, session)
    next(made, None)
    shutil.rmtree(folder, ignore_errors=True)


def _passed_by(port: int, session: str) -> None:
    """Ask Odoo as a cluster's own proxy would: it holds without this one."""
    plain = Visitor(port)
    refused = plain.ask(host=f"{HOST}:99999")
    assert (refused.status, refused.body) == (400, "This address can't be.\n")
    assert plain.ask(X_Forwarded_Host=f"{HOST}:abc").status == 400
    own = session.replace("__Host-", "")
    assert _who(plain, own) == "admin", "Odoo's own reports are asked for on loopback"
    assert plain.ask("/web/login", Cookie=f"{own}; session_id=evil").status == 400
    assert _who(plain, session, X_Forwarded_Proto="https", X_Forwarded_Host=HOST) == "admin"


def _log_in(visitor: Visitor, tenant: Tenant) -> str:
    """Log in by the form, as a browser does, and return the session's cookie."""
    form = visitor.ask("/web/login")
    token = re.search(r'name="csrf_token" value="([^"]+)"', form.body)
    assert token, form
    before = form.cookies[0].partition(";")[0]
    fields = urlencode({"csrf_token": token.group(1), "login": "admin", "password": tenant.password})
    kind = "application/x-www-form-urlencoded"
    done = visitor.ask("/web/login", body=fields, Cookie=before, Content_Type=kind)
    assert done.status == 303, done.body
    (given,) = [each for each in done.cookies if "session_id" in each]
    assert given.startswith("__Host-session_id=")
    assert given.partition(";")[0] != before, "the session is another one once somebody has logged in"
    return given.partition(";")[0]


def _who(visitor: Visitor, cookies: str, **headers: str) -> str | None:
    call = json.dumps({"jsonrpc": "2.0", "method": "call", "params": {}})
    kind = "application/json"
    answer = visitor.ask("/web/session/get_session_info", body=call, Cookie=cookies, Content_Type=kind, **headers)
    result = json.loads(answer.body).get("result") or {}
    name: str | None = result.get("username")
    return name


def _handshake(visitor: Visitor, cookies: str) -> str:
    """Open the websocket of this session, and return the cookie that it sets."""
    headers = {"Cookie": cookies}
    with connect(
        f"ws://{HOST}/websocket", sock=visitor.socket(), additional_headers=headers, origin=Origin(f"https://{HOST}")
    ) as client:
        client.send(json.dumps({"event_name": "subscribe", "data": {"channels": [], "last": 0}}))
        assert client.ping().wait(10)
        assert client.response
        return client.response.headers["Set-Cookie"].partition(";")[0]
