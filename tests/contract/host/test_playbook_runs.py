"""Playbooks as processes of their own: several at a time, one's failure is its own, all end when they are told to."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.host.playbook_runs import Ended, Job, PlaybookRuns
from tests.fixtures.ansible import ROOT
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.timeout(60)

_PLAY = "- name: Play\n  hosts: localhost\n  gather_facts: false\n  tasks:\n"
_PRINTS = "    - name: Print\n      ansible.builtin.debug:\n        msg: done for {{ tenant }}\n"
_FAILS = "    - name: Fail\n      ansible.builtin.fail:\n        msg: no room for {{ tenant }}\n"
# The worker of a task is a child of ansible-playbook, its shell a child of the module's process.
_KILLS = "    - name: Kill\n      ansible.builtin.shell: pkill -KILL -f ansible-playbook.*{{ playbook_dir }}/kills.yml\n"
_LASTS = "    - name: Last\n      ansible.builtin.shell: touch {{ playbook_dir }}/{{ tenant }}.begun; sleep 60\n"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlaybookRuns:
    monkeypatch.setenv("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))
    for name, tasks in {"prints": _PRINTS, "fails": _FAILS, "kills": _KILLS, "lasts": _LASTS}.items():
        (tmp_path / f"{name}.yml").write_text(_PLAY + tasks)
    here = ["--inventory=localhost,", "--connection=local", f"--extra-vars=ansible_python_interpreter={sys.executable}"]
    return PlaybookRuns(parallel=2, log=tmp_path, options=here)


def job(folder: Path, name: str, *playbooks: str) -> Job:
    return Job(name, tuple((folder / f"{each}.yml", {"tenant": name}) for each in playbooks))


def test_each_has_its_own_end_and_its_own_log(runs: PlaybookRuns, tmp_path: Path) -> None:
    jobs = [job(tmp_path, "acme", "prints", "prints"), job(tmp_path, "beta", "fails", "prints"), job(tmp_path, "gamma", "prints")]
    acme, beta, gamma = runs.run(jobs, lambda line: None, lambda: False)
    assert (acme, gamma) == (Ended("acme", succeeded=True), Ended("gamma", succeeded=True))
    assert not beta.succeeded
    assert "no room for beta" in beta.message
    assert (tmp_path / "acme.log").read_text().count("done for acme") == 2
    assert (tmp_path / "acme.log").stat().st_mode & 0o777 == 0o600
    assert "done for" not in (tmp_path / "beta.log").read_text(), "what follows a failure is not run"


def test_when_it_is_to_stop_all_end_and_none_begins(runs: PlaybookRuns, tmp_path: Path) -> None:
    jobs = [job(tmp_path, name, "lasts") for name in ("acme", "beta", "gamma")]

    def both_run() -> bool:
        return all((tmp_path / f"{name}.begun").exists() for name in ("acme", "beta"))

    ended = runs.run(jobs, lambda line: None, both_run)
    assert [(each.succeeded, each.message) for each in ended] == [(False, "stopped"), (False, "stopped"), (False, "not begun")]
    assert not (tmp_path / "gamma.log").exists()
    eventually(lambda: not _plays(tmp_path), "nothing plays on", seconds=20)


def test_one_that_is_killed_says_by_which_signal(runs: PlaybookRuns, tmp_path: Path) -> None:
    (ended,) = runs.run([job(tmp_path, "acme", "kills")], lambda line: None, lambda: False)
    assert (ended.succeeded, ended.message) == (False, "kills.yml was killed by signal 9 (SIGKILL)")


def _plays(folder: Path) -> list[int]:
    """Return the processes that play something in ``folder``."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            words = (each / "cmdline").read_bytes().decode()
        except OSError:
            continue
        found += [int(each.name)] if str(folder) in words and int(each.name) != os.getpid() else []
    return found
