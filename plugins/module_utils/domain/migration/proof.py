# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether two databases hold the same: what is compared, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

_T = TypeVar("_T")
_ABSENT = "absent"
_SHOWN = 50  # differences; one table that was not copied may stand for thousands


@dataclass(frozen=True)
class Table:
    """``columns`` are names with types, by name; ``digest`` is the sum of all rows' hashes, so their order does not matter."""

    columns: tuple[str, ...]
    rows: int
    digest: int
    size_bytes: int = 0


@dataclass(frozen=True)
class Sequence:
    """A sequence as it is stored."""

    last_value: int
    is_called: bool
    increment: int = 1

    def __str__(self) -> str:
        return f"next value {self.next}"

    @property
    def next(self) -> int:
        """What nextval() returns."""
        return self.last_value + self.increment * self.is_called

    def behind(self, other: Sequence) -> bool:
        """Return whether this one would give out values that ``other`` has given out."""
        return self.next < other.next if other.increment > 0 else self.next > other.next


@dataclass(frozen=True)
class Contents:
    """All that a database holds; tables and sequences by their qualified names."""

    tables: Mapping[str, Table]
    sequences: Mapping[str, Sequence]
    large_objects: int = 0
    large_objects_digest: int = 0


@dataclass(frozen=True)
class Difference:
    """``what`` differs: existence, columns, rows, contents, value. ``table`` may be a sequence, or "large objects"."""

    table: str
    what: str
    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.table}: {self.what}: {self.source} at the source, {self.target} at the target"


@dataclass(frozen=True)
class Report:
    """What was compared, and what differs. ``size_bytes`` is that of the source's tables; ``seconds`` what it took."""

    tables: int
    rows: int
    size_bytes: int
    sequences: int
    large_objects: int
    seconds: float
    differences: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def __str__(self) -> str:
        compared = f"{self.tables} tables with {self.rows} rows, {self.sequences} sequences, {self.large_objects} large objects"
        if self.equal:
            return f"{compared} compared in {self.seconds:.1f} s: equal"
        return f"{compared} compared in {self.seconds:.1f} s: {len(self.differences)} differ, the first: {self.differences[0]}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it, with at most 50 of the differences and the number of all."""
        shown = [asdict(difference) for difference in self.differences[:_SHOWN]]
        return {**asdict(self), "equal": self.equal, "differences": shown, "different": len(self.differences)}


def report(source: Contents, target: Contents, seconds: float, *, in_use: bool = False) -> Report:
    """Return what comparing both gave, and how long it took."""
    return Report(
        tables=len(source.tables),
        rows=sum(table.rows for table in source.tables.values()),
        size_bytes=sum(table.size_bytes for table in source.tables.values()),
        sequences=len(source.sequences),
        large_objects=source.large_objects,
        seconds=round(seconds, 3),
        differences=differences(source, target, in_use=in_use),
    )


def differences(source: Contents, target: Contents, *, in_use: bool = False) -> tuple[Difference, ...]:
    """Return all that differs. ``in_use``: people work on the target already, so its sequences may be ahead, never behind."""
    sequences = _used if in_use else _unused
    return (
        *_by_name(source.tables, target.tables, _tables),
        *_by_name(source.sequences, target.sequences, sequences, more_is_fine=in_use),
        *_large_objects(source, target),
    )


def _by_name(
    source: Mapping[str, _T],
    target: Mapping[str, _T],
    compare: Callable[[str, _T, _T], Iterator[Difference]],
    more_is_fine: bool = False,
) -> Iterator[Difference]:
    for name in sorted(source.keys() | target.keys()):
        if name not in target:
            yield Difference(name, "existence", "present", _ABSENT)
        elif name in source:
            yield from compare(name, source[name], target[name])
        elif not more_is_fine:
            yield Difference(name, "existence", _ABSENT, "present")


def _tables(name: str, source: Table, target: Table) -> Iterator[Difference]:
    if source.columns != target.columns:
        one, other = set(source.columns), set(target.columns)
        yield Difference(name, "columns", ", ".join(sorted(one - other)) or "fewer", ", ".join(sorted(other - one)) or "fewer")
    elif source.rows != target.rows:
        yield Difference(name, "rows", str(source.rows), str(target.rows))
    elif source.digest != target.digest:
        yield Difference(name, "contents", f"hash {source.digest}", f"hash {target.digest}")


def _unused(name: str, source: Sequence, target: Sequence) -> Iterator[Difference]:
    if source != target:
        yield Difference(name, "value", str(source), str(target))


def _used(name: str, source: Sequence, target: Sequence) -> Iterator[Difference]:
    if target.behind(source):
        yield Difference(name, "value", str(source), str(target))


def _large_objects(source: Contents, target: Contents) -> Iterator[Difference]:
    if source.large_objects != target.large_objects:
        yield Difference("large objects", "rows", str(source.large_objects), str(target.large_objects))
    elif source.large_objects_digest != target.large_objects_digest:
        one, other = source.large_objects_digest, target.large_objects_digest
        yield Difference("large objects", "contents", f"hash {one}", f"hash {other}")
