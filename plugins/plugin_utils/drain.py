# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Emptying a server by playbooks of its tenants: what is run for whom, and what it is told by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..module_utils.domain.server.drain import Drain, Resident
from ..module_utils.host.playbook_runs import Ended, Job


def jobs(drain: Drain, playbooks: Path, *, let_go: bool) -> list[Job]:
    """Return what is run for each tenant. What it does in one run it is not to wait for in the other."""

    def settles(tenant: Resident) -> tuple[Path, dict[str, str]]:
        return playbooks / "tenant_settle.yml", {"tenant": str(tenant.tenant_id), "let_go": "true"}

    def moves(tenant: Resident) -> tuple[Path, dict[str, str]]:
        return playbooks / "tenant_migrate.yml", {"tenant": str(tenant.tenant_id)}

    moving = [Job(each.name, (moves(each), *((settles(each),) if let_go else ()))) for each in drain.move]
    return moving + [Job(each.name, (settles(each),)) for each in drain.settle]


def report(before: Drain, after: Drain, ended: Sequence[Ended]) -> dict[str, Any]:
    """Return what became of each tenant, by name."""
    left = {each.name for each in after.move}
    failed = {each.name: each.message for each in ended if not each.succeeded}
    failed |= {each.name: "it still lives here" for each in after.move if each.name not in failed}
    return {
        "moved": sorted(each.name for each in before.move if each.name not in left),
        "settled": sorted(each.name for each in before.settle if each not in after.settle),
        "failures": failed,
        "unmovable": {each.name: why for each, why in after.skipped},
        "kept": {each.name: each.keep_until.isoformat() if each.keep_until else "" for each in (*after.kept, *after.settle)},
        "empty": after.empty,
    }
