# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""HTTP to Kill Bill: who asks, how long to wait, and Kill Bill's refusals as the platform's errors.

No error tells an address with its query, a header or a body that was sent: they may hold the callback's secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from ..errors import Conflict, InvalidInput, NotFound, PlatformError, Unauthorized, Unavailable

_CONNECT_TIMEOUT = 5  # seconds
_READ_TIMEOUT = 60  # seconds; moving the test clock waits for all that it sets off
_ERRORS: dict[int, type[PlatformError]] = {400: InvalidInput, 404: NotFound, 409: Conflict}


@dataclass(frozen=True)
class Access:
    """How to reach one Kill Bill tenant: its address, an administrator of Kill Bill, the tenant's key and secret."""

    url: str
    user: str
    password: str
    api_key: str
    api_secret: str

    def __repr__(self) -> str:
        return f"Access({self.url}, tenant {self.api_key})"


def read_access(path: str | Path) -> Access:
    """Return the access kept in a file of mode 0600: JSON with url, user, password, api_key, api_secret.

    Raises InvalidInput when it is missing, open to others, or not that.
    """
    file = Path(path)
    try:
        mode, fields = file.stat().st_mode & 0o777, json.loads(file.read_text(encoding="utf-8"))
        access = Access(**fields)
    except (OSError, ValueError, TypeError) as error:
        names = ", ".join(Access.__dataclass_fields__)
        raise InvalidInput(f"{file} can't be read", found=type(error).__name__, expected=f"JSON with {names}") from None
    if mode & 0o077:
        raise InvalidInput(f"{file} is open to others", found=f"mode {mode:04o}", expected="mode 0600")
    if not all(isinstance(value, str) and value for value in fields.values()) or urlsplit(access.url).scheme not in (
        "http",
        "https",
    ):
        raise InvalidInput(f"{file} is not fit", expected="text in every field, and an http or https address as url")
    return access


class Api:
    """One Kill Bill tenant's REST API."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._session = requests.Session()
        self._session.trust_env = False  # neither a proxy nor ~/.netrc has a say in where credentials go
        self._session.auth = (access.user, access.password)
        self._session.headers.update(
            {
                "X-Killbill-ApiKey": access.api_key,
                "X-Killbill-ApiSecret": access.api_secret,
                "X-Killbill-CreatedBy": "saasodoo",
                "Accept": "application/json",
            }
        )

    def get(self, path: str, **query: object) -> Any:
        """Return what is at ``path``. Raises NotFound, Unauthorized, InvalidInput or Unavailable."""
        return _json(self.send("GET", path, query), path)

    def get_xml(self, path: str) -> str:
        """Return the XML document at ``path``."""
        return self.send("GET", path, {}, headers={"Accept": "text/xml"}).text

    def post(self, path: str, body: Mapping[str, Any] | None = None, **query: object) -> str:
        """Post ``body`` as JSON and return the id of what it made, '' if nothing."""
        return _made(self.send("POST", path, query, json=body))

    def post_text(self, path: str, text: str, kind: str) -> None:
        """Post ``text`` with the content type ``kind``."""
        self.send("POST", path, {}, data=text.encode(), headers={"Content-Type": kind})

    def put(self, path: str, body: Mapping[str, Any] | None = None, **query: object) -> None:
        """Put ``body`` as JSON."""
        self.send("PUT", path, query, json=body)

    def delete(self, path: str, **query: object) -> None:
        """Delete what is at ``path``."""
        self.send("DELETE", path, query)

    def send(self, method: str, path: str, query: Mapping[str, object], **options: Any) -> requests.Response:
        """Send one request; the answer is a success, everything else raises."""
        parameters = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in query.items()}
        try:
            answer = self._session.request(
                method,
                self.access.url.rstrip("/") + path,
                params=parameters,
                timeout=(_CONNECT_TIMEOUT, _READ_TIMEOUT),
                allow_redirects=False,
                **options,
            )
        except requests.RequestException as error:
            raise Unavailable(f"Kill Bill at {self.access.url} does not answer", found=type(error).__name__) from None
        if answer.ok:
            return answer
        raise _error(answer, f"{method} {path}", self.access)


def _error(answer: requests.Response, what: str, access: Access) -> PlatformError:
    if answer.status_code in (401, 403):
        return Unauthorized(
            f"Kill Bill at {access.url} refuses {what}",
            found=f"HTTP {answer.status_code} for user '{access.user}', tenant '{access.api_key}'",
            action="compare user, password, api_key and api_secret with Kill Bill's; the tenant is made by killbill_tenant",
        )
    kind = _ERRORS.get(answer.status_code, InvalidInput if answer.status_code < 500 else Unavailable)
    return kind(f"Kill Bill refuses {what}", found=f"HTTP {answer.status_code}: {_reason(answer)}")


def _reason(answer: requests.Response) -> str:
    """Return Kill Bill's own words: the deepest message, which for a catalog is what the validation found."""
    try:
        body = answer.json()
        return str(body.get("causeMessage") or body.get("message") or "no reason given")[:500]
    except (ValueError, AttributeError):
        return "no reason given"


def _json(answer: requests.Response, path: str) -> Any:
    try:
        return answer.json()
    except ValueError:
        raise Unavailable(f"Kill Bill's answer to GET {path} is no JSON", action="is it Kill Bill at that address?") from None


def _made(answer: requests.Response) -> str:
    return answer.headers.get("Location", "").rstrip("/").rpartition("/")[2]
