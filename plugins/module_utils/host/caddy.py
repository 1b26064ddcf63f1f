# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table of tenants' routes that Caddy reads at each request (roles/ingress has its configuration).

One folder per host name, with one empty file that says it all: ``open-<port>-<owner>`` or ``suspended-<owner>``. Caddy finds
it by a pattern, so a route takes effect the moment its file is there: nothing is reloaded, no websocket of another tenant
is cut, and the cost does not grow with the fleet. ``suspended`` wins where both are there, so a change that was killed half
way never opens what is to be closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..domain.change import Change
from ..errors import InvalidInput, NotFound
from . import files

_HOST = re.compile(r"^[a-z0-9-]+(\.[a-z0-9-]+)*$")  # also what roles/ingress lets through to the table
_OWNER = re.compile(r"^[a-z0-9]+$")
_HOST_LIMIT = 253  # characters in a DNS name (RFC 1035)


@dataclass(frozen=True)
class Route:
    """Where ``host`` leads: state open (to 127.0.0.1:``port``), suspended or absent; ``owner`` is the tenant's short id."""

    host: str
    owner: str
    state: str
    port: int | None = None

    def __post_init__(self) -> None:
        if not _HOST.match(self.host) or len(self.host) > _HOST_LIMIT:
            raise InvalidInput("not a host name", found=self.host, expected="labels of a-z, 0-9 and '-', joined by dots")
        if not _OWNER.match(self.owner):
            raise InvalidInput("not a tenant's short id", found=self.owner, expected="a-z and 0-9")
        if self.state == "open" and not self.port:
            raise InvalidInput(f"the route of {self.host} needs a port")

    @property
    def entry(self) -> str | None:
        """The name of the file that says so."""
        words = {"open": f"open-{self.port}-{self.owner}", "suspended": f"suspended-{self.owner}"}
        return words.get(self.state)


class RouteTable:
    """The folder of routes. Each change holds its lock, so any number of runs may work on it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, host: str) -> list[str]:
        """Return the entries of ``host``: one, or none; more after a change was killed."""
        try:
            with files.opened(self._folder / host) as folder:
                return folder.names()
        except FileNotFoundError:
            return []

    def plan(self, route: Route) -> Change[list[str]]:
        """Return the entries there are and those there will be. An absent route leaves another owner's alone."""
        before = self.read(route.host)
        if route.entry:
            return Change(before, [route.entry])
        return Change(before, [entry for entry in before if not entry.endswith(f"-{route.owner}")])

    def apply(self, route: Route) -> None:
        """Bring the route to its state; the new entry is there before the old one goes. Raises NotFound without a table."""
        with self._locked() as table:
            change = self.plan(route)
            if change.after:
                with table.make(route.host, 0o755) as folder:  # the proxy has a user of its own; the umask may say otherwise
                    for entry in change.after:
                        folder.make_file(entry)
                    for entry in set(change.before) - set(change.after):
                        folder.remove(entry)
            else:
                table.remove(route.host)

    @contextmanager
    def _locked(self) -> Iterator[files.Folder]:
        try:
            table = files.opened(self._folder)
        except FileNotFoundError:
            raise NotFound(f"no table of routes {self._folder}", action="run playbooks/ingress.yml") from None
        with table, table.held():
            yield table
