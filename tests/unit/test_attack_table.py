"""The table of attacks: a row each, with all the ways in which it was tried."""

from __future__ import annotations

from tests.fixtures.attack_table import table


def test_each_attack_has_a_row_and_whoever_got_in_is_seen() -> None:
    laid, gone = "tests/attacks/test_files_laid.py::test_a_link", "tests/attacks/test_templates.py::test_a_name"
    lines = table({
        "passed": [f"{laid}[one]", f"{laid}[two]", "tests/unit/test_x.py::test_x"],
        "failed": [f"{laid}[three]"],
        "error": [gone],
    })  # fmt: skip
    assert [" ".join(line.split()) for line in lines] == [
        "files laid a link GOT IN 1 x, held 2 x",
        "templates a name not played 1 x",
    ]
    assert table({"passed": ["tests/unit/test_x.py::test_x"]}) == []
