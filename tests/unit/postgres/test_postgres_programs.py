"""Which of several installed versions of a PostgreSQL program is used for a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import NotFound
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo.program import fitting


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Versions 9, 15 and 18; 16 without the program."""
    for version in ("9", "15", "16", "18"):
        (tmp_path / version / "bin").mkdir(parents=True)
        if version != "16":
            (tmp_path / version / "bin/pg_dump").touch()
    return tmp_path


@pytest.mark.parametrize(("server", "program"), [(15, "15"), (16, "18"), (18, "18"), (9, "9"), (10, "15")])
def test_it_is_of_the_servers_version_or_the_next_newer_one(packages: Path, server: int, program: str) -> None:
    assert fitting("pg_dump", server, packages) == packages / program / "bin/pg_dump"


def test_an_older_one_is_none(packages: Path) -> None:
    with pytest.raises(NotFound, match=r"pg_dump of PostgreSQL 19 is not installed; found: 9, 15, 18; expected: 19 or newer"):
        fitting("pg_dump", 19, packages)
