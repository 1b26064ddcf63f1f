# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plans and what they entitle a tenant to (mission: plans and entitlements are data, never code)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from ...errors import InvalidInput, NotFound
from ..change import Change

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")  # the registry checks the same
_CPU_LIMIT = Decimal(100)  # numeric(4, 2) in the registry
_FIELDS = frozenset({"effective_date", "cpu_limit", "memory_limit", "storage_limit", "db_type", "description"})
_SIZE = re.compile(r"^([0-9]+) *([KMGT]?)(i?B)?$", re.IGNORECASE | re.ASCII)  # the registry checks the same


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


def read_plan(data: Mapping[str, Any]) -> list[Entitlement]:
    """Return the entitlements of one plan as the inventory writes it (saasodoo_plans): ``name`` and ``entitlements``.

    Other keys of the plan (price, trial) are billing's. Raises InvalidInput naming the plan and what is wrong with it.
    """
    name = data.get("name")
    rows = data.get("entitlements")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InvalidInput("illegal plan name", found=name, expected="1 to 63 of a-z, 0-9 and '-', starting with a letter")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, Mapping) for row in rows):
        raise InvalidInput(f"plan '{name}' entitles to nothing", expected="a list 'entitlements' of at least one mapping")
    entitlements = [_read_row(name, row) for row in rows]
    if len({row.effective_date for row in entitlements}) < len(entitlements):
        raise InvalidInput(f"plan '{name}' has two entitlements with one effective_date")
    return entitlements


def _read_row(name: str, row: Mapping[str, Any]) -> Entitlement:
    missing, unknown = _FIELDS - {"db_type", "description"} - row.keys(), row.keys() - _FIELDS
    if missing or unknown:
        problem = f"lacks {', '.join(sorted(missing))}" if missing else f"has unknown {', '.join(sorted(unknown))}"
        raise InvalidInput(f"an entitlement of plan '{name}' {problem}", expected=", ".join(sorted(_FIELDS)))
    try:
        entitlement = Entitlement(
            plan_name=name,
            effective_date=_read_moment(row["effective_date"]),
            cpu_limit=_read_cores(row["cpu_limit"]),
            memory_limit=str(row["memory_limit"]).strip(),
            storage_limit=str(row["storage_limit"]).strip(),
            db_type=DatabaseType(row.get("db_type", DatabaseType.SHARED)),
            description=str(row.get("description", "")),
        )
        for limit in (entitlement.memory_limit, entitlement.storage_limit):
            parse_size(limit)
    except (ValueError, InvalidOperation, InvalidInput) as error:
        raise InvalidInput(f"an entitlement of plan '{name}' can't be read", found=str(error) or repr(dict(row))) from None
    return entitlement


def _read_cores(value: object) -> Decimal:
    cores = Decimal(str(value)).quantize(Decimal("0.01"))
    if not cores.is_finite() or not 0 < cores < _CPU_LIMIT:
        raise InvalidInput("illegal cpu_limit", found=value, expected="more than 0, less than 100")
    return cores


def _read_moment(value: object) -> datetime:
    """Return an ISO 8601 date or moment, or what YAML made of one; without a time zone it is UTC."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(frozen=True)
class PlanChange(Change[Mapping[str, str]]):
    """What bringing entitlements to what is wanted means: rows by ``plan from date``, before and after, and what to write."""

    writes: tuple[Entitlement, ...]


def plan_change(existing: Iterable[Entitlement], wanted: Iterable[Entitlement], at: datetime) -> PlanChange:
    """Return the rows of ``wanted`` that are new, or differ and are not yet in force at ``at``.

    Raises InvalidInput for one that differs and is in force already: what was promised is changed from a date on, never back
    in time (mission: plans and entitlements are effective-dated).
    """
    present = {(row.plan_name, row.effective_date): row for row in existing}
    wanted = list(wanted)
    writes = []
    for row in wanted:
        old = present.get((row.plan_name, row.effective_date))
        if old is not None and old != row and old.effective_date <= at:
            raise InvalidInput(
                f"plan '{row.plan_name}' has been in force as it is since {_moment(row)}",
                found=_describe(row),
                expected=_describe(old),
                action="leave that entitlement and add one with a new effective_date",
            )
        if old != row:
            writes.append(row)
    before = [present[key] for key in sorted((row.plan_name, row.effective_date) for row in wanted) if key in present]
    return PlanChange(_listed(before), _listed(wanted), tuple(writes))


def _listed(rows: Iterable[Entitlement]) -> dict[str, str]:
    ordered = sorted(rows, key=lambda row: (row.plan_name, row.effective_date))
    return {f"{row.plan_name} from {_moment(row)}": _describe(row) for row in ordered}


def _describe(row: Entitlement) -> str:
    text = f"{row.cpu_limit} CPU, {row.memory_limit}, {row.storage_limit}, {row.db_type.value}"
    return f"{text} ({row.description})" if row.description else text


def _moment(row: Entitlement) -> str:
    return row.effective_date.astimezone(UTC).isoformat()
