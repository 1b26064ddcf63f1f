"""What Ansible asks of every collection: ansible-test sanity on the built one, in environments of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.cluster.binaries import cache
from tests.fixtures.collection import install, run

#: What plugins import at their top, which requirements/runtime.in has and ansible-test's own environments have not.
_NEEDED = "kubernetes|psycopg|requests"
_LACKS = re.compile(rf": ModuleNotFoundError: No module named '({_NEEDED})'( \(at [^)]*\))?$")
#: What is right as it is, as ansible-test has it: file and code.
_IGNORED = """\
plugins/modules/odoo_template.py validate-modules:import-error
plugins/modules/pgbouncer_database.py validate-modules:import-error
roles/odoo_runtime/files/bin/odoo shebang
roles/odoo_runtime/files/build/fingerprint.py shebang
roles/odoo_runtime/files/odoo-11.0/odoo.py shebang
"""  # those modules need psycopg, which ansible-test's environments have not; those files are programs
#: What ansible-test would download: it puts pip into an environment. Python brings one.
_GET_PIP = "import ensurepip\n\nensurepip.bootstrap()\n"


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection, built and installed, as ansible-test wants to find it."""
    collection = install(tmp_path_factory.mktemp("sanity")) / "ansible_collections/saasodoo/platform"
    ignored = collection / f"tests/sanity/ignore-{'.'.join(version('ansible-core').split('.')[:2])}.txt"
    ignored.parent.mkdir(parents=True)
    ignored.write_text(_IGNORED)
    for words in (["init", "-q"], ["add", "-A"]):  # ansible-test looks at what git knows
        subprocess.run(["git", *words], cwd=collection, check=True, capture_output=True)
    return collection


@pytest.mark.timeout(900)  # some ten environments are made, once
def test_ansible_finds_nothing_wrong_with_the_collection(collection: Path) -> None:
    code, errors = sanity(collection, "--skip-test=import")
    assert code == 0, "\n".join(errors)


@pytest.mark.timeout(300)
def test_plugins_can_be_imported_where_what_they_need_is(collection: Path) -> None:
    _, errors = sanity(collection, "--test=import")
    found = [line for line in errors if not line.startswith("ERROR: Found ")]  # the sum of them
    assert found, "what is known to lack is not found lacking"
    assert not [line for line in found if not _LACKS.search(line)]


def sanity(collection: Path, which: str) -> tuple[int, list[str]]:
    """Run tests of ansible-test; return its exit status and what it complains of."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    words = ["sanity", "--python", python, "--color", "no", which]
    done = run("ansible-test", *words, folder=collection.parents[2], cwd=collection, HOME=str(_home()), **_pip())
    return done.returncode, [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("ERROR: ")]


def _home() -> Path:
    """Return where ansible-test keeps its environments; they are cached."""
    home = cache() / f"ansible-test-{version('ansible-core')}"
    script = home / ".ansible/test/cache/get_pip_24_2.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(_GET_PIP)
    return home


def _pip() -> dict[str, str]:
    """Return what leads pip to this user's index, also from another home."""
    files = [Path.home() / each for each in (".config/pip/pip.conf", ".pip/pip.conf")]
    found = next((each for each in files if each.is_file()), None)
    return {"PIP_CONFIG_FILE": str(found)} if found else {}
