"""What Ansible asks of every collection: ansible-test sanity on the built one, in environments of its own."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.cluster.binaries import cache
from tests.fixtures.collection import install, run

#: Each plugin imports what it needs at its top, which is not there in ansible-test's own environments.
_SKIPPED = ("import",)
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


@pytest.mark.timeout(900)  # some ten environments are made, once
def test_ansible_finds_nothing_wrong_with_the_collection(tmp_path: Path) -> None:
    collection = install(tmp_path) / "ansible_collections/saasodoo/platform"
    ignored = collection / f"tests/sanity/ignore-{'.'.join(version('ansible-core').split('.')[:2])}.txt"
    ignored.parent.mkdir(parents=True)
    ignored.write_text(_IGNORED)
    for words in (["init", "-q"], ["add", "-A"]):  # ansible-test looks at what git knows
        subprocess.run(["git", *words], cwd=collection, check=True, capture_output=True)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    tests = ["sanity", "--python", python, "--color", "no", *(f"--skip-test={each}" for each in _SKIPPED)]
    done = run("ansible-test", *tests, folder=tmp_path, cwd=collection, HOME=str(_home()), **_pip())
    assert done.returncode == 0, "\n".join(line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line)


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
