"""The session's cookie as Odoo's addon has it: what comes from a tenant's neighbours is none, and none goes to them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import pytest

from tests.fixtures.ansible import ROOT

#: Cookies that Odoo takes for its session, however a browser came to send them.
_TOSSED = [
    "session_id=evil",
    "session_id",
    " session_id =evil",
    "\u00a0session_id=evil",
    "\u2003session_id\u00a0=evil",
    "\x1fsession_id=evil",
]
_OTHERS = "tz=UTC; my_session_id=1; session_idle=2; a=session_id=3; empty"


def _load() -> ModuleType:
    file = ROOT / "roles/odoo_runtime/files/addons/saasodoo_isolation/cookies.py"
    specification = importlib.util.spec_from_file_location("cookies", file)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


COOKIES = _load()


class Server:
    """Stands for Odoo: sets the cookies it is told to, and answers with those it read, as Werkzeug reads them."""

    def __init__(self, *given: str) -> None:
        self._given = given

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), *(("Set-Cookie", each) for each in self._given)])
        header = environ.get("HTTP_COOKIE", "").encode("latin-1").decode()
        return ["\n".join("=".join(part.strip() for part in each.partition("=")[::2]) for each in header.split(";")).encode()]


COOKIES.guard(Server)


def ask(*given: str, cookies: str = "", proto: str = "https", **environ: str) -> tuple[str, list[str], list[str]]:
    """Return the answer's status, the cookies that the visitor gets, and those that Odoo got."""
    told: list[Any] = []
    asked = {"HTTP_X_FORWARDED_PROTO": proto, "HTTP_COOKIE": cookies.encode().decode("latin-1"), **environ}
    body = b"".join(Server(*given)(asked, lambda status, headers: told.extend([status, headers])))
    return told[0], [value for name, value in told[1] if name == "Set-Cookie"], body.decode().split("\n")


def sessions(read: list[str]) -> list[str]:
    """Return the values of what Odoo takes for its session, as it does where a cookie stands alone."""
    return [each.partition("=")[2] for each in read if each.partition("=")[0] == "session_id"]


@pytest.mark.parametrize("tossed", _TOSSED)
@pytest.mark.parametrize("proto", ["https", "wss"])
def test_with_https_a_session_is_what_no_sibling_can_set(tossed: str, proto: str) -> None:
    for cookies, found in (
        (tossed, []),
        (f"{tossed}; __Host-session_id=mine", ["mine"]),
        (f"__Host-session_id=mine;{tossed}; {tossed}", ["mine"]),
    ):
        status, _, read = ask(cookies=f"{_OTHERS}; {cookies}", proto=proto)
        assert (status, sessions(read)) == ("200 OK", found)


@pytest.mark.parametrize("tossed", _TOSSED)
def test_without_https_two_sessions_are_refused(tossed: str) -> None:
    for cookies in (f"{tossed}; session_id=mine", f"session_id=mine; a=b;{tossed}"):
        status, given, read = ask("session_id=new", cookies=cookies, proto="http")
        assert (status[:3], given) == ("400", [])
        assert "Another site has set a cookie" in read[0]
    assert sessions(ask(cookies=f"{_OTHERS}; session_id=mine", proto="http")[2]) == ["mine"]


def test_other_cookies_come_as_they_are() -> None:
    for proto in ("http", "https"):
        assert ask(cookies=_OTHERS, proto=proto)[2] == ["tz=UTC", "my_session_id=1", "session_idle=2", "a=session_id=3", "empty="]


def test_a_session_goes_to_one_host_and_no_script() -> None:
    given = "session_id=x; Expires=Thu, 01 Jan 2026 00:00:00 GMT; Domain=example.test; SameSite=None; Path=/web"
    left = "=x; Expires=Thu, 01 Jan 2026 00:00:00 GMT; SameSite=None; Path=/web; Path=/; HttpOnly; SameSite=Lax"
    assert ask(given)[1] == [f"__Host-session_id{left}; Secure"]
    assert ask(given, proto="http")[1] == [f"session_id{left}"]


def test_no_other_cookie_goes_to_siblings() -> None:
    assert ask("a=b; Domain=example.test; Path=/", "a=b ;\tDOMAIN = .example.test", "domain=kept; domain=x.test")[1] == [
        "a=b; Path=/",
        "a=b ",
        "domain=kept",
    ]


@pytest.mark.parametrize("port", ["99999", "65536", "0", "00", "abc", "-1", "", "80:80", "\u0668"])
def test_a_host_with_a_port_that_is_none_is_refused(port: str) -> None:
    for header in ("HTTP_HOST", "HTTP_X_FORWARDED_HOST"):
        assert ask(**{header: f"acme.example.test:{port}"})[0] == "400 Bad Request"


@pytest.mark.parametrize("host", ["acme.example.test", "acme.example.test:1", "acme.example.test:65535", "[::1]", "[::1]:80", ""])
def test_a_host_is_served(host: str) -> None:
    assert ask(HTTP_HOST=host, HTTP_X_FORWARDED_HOST=host)[0] == "200 OK"


def test_it_is_done_once() -> None:
    once = Server.__call__
    COOKIES.guard(Server)
    assert Server.__call__ is once
