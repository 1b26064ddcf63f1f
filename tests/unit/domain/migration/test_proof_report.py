"""What is said of two databases that were measured: whatever differs is named, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.proof import (
    Contents,
    Difference,
    Sequence,
    Table,
    differences,
    report,
)

_names = st.text("abc.", min_size=1, max_size=4)
_tables = st.builds(Table, st.sampled_from([("id integer",), ("id integer", "name text")]), st.integers(0, 9), st.integers(0, 9))
_sequences = st.builds(Sequence, st.integers(-5, 5), st.booleans(), st.sampled_from([1, 3, -1]))
_contents = st.builds(
    Contents, st.dictionaries(_names, _tables), st.dictionaries(_names, _sequences), st.integers(0, 2), st.integers(0, 2)
)


@given(_contents, st.booleans())
def test_a_database_equals_itself(contents: Contents, in_use: bool) -> None:
    assert differences(contents, contents, in_use=in_use) == ()


@given(_contents, _contents)
def test_each_difference_is_named_once_whichever_side_is_asked(one: Contents, other: Contents) -> None:
    found, back = differences(one, other), differences(other, one)
    assert found == tuple(replace(each, source=each.target, target=each.source) for each in back)
    different = [name for name in one.tables.keys() | other.tables.keys() if one.tables.get(name) != other.tables.get(name)]
    sequences = one.sequences.keys() | other.sequences.keys()
    different += [name for name in sequences if one.sequences.get(name) != other.sequences.get(name)]
    objects = (one.large_objects, one.large_objects_digest) != (other.large_objects, other.large_objects_digest)
    assert sorted(each.table for each in found) == sorted([*different, *["large objects"] * objects])


@given(_sequences, st.integers(0, 5))
def test_a_sequence_in_use_may_be_ahead_and_never_behind(source: Sequence, steps: int) -> None:
    ahead = replace(source, last_value=source.next + steps * source.increment, is_called=True)
    one, other = Contents({}, {"s": source}), Contents({}, {"s": ahead})
    assert differences(one, other, in_use=True) == ()
    assert [each.what for each in differences(one, other)] == ["value"]
    assert [each.table for each in differences(other, one, in_use=True)] == ["s"]
    made_since = Contents({}, {"s": source, "new": source})
    assert differences(one, made_since, in_use=True) == ()
    assert differences(made_since, one, in_use=True) == (Difference("new", "existence", "present", "absent"),)


def test_columns_are_compared_before_rows() -> None:
    one = Contents({"t": Table(("id integer", "name text"), 1, 5)}, {})
    other = Contents({"t": Table(("id bigint", "name text"), 2, 6)}, {})
    assert differences(one, other) == (Difference("t", "columns", "id integer", "id bigint"),)


def test_a_report_stays_small_and_says_how_many_differ() -> None:
    many = Contents({f"t{number}": Table((), 10**12, number, 10**9) for number in range(2000)}, {})
    found = report(many, Contents({}, {}), 1.23456)
    kept = found.as_dict()
    assert len(json.dumps(kept)) < 10_000
    assert (kept["different"], len(kept["differences"]), kept["equal"], kept["seconds"]) == (2000, 50, False, 1.235)
    assert "2000 differ, the first: t0: existence" in str(found)
    same = report(many, many, 0.5)
    assert (same.equal, same.rows, same.size_bytes) == (True, 2000 * 10**12, 2000 * 10**9)
    assert str(same).endswith("compared in 0.5 s: equal")
