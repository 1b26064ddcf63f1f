"""What playbooks/teardown.yml removes, and what it leaves where it stands."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.ansible import Run, run_playbook

#: A file system of its own on the home, seen by nobody else, with a platform's files; afterwards, what lies there.
_MOUNTED = """
mount -t tmpfs none "$0"
mkdir -p "$0/secrets/registry" "$0/.hidden"
touch "$0/tenants"
status=0; "$@" || status=$?
{ findmnt -nro FSTYPE "$0"; ls -A "$0"; } > "$0.left"
exit $status
"""


def take_down(home: Path, *prefix: str, confirm: str = "spare") -> Run:
    names = {"SAASODOO_HOME": str(home), "SAASODOO_INSTANCE": "spare"}
    return run_playbook("playbooks/teardown.yml", extra_vars={"teardown_confirm": confirm}, environment=names, prefix=prefix)


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="saasodoo-down-") as folder:  # pytest's own is too long for Unix sockets
        made = Path(folder) / "home"
        made.mkdir()
        yield made


def test_a_home_that_somebody_mounts_is_emptied_and_stays(home: Path) -> None:
    mounted = ("unshare", "--map-root-user", "--mount", "sh", "-ec", _MOUNTED, str(home))
    done = take_down(home, *mounted)
    assert done.rc == 0, done.text
    assert home.with_suffix(".left").read_text().split() == ["tmpfs"]
    assert home.is_dir()


def test_a_home_goes_with_all_that_lies_there(home: Path) -> None:
    (home / "secrets/registry").mkdir(parents=True)
    (home / ".hidden").touch()
    assert take_down(home).rc == 0
    assert not home.exists()
    assert take_down(home).changed == 0


def test_what_is_no_platforms_home_is_left_alone(home: Path) -> None:
    (home / "letters").touch()
    assert take_down(home).rc == 0
    assert [each.name for each in home.iterdir()] == ["letters"]


def test_under_another_name_nothing_is_removed(home: Path) -> None:
    (home / "secrets/registry").mkdir(parents=True)
    done = take_down(home, confirm="local")
    assert "found: local; expected: spare" in str(done.failure).lower()
    assert (home / "secrets/registry").is_dir()
