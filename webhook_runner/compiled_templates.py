"""Jinja's code of the playbooks' templates, compiled once in the fork server and found in memory by all runs.

Ansible compiles a template anew each time it is evaluated, which is the largest part of what a task costs. What is kept here is
code alone, which depends on nothing but the text and the lexer's settings; values are worked out as ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

_FOLDERS = ("inventories/*/group_vars", "playbooks", "roles/*/defaults", "roles/*/tasks", "roles/*/vars")


def keep(project: Path) -> int:
    """Have all code compiled from now on kept in this process and its children, and compile the templates of ``project``.

    Returns how many are kept. What can't be read or compiled is left to the run that needs it to complain of.
    """
    from ansible._internal._templating._engine import TemplateEngine
    from ansible._internal._templating._jinja_bits import _TemplateCompileContext
    from ansible.errors import AnsibleError
    from ansible.parsing.dataloader import DataLoader
    from jinja2 import TemplateError

    kept, environment, loader = _remember(), TemplateEngine().environment, DataLoader()
    for file in sorted(file for each in _FOLDERS for folder in project.glob(each) for file in folder.rglob("*.yml")):
        with suppress(AnsibleError):
            for text in _templates(loader.load_from_file(str(file), cache="none", unsafe=True)):
                with suppress(TemplateError), _TemplateCompileContext(escape_backslashes=True):
                    environment.compile(text)
    return len(kept)


def _remember() -> dict[tuple[Any, ...], Any]:
    """Make Ansible's environments remember what they compile; return their memory."""
    from ansible._internal._templating import _jinja_bits

    compile_anew = _jinja_bits.AnsibleEnvironment.compile
    kept: dict[tuple[Any, ...], Any] = {}

    def compile_once(self: Any, source: Any, *arguments: Any, **options: Any) -> Any:
        if arguments or options or not isinstance(source, str):  # a file's, or an expression's tree
            return compile_anew(self, source, *arguments, **options)
        context = _jinja_bits._TemplateCompileContext.current(optional=True)
        settings = (getattr(self, name) for name in _jinja_bits._TEMPLATE_OVERRIDE_FIELD_NAMES)
        key = (str(source), context and context.escape_backslashes, *settings)
        if key not in kept:
            kept[key] = compile_anew(self, source)
        return kept[key]

    _jinja_bits.AnsibleEnvironment.compile = compile_once
    return kept


def _templates(content: Any) -> Iterator[str]:
    """Yield the texts of a file's content that are templates."""
    match content:
        case str() if "{{" in content or "{%" in content:
            yield str(content)
        case dict():
            for each in content.values():
                yield from _templates(each)
        case list():
            for each in content:
                yield from _templates(each)
