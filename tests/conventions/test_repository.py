"""The repository as a whole: sizes, words, steps of the schema, dependencies."""

from __future__ import annotations

import re

import pytest

from tests.conventions.project import ROOT, files, text, tracked

LARGEST = 500 * 1024
#: What would tie the project to one place: folders beside it, one registry's address, words on how it came to be.
#: The brackets keep the rule from finding itself; clients of HTTP and of Kill Bill have a user-agent.
FOREIGN = re.compile(
    r"\.\./shared|/wor[k]/|\b(pypi|pythonhosted|registry\.npmjs|galaxy\.ansible)\.(org|com)\b|\bdeb\.debian\.org\b"
    r"|\brepo1?\.maven\b|\b(A[I]|LL[M]s?|G[P]T|Co[p]ilot)\b|(?<!user-)(?<!User-)\b[Aa]gent[s]?\b|\bby a (helper|model|bot)\b"
    r"|\b[Ii]ssue #?\d"
)
#: The licence's text is not ours.
NOT_OURS = ("LICENSE",)
_NAME = re.compile(r"^([A-Za-z0-9_.-]+)")


def foreign_words(content: str) -> list[str]:
    """Return what a stranger to the place could not make sense of."""
    return [found.group() for found in FOREIGN.finditer(content)]


def without_rollback(names: list[str]) -> list[str]:
    """Return the steps that can't be taken back, and those whose number is not the next one."""
    forward = [name for name in names if not name.endswith(".rollback.sql")]
    numbers = [int(name.rsplit("/", 1)[-1].partition("-")[0]) for name in forward]
    lonely = [name for name in forward if name.replace(".sql", ".rollback.sql") not in names]
    orphans = [name for name in names if name.endswith(".rollback.sql") and name.replace(".rollback", "") not in names]
    return lonely + orphans + ([] if numbers == list(range(1, len(numbers) + 1)) else [f"numbers {numbers}"])


def direct_dependencies(content: str) -> list[str]:
    """Return the names in a requirements file, without options and types of libraries."""
    lines = [line.strip() for line in content.splitlines()]
    names = [found.group(1) for line in lines if (found := _NAME.match(line)) and not line.startswith("-")]
    return [name for name in names if not name.startswith("types-") and not name.endswith("-stubs")]


def unexplained(names: list[str], decisions: str) -> list[str]:
    """Return the dependencies that the decisions don't name."""
    return [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w])", decisions, re.IGNORECASE)]


def test_nothing_ties_the_project_to_one_place() -> None:
    problems = {}
    for name in tracked():
        content = (ROOT / name).read_bytes()
        if name not in NOT_OURS and b"\0" not in content:
            problems[name] = foreign_words(content.decode("utf-8"))
    assert not {name: found for name, found in problems.items() if found}


def test_no_file_is_large() -> None:
    assert not [name for name in tracked() if (ROOT / name).stat().st_size > LARGEST]


def test_every_step_of_the_schema_can_be_taken_back() -> None:
    assert not without_rollback(files(r"roles/registry/files/schema_steps/.*\.sql"))


@pytest.mark.parametrize("name", ["requirements/runtime.in", "requirements/dev.in"])
def test_every_dependency_has_its_reason(name: str) -> None:
    assert not unexplained(direct_dependencies(text(name)), text("docs/decisions.md"))


@pytest.mark.parametrize("name", ["requirements/runtime", "requirements/dev", "requirements/uv"])
def test_every_dependency_is_locked_with_hashes(name: str) -> None:
    locked = text(f"{name}.txt")
    missing = [
        each for each in direct_dependencies(text(f"{name}.in")) if not re.search(rf"^{each}(\[.*\])?==", locked, re.M | re.I)
    ]
    assert not missing
    assert len(re.findall(r"^[a-zA-Z0-9]", locked, re.M)) == len(re.findall(r"^[a-zA-Z0-9].*\\\n +--hash=sha256:", locked, re.M))


@pytest.mark.parametrize(
    "planted",
    [
        "see ../" + "shared/x.md",
        "cd /wor" + "k/main",
        "https://pypi" + ".org/simple",
        "http://deb.debian" + ".org/debian",
        "https://repo1" + ".maven.org",
        "written by an A" + "I",
        "another a" + "gent does it",
        "as issue" + " 3 says",
    ],
)
def test_a_planted_word_is_found(planted: str) -> None:
    assert foreign_words(planted)


@pytest.mark.parametrize("fine", ["the user-agent header", "the network", "said again", "https://example.org/works/"])
def test_other_words_are_left_alone(fine: str) -> None:
    assert not foreign_words(fine)


@pytest.mark.parametrize(
    "planted",
    [
        ["m/0001-a.sql"],
        ["m/0001-a.rollback.sql"],
        ["m/0001-a.rollback.sql", "m/0001-a.sql", "m/0003-b.rollback.sql", "m/0003-b.sql"],
    ],
)
def test_a_planted_step_is_found(planted: list[str]) -> None:
    assert without_rollback(planted)


def test_a_planted_dependency_is_found() -> None:
    names = direct_dependencies("# why\n-r other.in\npsycopg[binary]==3\nleft-pad\ntypes-PyYAML\n")
    assert names == ["psycopg", "left-pad"]
    assert unexplained(names, "| Psycopg 3 | driver |") == ["left-pad"]
