"""The machines, each with the platform that somebody new to it has set up there."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.binaries import cache
from tests.fixtures.ansible import ROOT
from tests.fresh.machine import USER, Machine, machine, obstacle
from tests.fresh.state import State, read
from tests.fresh.typed import Typed

#: Who sets the platform up, and on what: make test-fresh takes all, make test two of them, which have met all there was to meet.
_KINDS = {
    "debian12-sudo": ("bookworm", USER),
    "debian13-root": ("trixie", "root"),
    "debian12-root": ("bookworm", "root"),
    "debian13-sudo": ("trixie", USER),
}
#: Made of a mirror that has it beside Debian; asked for by name.
_OTHERS = {"ubuntu24-sudo": ("noble", USER)}
_ASKED = os.environ.get("SAASODOO_FRESH", "debian12-sudo,debian13-root")
_CHOSEN = tuple(_KINDS) if _ASKED == "all" else tuple(_ASKED.split(","))
_LIMIT = 1500  # seconds for make demo; 150 on two quiet cores


@dataclass(frozen=True)
class Newcomer:
    """A machine after ``make demo``, typed by ``user`` in a clone that is all they have done there."""

    machine: Machine
    user: str
    before: State
    demo: Typed
    log: Path

    @property
    def address(self) -> str:
        """Return where the demo says that its last tenant is."""
        found = re.search(r"(http://try-\S+)  log in as admin", self.demo.shown)
        assert found, self.demo.shown[-3000:]
        return found[1]

    @property
    def password(self) -> str:
        """Return the password that the demo shows with it."""
        found = re.search(r"log in as admin, password (\S+)", self.demo.shown)
        assert found, self.demo.shown[-3000:]
        return found[1]

    def ask(self, expression: str) -> str:
        """Return what an expression about the demo's Platform is on the machine."""
        words = shlex.quote(f"from demo.platform import Platform; print({expression})")
        return self.machine.run(f"cd saasodoo && PYTHONPATH=.:collections .venv/bin/python -c {words}", self.user).strip()

    def type(self, command: str, timeout: float) -> Typed:
        """Type a command in the clone."""
        return self.machine.type(f"cd saasodoo && {command}", self.user, self.log, timeout)


@pytest.fixture(scope="module", params=_CHOSEN)
def newcomer(request: pytest.FixtureRequest) -> Iterator[Newcomer]:
    """Somebody who has cloned the project and typed ``make demo``."""
    if reason := obstacle():
        pytest.skip(reason)
    suite, user = (_KINDS | _OTHERS)[request.param]
    log = cache() / "fresh" / f"{request.param}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(f"{request.param}, {time.strftime('%Y-%m-%d %H:%M:%S')}\n\n")
    with machine(cache(), suite, ROOT) as running:
        before = read(running, user)
        clone = running.type("git clone -q /srv/saasodoo.bundle saasodoo", user, log, 60)
        assert clone.status == 0, clone.shown
        demo = running.type("cd saasodoo && make demo", user, log, _LIMIT)
        yield Newcomer(running, user, before, demo, log)
