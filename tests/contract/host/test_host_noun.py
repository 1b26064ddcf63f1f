"""A host's noun does the same whether it is called in place or sent as a module; ingress_route and process stand for all."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tests.fixtures.ansible import run_tasks

#: A variable of its own around a task keeps it from being called in place.
_SENT = {"environment": {"SENT": "yes"}}


def task(table: Path, **more: Any) -> dict[str, Any]:
    route = {"host": "acme.localhost", "owner": "0f8fad5bd9cb", "port": "{{ 21000 + 1000 }}", "routes": str(table)}
    return {"saasodoo.platform.ingress_route": route, **more}


def test_called_or_sent_it_is_the_same(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    called, again, sent, sent_again = run_tasks([task(here), task(here), task(there, **_SENT), task(there, **_SENT)])
    assert "invocation" in sent
    assert "invocation" not in called, "it was sent"
    assert called["diff"] == sent["diff"]
    assert (called["route"], called["changed"], again["changed"]) == (sent["route"], sent["changed"], sent_again["changed"])
    assert sorted(path.name for path in here.rglob("*")) == sorted(path.name for path in there.rglob("*"))


def test_values_of_templates_reach_it_plain() -> None:
    with tempfile.TemporaryDirectory(prefix="saasodoo-") as home:  # a short path, for its socket
        common = {"manager": "supervisord", "home": home}
        process = {"name": "{{ 'sleep' ~ 'er' }}", "command": ["sleep", "{{ 300 + 1 }}"], **common}
        played = run_tasks(
            [
                {"saasodoo.platform.process": process},
                {"saasodoo.platform.process": {"name": "*", "state": "absent", **common}},
            ]
        )
        assert [(result["changed"], result.get("msg")) for result in played] == [(True, None)] * 2
