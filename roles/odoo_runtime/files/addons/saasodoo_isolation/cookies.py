"""Sessions that the pages of other tenants can't touch.

Tenants' addresses have the base domain in common, so an answer or a page of one may set a cookie for all of them (``Domain=``),
and each takes it for its own: somebody then works in another's session, or loses his. A cookie whose name begins with
``__Host-`` no browser takes for more than the one host that sets it, by https (draft-ietf-httpbis-rfc6265bis, 4.1.3.2). So with
https the session is ``__Host-session_id`` outside of Odoo and ``session_id`` inside, and what comes as ``session_id`` was set by
others, or before this. Without https there is no such name; there two of them are refused, since nobody can tell whose they are.

No script of Odoo's pages reads this cookie. A program that names it has to name it as above, or to keep what cookies it is given.
Here and not in the proxy, since that may be a cluster's own, and passes on the answer that opens a websocket as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

SESSION = "session_id"
OUTSIDE = "__Host-session_id"
#: A name that Werkzeug reads as Odoo's own: it takes off what Unicode calls a space, of which the server gives the bytes.
_SESSION = re.compile(rf"[^!-~]*{SESSION}[^!-~]*")
_DOMAIN = re.compile(r";\s*domain\s*=[^;]*", re.IGNORECASE)
_PORT = re.compile(r"[^\[\]:]*|[^\[\]:]*:([0-9]{1,5})|\[[0-9a-fA-F:.]*\](?::([0-9]{1,5}))?")
_LAST_PORT = 65535
#: What proxies say of a request by https; Traefik says wss of a websocket's.
_SAFE = ("https", "wss")
_TWO = (
    "Another site has set a cookie for this one. Remove the cookies of this site and of the domain above it, and log in again.\n"
)


class Refused(Exception):
    """A request that Odoo is not to see; its text is the answer."""


def guard(server: Any) -> None:
    """Have a class of WSGI applications see cookies as they are inside; doing so twice does no harm."""
    original = server.__call__
    if getattr(original, "guards_sessions", False):
        return

    def answer(self: Any, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        safe = environ.get("HTTP_X_FORWARDED_PROTO") in _SAFE
        try:
            for name in ("HTTP_HOST", "HTTP_X_FORWARDED_HOST"):
                check_host(environ.get(name, ""))
            if "HTTP_COOKIE" in environ:
                environ["HTTP_COOKIE"] = inside(environ["HTTP_COOKIE"], safe=safe)
        except Refused as refusal:
            start_response("400 Bad Request", [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")])
            return [str(refusal).encode()]

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [_outside(*header, safe=safe) for header in headers], *more)

        result: Iterable[bytes] = original(self, environ, start)
        return result

    answer.guards_sessions = True  # type: ignore[attr-defined]
    server.__call__ = answer


def check_host(host: str) -> None:
    """Raise Refused where a Host header's port is none: Odoo would take that for a fault of its own."""
    found = _PORT.fullmatch(host)
    if not found or not 0 < int(found.group(1) or found.group(2) or 1) <= _LAST_PORT:
        raise Refused("This address can't be.\n")


def inside(cookies: str, *, safe: bool) -> str:
    """Return the Cookie header as Odoo is to read it. Raises Refused where there are two sessions and it can't be told whose."""
    kept = []
    sessions = 0
    for cookie in cookies.split(";"):
        name, sign, value = cookie.partition("=")
        if safe and name.strip(" \t") == OUTSIDE:
            kept.append(f"{SESSION}={value}")
        elif not _SESSION.fullmatch(name):
            kept.append(name.strip(" \t") + sign + value)
        elif not safe:
            kept.append(name.strip(" \t") + sign + value)
            sessions += 1
    if sessions > 1:
        raise Refused(_TWO)
    return "; ".join(kept)


def outside(cookie: str, *, safe: bool) -> str:
    """Return a Set-Cookie header as it leaves: for this host alone, and a session for no script and no other site."""
    own = _DOMAIN.sub("", cookie)
    if not own.startswith(f"{SESSION}="):
        return own
    # What is said last holds.
    flags = "; Path=/; HttpOnly; SameSite=Lax"
    return f"{OUTSIDE}{own.removeprefix(SESSION)}{flags}; Secure" if safe else own + flags


def _outside(name: str, value: str, *, safe: bool) -> tuple[str, str]:
    return (name, outside(value, safe=safe)) if name.lower() == "set-cookie" else (name, value)
