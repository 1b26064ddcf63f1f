# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A running Odoo over HTTP: its health, and its external API (JSON-RPC at /jsonrpc, in Odoo from 8 to 19)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import requests

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import PlatformError, TimedOut, Unauthorized, Unavailable

_TIMEOUT = 30.0  # seconds for one request
_PAUSE = 0.1  # seconds between two looks
_OK = 200


class Odoo:
    """One Odoo at ``url`` and the one ``database`` it serves. ``host`` is sent as the Host header where it differs."""

    def __init__(self, url: str, database: str, *, host: str = "", timeout: float = _TIMEOUT) -> None:
        self.url, self.database, self.timeout = url.rstrip("/"), database, timeout
        self._http = requests.Session()
        if host:
            self._http.headers["Host"] = host

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

    def get(self, path: str) -> requests.Response:
        """Return the answer to GET ``path``, whatever its status; redirects are not followed. Raises Unavailable."""
        try:
            return self._http.get(f"{self.url}{path}", timeout=self.timeout, allow_redirects=False)
        except requests.RequestException as error:
            raise Unavailable(f"Odoo at {self.url} does not answer", found=type(error).__name__) from None

    def healthy(self, path: str = "/web/health") -> bool:
        """Whether GET ``path`` (release.json: health_path) answers 200 now."""
        try:
            return self.get(path).status_code == _OK
        except Unavailable:
            return False

    def wait_until_healthy(self, seconds: float, path: str = "/web/health") -> None:
        """Return once GET ``path`` answers 200. Raises TimedOut after ``seconds``."""
        end = time.monotonic() + seconds
        while not self.healthy(path):
            if time.monotonic() > end:
                raise TimedOut(f"Odoo at {self.url} did not become healthy", expected=f"200 from {path} within {seconds:g} s")
            time.sleep(_PAUSE)

    def version(self) -> str:
        """Return the server's version, such as 19.0."""
        return str(self._call("common", "version")["server_version"])

    def log_in(self, login: str, password: str) -> User:
        """Return ``login`` as a user whose calls are allowed. Raises Unauthorized when Odoo refuses."""
        uid = self._call("common", "authenticate", self.database, login, password, {})
        if not uid:
            raise Unauthorized(f"Odoo at {self.url} refuses {login}", found="wrong login or password")
        return User(self, int(uid), password)

    def _call(self, service: str, method: str, *arguments: Any) -> Any:
        params = {"service": service, "method": method, "args": arguments}
        body = {"jsonrpc": "2.0", "method": "call", "id": 1, "params": params}
        try:
            response = self._http.post(f"{self.url}/jsonrpc", json=body, timeout=self.timeout)
            response.raise_for_status()
            answer = response.json()
        except requests.RequestException as error:
            # The request's own text is not shown: it may hold a password.
            status = getattr(error.response, "status_code", None)
            raise Unavailable(f"Odoo at {self.url} does not answer", found=status or type(error).__name__) from None
        if "error" in answer:
            detail = answer["error"].get("data", {})
            raise PlatformError(f"Odoo refuses {service}.{method}", found=f"{detail.get('name')}: {detail.get('message')}")
        return answer.get("result")


@dataclass(frozen=True)
class User:
    """A user of an Odoo, logged in."""

    odoo: Odoo
    uid: int
    password: str

    def __repr__(self) -> str:
        return f"User({self.odoo.url}, uid={self.uid})"

    def execute(self, model: str, method: str, arguments: Sequence[Any] = (), options: Mapping[str, Any] | None = None) -> Any:
        """Return what ``method`` of ``model`` returns (execute_kw). Raises PlatformError with Odoo's own words."""
        words = (self.odoo.database, self.uid, self.password, model, method, list(arguments), dict(options or {}))
        return self.odoo._call("object", "execute_kw", *words)

    def create(self, model: str, values: Mapping[str, Any]) -> int:
        """Return the id of a new record."""
        return int(self.execute(model, "create", [dict(values)]))

    def read(self, model: str, record: int, fields: Sequence[str]) -> dict[str, Any]:
        """Return the fields of one record."""
        rows: list[dict[str, Any]] = self.execute(model, "read", [[record], list(fields)])
        return rows[0]

    def search(self, model: str, domain: Sequence[Any], limit: int = 80) -> list[int]:
        """Return the ids of records that match Odoo's ``domain``."""
        ids: list[int] = self.execute(model, "search", [list(domain)], {"limit": limit})
        return ids
