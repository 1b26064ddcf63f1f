# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether an HTTP server answers as it should: predicates for waiting.wait_until."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import Conflict, InvalidInput
from ..waiting import Look

_PATIENCE = 10  # seconds one request may take
_TAIL_BYTES = 8192


@dataclass(frozen=True)
class Address:
    """A URL to ask, ``host`` being the Host header where it is not the URL's own, and the status that counts as ready.

    One of ``final`` is there to stay, so that nobody need wait any more.
    """

    url: str
    host: str = ""
    status: int = 200
    final: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.url} (Host: {self.host})" if self.host else self.url


def look_at(address: Address) -> Look:
    """Ask once. Raises Conflict for an answer that is there to stay."""
    parts = urlsplit(address.url)
    if parts.scheme != "http" or not parts.hostname:
        raise InvalidInput("not an address to ask", found=address.url, expected="http://host:port/path")
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=_PATIENCE)
    try:
        connection.request("GET", parts.path or "/", headers={"Host": address.host} if address.host else {})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return Look(ready=False, found=f"{address}: {error or type(error).__name__}")
    finally:
        connection.close()
    if status in address.final:
        raise Conflict(f"{address} will not become ready", found=status, expected=address.status)
    return Look(ready=status == address.status, found=f"{address}: {status}")


def look_at_all(addresses: Sequence[Address]) -> Look:
    """Ask one after the other; the first that is not ready is what was found."""
    seen = Look(ready=True, found="nothing to ask")
    for address in addresses:
        seen = look_at(address)
        if not seen.ready:
            break
    return seen


def tail(file: Path, lines: int) -> str:
    """Return the last ``lines`` lines of a log, or nothing when it can't be read."""
    try:
        with file.open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - _TAIL_BYTES))
            text = log.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:]) if lines else ""
