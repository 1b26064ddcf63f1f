"""A package of Odoo's that a mirror gives in the place of the one that was tried."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tests.fixtures.ansible import ROOT, run_tasks

_TASKS = ROOT / "roles/odoo_runtime/tasks/check_package.yml"


def checked(folder: Path, sha256: str) -> dict[str, Any]:
    source = {"package": "odoo-19", "sha256": sha256}
    work = {"_odoo_runtime_work": {"path": str(folder)}, "_odoo_runtime_release": {"source": source}}
    return run_tasks([{"ansible.builtin.include_tasks": str(_TASKS)}], extra_vars=work)[-1]


def test_another_package_than_the_one_that_was_meant_is_refused(tmp_path: Path) -> None:
    (tmp_path / "debs").mkdir()
    (tmp_path / "debs/odoo-19_19.0_all.deb").write_bytes(b"meant")
    (tmp_path / "debs/fonts-roboto_1_all.deb").write_bytes(b"beside it")
    meant = hashlib.sha256(b"meant").hexdigest()
    assert not checked(tmp_path, meant).get("failed")
    (tmp_path / "debs/odoo-19_19.0_all.deb").write_bytes(b"another")
    failed = checked(tmp_path, meant)
    assert failed["failed"]
    assert f"odoo-19_19.0_all.deb, sha256 {hashlib.sha256(b'another').hexdigest()}; expected: {meant}" in failed["msg"]
