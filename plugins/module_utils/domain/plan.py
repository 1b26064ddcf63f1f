# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plans and what they entitle a tenant to (mission: plans and entitlements are data, never code)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput, NotFound

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"^(\d+)\s*([KMGT]?)(i?B)?$", re.IGNORECASE)


class DatabaseType(StrEnum):
    """What decides whether a tenant shares a Postgres server; a plan's name never does."""

    SHARED = "shared"
    DEDICATED = "dedicated"


def parse_size(text: str) -> int:
    """Return the bytes a size such as ``4GB``, ``10G`` or ``512MiB`` stands for (units are powers of 1024).

    Raises InvalidInput when it is not a size, or is zero.
    """
    match = _SIZE.match(text.strip())
    size = int(match[1]) * _UNITS[match[2].upper()] if match else 0
    if size <= 0:
        raise InvalidInput("not a size", found=text, expected="a positive number with K, M, G or T, such as 4GB or 10G")
    return size


@dataclass(frozen=True)
class Entitlement:
    """One row of billing.plan_entitlements: what ``plan_name`` gives from ``effective_date`` on.

    ``cpu_limit`` is in cores; ``memory_limit`` and ``storage_limit`` are sizes as written, see parse_size.
    """

    plan_name: str
    effective_date: datetime
    cpu_limit: Decimal
    memory_limit: str
    storage_limit: str
    db_type: DatabaseType
    description: str = ""

    @property
    def memory_bytes(self) -> int:
        """The memory limit in bytes."""
        return parse_size(self.memory_limit)

    @property
    def storage_bytes(self) -> int:
        """The storage quota in bytes."""
        return parse_size(self.storage_limit)


def in_force(rows: Iterable[Entitlement], plan_name: str, at: datetime) -> Entitlement:
    """Return the entitlement of ``plan_name`` in force at ``at``: the newest effective date not after it.

    Raises NotFound when the plan is unknown or not yet effective: there is no silent default.
    """
    rows = list(rows)
    effective = [row for row in rows if row.plan_name == plan_name and row.effective_date <= at]
    if not effective:
        known = sorted({row.plan_name for row in rows})
        raise NotFound(
            f"unknown plan '{plan_name}'",
            expected=f"one of {', '.join(known)}" if known else "a plan",
            action="add it to saasodoo_plans and run playbooks/registry.yml",
        )
    return max(effective, key=lambda row: row.effective_date)
