"""Python files: sizes, annotations, headers, what may be caught, what the domain may import."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

import pytest

from tests.conventions.project import files, text

PYTHON = r".*\.py"
FILE_LINES, FUNCTION_LINES, MODULE_LINES = 450, 80, 40
HEADER = (
    "# Copyright: (c) 2026, SaaSOdoo developers\n"
    "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)\n"
)
#: Where all errors may be caught, and why.
EDGES = {
    "webhook_runner/fork_server.py": "a forked process ends here, whatever happened",
    "tests/integration/webhook_runner/test_runner_sync.py": "collects what threads raise",
}
#: What the domain may import besides itself and the errors: nothing that reads, writes, waits or draws lots.
PURE = {
    "__future__", "abc", "base64", "collections", "dataclasses", "datetime", "decimal", "enum", "functools", "hashlib",
    "itertools", "json", "math", "re", "typing", "uuid", "xml",
}  # fmt: skip
#: What works on files by their path, and so follows what somebody else may have laid there. Mode, owner and copies of whole
#: folders are the business of one file alone.
FILES = "plugins/module_utils/host/files.py"
BY_PATH = {
    "chmod", "chown", "copy2", "copyfile", "copytree", "fchmod", "fchown", "flock", "hardlink_to", "lchown", "rmtree",
    "symlink_to", "touch", "write_bytes", "write_text",
}  # fmt: skip
Rule = Callable[[str], list[str]]


def too_long(source: str) -> list[str]:
    """A file can be read in one sitting, a function on one screen."""
    found = [f"{source.count(chr(10))} lines"] if source.count("\n") > FILE_LINES else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            found += [f"{node.name}: {lines} lines"] * (lines > FUNCTION_LINES)
    return found


def not_postponed(source: str) -> list[str]:
    """Annotations are not evaluated; only files without statements, and data, are excused."""
    body = ast.parse(source).body
    if all(isinstance(node, ast.Expr) for node in body):
        return []
    imports = [node for node in body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    return [] if any(name.name == "annotations" for node in imports for name in node.names) else ["no future annotations"]


def catches_all(source: str) -> list[str]:
    """An error nobody thought of is not swallowed: what catches all raises again."""
    return [
        f"line {node.lineno}: catches everything"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or _names(node.type) & {"Exception", "BaseException"})
        and not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None)
    ]


def lacks_header(source: str) -> list[str]:
    """Ansible's tools look for the licence in each plugin."""
    return [] if source.removeprefix("#!/usr/bin/python\n").startswith(HEADER) else ["no licence header"]


def impure(source: str) -> list[str]:
    """The domain can be tried without a machine. What it imports of the collection, import-linter sees to."""
    return [name for name in _imported(source) if name.partition(".")[0] not in PURE]


def absolute(source: str) -> list[str]:
    """The collection's own files are imported by where they lie from here, without its name."""
    return [name for name in _imported(source) if name.startswith("ansible_collections.saasodoo")]


def by_path(source: str) -> list[str]:
    """Root follows nothing that the services' users lay into their folders: what could, goes through one file."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return [
        f"line {node.lineno}: {node.func.attr}"
        for node in calls
        if isinstance(node.func, ast.Attribute) and (node.func.attr in BY_PATH or (node.func.attr == "open" and _writes(node)))
    ]


def _writes(call: ast.Call) -> bool:
    modes = [each.value for each in call.args[:2] if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return any(set(mode) <= set("rwxabt+") and set(mode) & set("wxa+") for mode in modes)


def thick(source: str) -> list[str]:
    """A module is documentation and wiring."""
    code = sum(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.parse(source).body
        if not _is_documentation(node) and not isinstance(node, ast.Import | ast.ImportFrom)
    )
    return [f"{code} lines of code"] if code > MODULE_LINES else []


def _names(node: ast.expr) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _is_documentation(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) or (isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant))


@pytest.mark.parametrize(
    ("rule", "pattern"),
    [
        (too_long, PYTHON),
        # Odoo reads the two that are left out: one is data, the other what somebody would type into its shell.
        (not_postponed, r"(?!.*(__manifest__|prepare_template)\.py).*\.py"),
        (catches_all, PYTHON),
        (lacks_header, r"plugins/.*\.py"),
        (thick, r"plugins/modules/.*\.py"),
        (impure, r"plugins/module_utils/domain/.*\.py"),
        (absolute, r"plugins/.*\.py"),
        (by_path, rf"(?!{FILES})plugins/.*\.py"),
    ],
)
def test_all_python_follows(rule: Rule, pattern: str) -> None:
    problems = {name: rule(text(name)) for name in files(pattern) if not (rule is catches_all and name in EDGES)}
    assert not {name: found for name, found in problems.items() if found}


@pytest.mark.parametrize("name", EDGES)
def test_an_edge_still_is_one(name: str) -> None:
    assert len(catches_all(text(name))) == 1


@pytest.mark.parametrize(
    ("rule", "planted"),
    [
        (too_long, "x = 1\n" * 451),
        (too_long, "def f():\n" + "    x = 1\n" * 80),
        (not_postponed, "import re\n"),
        (not_postponed, "from __future__ import division\n"),
        (catches_all, "try:\n    f()\nexcept Exception:\n    pass\n"),
        (catches_all, "try:\n    f()\nexcept:\n    pass\n"),
        (catches_all, "try:\n    f()\nexcept (OSError, BaseException) as e:\n    raise X from e\n"),
        (lacks_header, '"""A plugin."""\n'),
        (impure, "import subprocess\n"),
        (impure, "from os import environ\n"),
        (absolute, "from ansible_collections.saasodoo.platform.plugins.module_utils.registry import plans\n"),
        (impure, "def f():\n    import random\n"),
        (thick, "def f():\n" + "    x = 1\n" * 40),
        (by_path, "path.chmod(0o700)\n"),
        (by_path, "os.chown(path, 1, 1)\n"),
        (by_path, "shutil.rmtree(path)\n"),
        (by_path, "with path.open('w') as lock:\n    pass\n"),
        (by_path, "io.open(path, 'ab')\n"),
    ],
)
def test_a_planted_violation_is_found(rule: Rule, planted: str) -> None:
    assert rule(planted)


@pytest.mark.parametrize(
    ("rule", "fine"),
    [
        (catches_all, "try:\n    f()\nexcept BaseException:\n    undo()\n    raise\n"),
        (lacks_header, f"#!/usr/bin/python\n{HEADER}"),
        (thick, "DOCUMENTATION = '''" + "\n" * 100 + "'''\nimport re\n"),
        (impure, "from ...errors import Conflict\n"),
        (absolute, "from ..module_utils.errors import Conflict\n"),
        (by_path, "path.open('rb')\n"),
        (by_path, "files.opened(path)\n"),
    ],
)
def test_what_is_fine_is_left_alone(rule: Rule, fine: str) -> None:
    assert not rule(fine)
