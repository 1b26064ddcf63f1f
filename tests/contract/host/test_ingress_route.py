"""The noun ingress_route: create, again, change, delete, each with check mode; concurrently; after a kill."""

from __future__ import annotations

import itertools
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput, NotFound
from ansible_collections.saasodoo.platform.plugins.module_utils.host.caddy import Route, RouteTable
from tests.fixtures.ansible import run_tasks

HOST, OWNER = "acme.localhost", "0f8fad5bd9cb"
OPEN = {"host": HOST, "owner": OWNER, "port": 22000}
SUSPENDED = {"host": HOST, "owner": OWNER, "state": "suspended"}
ABSENT = {"host": HOST, "owner": OWNER, "state": "absent"}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "routes").mkdir()
    return tmp_path / "routes"


def entries(table: Path) -> list[str]:
    return sorted(str(entry.relative_to(table)) for entry in table.rglob("*"))


def play(table: Path, *routes: dict[str, Any], check: bool = False) -> list[dict[str, Any]]:
    return run_tasks([{"saasodoo.platform.ingress_route": {**route, "routes": str(table)}} for route in routes], check=check)


def test_every_change_is_foretold_made_once_and_shown(table: Path) -> None:
    steps: list[tuple[dict[str, Any], str]] = [
        (OPEN, "open-22000-0f8fad5bd9cb"),
        (OPEN | {"port": 22001}, "open-22001-0f8fad5bd9cb"),
    ]
    steps += [(SUSPENDED, "suspended-0f8fad5bd9cb"), (OPEN, "open-22000-0f8fad5bd9cb"), (ABSENT, "")]
    for route, entry in steps:
        before = entries(table)
        (foretold,) = play(table, route, check=True)
        assert entries(table) == before
        done, again = play(table, route, route)
        assert (foretold["changed"], done["changed"], again["changed"]) == (True, True, False)
        assert foretold["diff"] == done["diff"]
        assert done["diff"]["after"] == {"entries": [entry] if entry else []}
        assert entries(table) == ([HOST, f"{HOST}/{entry}"] if entry else [])


def test_options_are_checked(table: Path) -> None:
    assert "port" in play(table, {"host": HOST, "owner": OWNER})[-1]["msg"]
    assert "not a host name" in play(table, OPEN | {"host": "../etc"})[-1]["msg"]
    assert "playbooks/ingress.yml" in play(table / "missing", OPEN)[-1]["msg"]


@pytest.mark.parametrize("host", ["", "..", "a/b", "*", "a*.localhost", "[a].localhost", "A.localhost", "a..b", ".a", "a" * 254])
def test_what_is_no_host_name_never_becomes_a_path(host: str) -> None:
    with pytest.raises(InvalidInput):
        Route(host, OWNER, "suspended")


def test_the_end_of_an_old_tenant_leaves_the_name_to_its_successor(table: Path) -> None:
    routes = RouteTable(table)
    routes.apply(Route(HOST, "bbbb", "open", 22001))
    routes.apply(Route(HOST, "aaaa", "absent"))
    assert routes.read(HOST) == ["open-22001-bbbb"]


def test_what_a_killed_change_left_is_put_right(table: Path) -> None:
    (table / HOST).mkdir()
    for left in ([], ["open-1-x", "suspended-x"], ["open-1-x", "open-2-x"]):
        for name in left:
            (table / HOST / name).touch()
        RouteTable(table).apply(Route(HOST, "x", "open", 3))
        assert RouteTable(table).read(HOST) == ["open-3-x"]


def test_without_a_table_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"run playbooks/ingress\.yml"):
        RouteTable(tmp_path / "none").apply(Route(HOST, OWNER, "open", 1))


def _work(job: tuple[Path, int]) -> None:
    folder, seed = job
    for turn in range(40):
        host = f"t{(seed + turn) % 3}.localhost"
        route = Route(host, "x", ("open", "suspended", "absent")[(seed * 7 + turn) % 3], 22000 + turn)
        RouteTable(folder).apply(route)


def test_many_at_once_leave_one_entry_for_each(table: Path) -> None:
    with ProcessPoolExecutor(8) as workers:
        list(workers.map(_work, zip(itertools.repeat(table), range(16), strict=False)))
    for folder in table.iterdir():
        assert len(list(folder.iterdir())) == 1, entries(table)
