"""The collection as others install it: built, installed where nothing else is, and used from there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.fixtures.ansible import ROOT
from tests.fixtures.collection import install, run

_KINDS = {"module": "modules", "lookup": "lookup", "filter": "filter", "inventory": "inventory", "callback": "callback"}
#: A noun that is called in place, and, for its environment, sent as any other module.
_PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Here
      saasodoo.platform.process: &process
        {{name: nothing, state: absent, manager: supervisord, home: {home}, instance: test}}
    - name: Sent
      saasodoo.platform.process: *process
      environment: {{A: b}}
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is installed."""
    return install(tmp_path_factory.mktemp("collection"))


@pytest.mark.parametrize("kind", _KINDS)
def test_every_plugin_is_known_with_its_documentation(installed: Path, kind: str) -> None:
    done = run("ansible-doc", "-t", kind, "-l", "--json", "saasodoo.platform", folder=installed)
    wanted = {f"saasodoo.platform.{each.stem}" for each in (ROOT / "plugins" / _KINDS[kind]).glob("*.py")}
    assert set(json.loads(done.stdout)) == wanted, done.stderr


def test_a_noun_works_in_place_and_sent(installed: Path) -> None:
    (installed / "play.yml").write_text(_PLAY.format(home=installed / "home"))
    python = f"ansible_python_interpreter={sys.executable}"
    done = run("ansible-playbook", "-i", "localhost,", "-e", python, "play.yml", folder=installed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok=2 " in done.stdout
