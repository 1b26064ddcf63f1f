"""The files of the project, as the rules see them.

A rule is a function from text or data to the problems found, so that each can also be shown to find a planted one.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "saasodoo.platform"
PLUGINS = "ansible_collections.saasodoo.platform.plugins"
_BLOCKS = ("block", "rescue", "always")


@cache
def tracked() -> tuple[str, ...]:
    """Return the files that git keeps, below the project's root, without links and what has just been removed."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = sorted(name for name in listed.split("\0") if name)
    return tuple(name for name in names if (ROOT / name).is_file() and not (ROOT / name).is_symlink())


def files(pattern: str) -> list[str]:
    """Return the tracked files whose whole path matches. There is always one: no rule holds by absence."""
    found = [name for name in tracked() if re.fullmatch(pattern, name)]
    assert found, f"no file matches {pattern}"
    return found


def roles() -> list[str]:
    """Return the names of the roles."""
    return sorted({name.split("/")[1] for name in files(r"roles/[^/]+/tasks/.*")})


def text(name: str) -> str:
    """Return the file's text."""
    return (ROOT / name).read_text(encoding="utf-8")


def load(name: str) -> Any:
    """Return the YAML of the file."""
    return yaml.safe_load(text(name))


def load_if_there(name: str) -> Any:
    """Return the YAML of the file, an empty mapping where there is none."""
    return (load(name) if (ROOT / name).is_file() else None) or {}


def constant(source: str, name: str) -> str:
    """Return the text that a Python source assigns to a name anywhere, empty where it does not."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == name for to in node.targets):
            assert isinstance(node.value, ast.Constant)
            return str(node.value.value)
    return ""


def walk_tasks(tasks: list[dict[str, Any]] | None) -> Iterator[dict[str, Any]]:
    """Give each task, also those inside of blocks."""
    for task in tasks or []:
        yield task
        for part in _BLOCKS:
            yield from walk_tasks(task.get(part))
