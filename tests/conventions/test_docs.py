"""What the documents name is there: links, files, functions, variables, targets of make."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from tests.conventions.project import ROOT, files, text, tracked

DOCUMENTS = ("README.md", "CHANGELOG.md", "docs/architecture.md", "docs/contributing.md", "docs/decisions.md",
    "docs/glossary.md", "docs/operations.md", "docs/security.md", "docs/trials.md",
)  # fmt: skip
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
_TEST = re.compile(r"\[`([a-z0-9_]+)`\]\(\.\./(tests/[a-z_/]+\.py)\)")
_PLAYBOOK = re.compile(r"\bplaybooks/([a-z_]+\.yml)")
_VARIABLE = re.compile(r"\b((?:saasodoo|SAASODOO)_[A-Za-z_]*[A-Za-z])\b")
_TARGET = re.compile(r"\bmake ([a-z][a-z-]+)(?=[`\n ]* *(?:[`#&(]|$))", re.MULTILINE)
_FUNCTIONS = re.compile(r"`([a-z_/]+\.py): ([A-Za-z_.]+)`((?:, `[A-Za-z_.]+`)*)")


def missing_links(name: str, content: str) -> list[str]:
    """Return the links to nothing."""
    return [link for link in _LINK.findall(content) if not (ROOT / PurePosixPath(name).parent / link).exists()]


def missing_playbooks(content: str) -> list[str]:
    """Return the playbooks that are not there."""
    return [name for name in _PLAYBOOK.findall(content) if not (ROOT / "playbooks" / name).is_file()]


def functions(content: str) -> Iterator[tuple[str, str]]:
    """Give each function that is named with its file, as `file.py: one`, `two`."""
    for file, first, more in _FUNCTIONS.findall(content):
        for name in (first, *re.findall(r"`([A-Za-z_.]+)`", more)):
            if not name.endswith((".py", ".sql", ".yml")):
                yield file, name.rpartition(".")[2]


def missing_functions(content: str) -> list[str]:
    """Return the functions that no file whose path ends so defines."""
    sources = {f"/{path}": text(path) for path in files(r"(plugins|webhook_runner)/.*\.py")}
    return [
        f"{file}: {name}"
        for file, name in functions(content)
        if not any(path.endswith(f"/{file}") and re.search(rf"def {name}\(", sources[path]) for path in sources)
    ]


def missing_tests(content: str) -> list[str]:
    """Return the tests that the file they are linked to does not have."""
    return [f"{file}: {name}" for name, file in _TEST.findall(content) if f"def test_{name}(" not in text(file)]


def unknown_variables(content: str) -> list[str]:
    """Return the names of ours that nothing in the platform has: variables, login roles, metrics."""
    names = [name for name in tracked() if re.fullmatch(r"(inventories|plugins|webhook_runner|roles|bin)/.*|Makefile", name)]
    known = {word for name in names if not name.endswith(".md") for word in re.findall(r"\w+", text(name))}
    return sorted({*_VARIABLE.findall(content)} - known)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_and_playbooks_are_there(name: str) -> None:
    assert not missing_links(name, text(name))
    assert not missing_playbooks(text(name))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_variables_are_there(name: str) -> None:
    assert not unknown_variables(text(name))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_targets_of_make_are_there(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+)(?:%)?:", text("Makefile"), re.MULTILINE))
    assert not [target for target in _TARGET.findall(text(name)) if target not in targets and not target.startswith("bench-")]


@pytest.mark.parametrize("name", files(r"tests/bench/bench_\w+\.py"))
def test_every_benchmark_is_named(name: str) -> None:
    target = PurePosixPath(name).stem.replace("_", "-")
    assert re.search(rf"^bench:.*##.*\b{target}\b", text("Makefile"), re.MULTILINE)


def test_each_trial_names_a_test_that_is_there() -> None:
    rows = [line for line in text("docs/trials.md").splitlines() if line.startswith("| ") and not line.startswith("| Trial ")]
    assert rows
    assert not [row for row in rows if not _TEST.search(row)]
    assert not missing_tests(text("docs/trials.md"))


def test_a_tenants_path_names_functions_that_are_there() -> None:
    content = text("docs/architecture.md")
    assert len(list(functions(content))) > 30
    assert not missing_functions(content)


def test_the_picture_of_the_house_shows_its_rooms() -> None:
    """Each folder below plugins/module_utils, and no other."""
    picture = text("docs/architecture.md").partition("module_utils/\n")[2].partition("```")[0]
    shown, room = set(), ""
    for inside, name in re.findall(r"^(│?) *[├└]── (\w+)/", picture, re.MULTILINE):
        room = room if inside else name
        shown.add(f"{room}/{name}" if inside else name)
    folders = {PurePosixPath(each).parent for each in files(r"plugins/module_utils/.*\.py")}
    assert shown == {str(each.relative_to("plugins/module_utils")) for each in folders} - {"."}


def test_what_is_not_there_is_found() -> None:
    assert missing_links("docs/a.md", "[a](../README.md) [b](nowhere.md#x) [c](https://example.org/x)") == ["nowhere.md"]
    assert missing_playbooks("playbooks/site.yml playbooks/no_such.yml") == ["no_such.yml"]
    assert missing_functions("`desired_state.py: desired`, `no_such`, `queue.py: Nothing.defers`") == [
        "desired_state.py: no_such",
        "queue.py: defers",
    ]
    assert missing_tests(
        "[`links_and_playbooks_are_there`](../tests/conventions/test_docs.py) [`no`](../tests/conventions/test_docs.py)"
    ) == ["tests/conventions/test_docs.py: no"]
    assert unknown_variables("`saasodoo_home`, `saasodoo_no_such`, SAASODOO_HOME, SAASODOO_NOPE") == [
        "SAASODOO_NOPE",
        "saasodoo_no_such",
    ]
    assert _TARGET.findall("`make down`, or\n```\nmake demo   # all\nmake host && x\n```\nmake sure that") == [
        "down",
        "demo",
        "host",
    ]
