"""Who may call: Kill Bill by the secret in the callback path (it signs nothing), operators by a bearer token."""

from __future__ import annotations

import hmac
import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

_MAX_SOURCES = 10_000
_ONE_NETWORK = 64  # bits: a client of IPv6 has all addresses that begin so


def is_one_of(given: str, valid: Sequence[str]) -> bool:
    """Say whether ``given`` is a valid secret, in a time that does not depend on which, nor on how much of it is right."""
    candidate = given.encode("utf-8", "surrogatepass")
    found = False
    for secret in valid:
        found |= hmac.compare_digest(candidate, secret.encode())
    return found


class FailureLimit:
    """Counts a source's failures in a sliding window; a right secret is never held back by somebody's wrong ones."""

    def __init__(self, *, allowed: int = 10, window: float = 60, clock: Callable[[], float] = time.monotonic) -> None:
        self._allowed, self._window, self._clock = allowed, window, clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._guard = threading.Lock()

    def failed(self, source: str) -> bool:
        """Record a failure of ``source``, an address; True when it has had more than its share and is to be told to wait."""
        source, now = _network(source), self._clock()
        with self._guard:
            recent = [at for at in self._failures.pop(source, []) if now - at < self._window]
            excess = len(recent) >= self._allowed
            self._failures[source] = recent if excess else [*recent, now]
            while len(self._failures) > _MAX_SOURCES:
                self._failures.popitem(last=False)
        return excess

    def __len__(self) -> int:
        """Return of how many clients something is known."""
        return len(self._failures)

    @property
    def window(self) -> float:
        """Seconds after which a failure is forgotten."""
        return self._window


def _network(source: str) -> str:
    """Return what stands for a client: its address, or of IPv6 its network."""
    try:
        address = ipaddress.ip_address(source.partition("%")[0])
    except ValueError:
        return source
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((address, _ONE_NETWORK), strict=False))
