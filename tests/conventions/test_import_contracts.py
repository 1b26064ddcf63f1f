"""The contracts on imports hold, and each is shown to catch what it forbids."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conventions.project import PLUGINS, ROOT, files

LINK = Path("collections/ansible_collections/saasodoo/platform/plugins")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the code and its contracts, to plant something in."""
    for name in files(r"(plugins|webhook_runner|demo)/.*\.py|pyproject\.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    (tmp_path / LINK.parent).mkdir(parents=True)
    (tmp_path / LINK).symlink_to(tmp_path / "plugins")
    return tmp_path


def lint(project: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter there."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=project,
        env=os.environ | {"PYTHONPATH": f"{project / 'collections'}:{project}", "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_contracts_are_kept(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("plugins/module_utils/domain/billing/trial.py", "import subprocess", "What decides is pure"),
        (
            "plugins/module_utils/domain/billing/trial.py",
            f"import {PLUGINS}.module_utils.registry.plans",
            "Plugins are thin edges",
        ),
        ("plugins/module_utils/registry/plans.py", f"import {PLUGINS}.plugin_utils.noun", "Modules run on hosts"),
        ("plugins/module_utils/registry/plans.py", f"import {PLUGINS}.modules.process", "Plugins are thin edges"),
        ("plugins/modules/process.py", f"import {PLUGINS}.action.plan", "Plugins are thin edges"),
        ("plugins/module_utils/domain/billing/desired_state.py", "import psycopg", "What decides is pure"),
        ("webhook_runner/sync.py", f"import {PLUGINS}.action.plan", "The webhook runner uses"),
        ("webhook_runner/sync.py", "import webhook_runner.web", "The webhook runner's own layers"),
        ("webhook_runner/sync.py", "import ansible_runner", "ansible-runner has one user"),
    ],
)
def test_a_planted_import_is_caught(copy: Path, file: str, line: str, contract: str) -> None:
    with (copy / file).open("a", encoding="utf-8") as source:
        source.write(f"{line}\n")
    done = lint(copy)
    broken = [each for each in done.stdout.splitlines() if each.startswith(contract) and "BROKEN" in each]
    assert done.returncode == 1, done.stderr
    assert broken, done.stdout
