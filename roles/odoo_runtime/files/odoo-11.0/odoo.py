#!/usr/bin/env python3
"""Start Odoo 11.0 on Python 3.11, which has dropped names that Odoo 11.0 uses; they are put back before it is imported.

Nothing in site-packages is changed. Usage: as Odoo's own program.
"""

# ruff: noqa: E402
from __future__ import annotations

import os

os.environ["TZ"] = "UTC"

import ast
import base64
import collections
import collections.abc
import html
import html.parser
import importlib
import importlib.util
import inspect
import opcode
import resource
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from typing import Any, ClassVar


def restore_names() -> None:
    """Put back what 3.9 to 3.11 removed from the standard library."""
    for name in collections.abc.__all__:
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))
    spec = collections.namedtuple("ArgSpec", "args varargs keywords defaults")
    inspect.getargspec = lambda function: spec(*inspect.getfullargspec(function)[:4])
    inspect.formatargspec = format_argspec
    base64.encodestring, base64.decodestring = base64.encodebytes, base64.decodebytes
    html.parser.HTMLParser.unescape = staticmethod(html.unescape)
    threading.Thread.isAlive = threading.Thread.is_alive


def format_argspec(
    args: Sequence[str],
    varargs: str | None = None,
    varkw: str | None = None,
    defaults: Sequence[Any] | None = None,
    *rest: Any,
    formatvalue: Callable[[Any], str] = lambda value: f"={value!r}",
    **more: Any,
) -> str:
    """Do what inspect.formatargspec did, as far as decorators ask for it."""
    first = len(args) - len(defaults or ())
    parts = [name + (formatvalue(defaults[place - first]) if place >= first else "") for place, name in enumerate(args)]
    parts += [f"*{varargs}"] if varargs else []
    parts += [f"**{varkw}"] if varkw else []
    return f"({', '.join(parts)})"


class Constants(ast.NodeTransformer):
    """None, True and False are constants since 3.8, no names."""

    values: ClassVar = {"None": None, "True": True, "False": False}

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace the name."""
        return ast.Constant(self.values[node.id]) if node.id in self.values else node


def restore_trees() -> None:
    """Let QWeb's hand-built syntax trees pass: fields that 3.8 made mandatory, ends before starts that 3.11 refuses."""
    ast.Module.type_ignores = []
    ast.arguments.posonlyargs = []
    original = ast.fix_missing_locations

    def fix_missing_locations(tree: ast.AST) -> ast.AST:
        fixed = original(Constants().visit(tree))
        for node in ast.walk(fixed):
            if hasattr(node, "lineno"):
                node.end_lineno, node.end_col_offset = node.lineno, node.col_offset
        return fixed

    ast.fix_missing_locations = fix_missing_locations


def restore_behaviour() -> None:
    """Whole numbers for setrlimit (3.10 no longer cuts floats); a spec for the addons that Odoo's importer gives none."""
    setrlimit = resource.setrlimit
    resource.setrlimit = lambda what, limits: setrlimit(what, tuple(int(limit) for limit in limits))
    find_spec = importlib.util.find_spec

    def find_or_make(name: str, package: str | None = None) -> ModuleSpec | None:
        try:
            return find_spec(name, package)
        except ValueError:
            found = sys.modules[name]
            return importlib.util.spec_from_file_location(name, found.__file__, submodule_search_locations=list(found.__path__))

    importlib.util.find_spec = find_or_make


#: What 3.8 to 3.11 emit for the same harmless source that Odoo's safe_eval allows.
OPCODES = {
    "_CONST_OPCODES": """RESUME CACHE NOP COPY SWAP PUSH_NULL LIST_EXTEND SET_UPDATE LIST_TO_TUPLE DICT_UPDATE DICT_MERGE""",
    "_EXPR_OPCODES": """BINARY_OP IS_OP CONTAINS_OP""",
    "_SAFE_OPCODES": """PRECALL CALL KW_NAMES JUMP_BACKWARD JUMP_BACKWARD_NO_INTERRUPT POP_JUMP_FORWARD_IF_FALSE
        POP_JUMP_FORWARD_IF_TRUE POP_JUMP_FORWARD_IF_NONE POP_JUMP_FORWARD_IF_NOT_NONE POP_JUMP_BACKWARD_IF_FALSE
        POP_JUMP_BACKWARD_IF_TRUE POP_JUMP_BACKWARD_IF_NONE POP_JUMP_BACKWARD_IF_NOT_NONE PUSH_EXC_INFO CHECK_EXC_MATCH
        JUMP_IF_NOT_EXC_MATCH RERAISE RETURN_GENERATOR LOAD_ASSERTION_ERROR BUILD_STRING FORMAT_VALUE""",
}


def allow_opcodes() -> None:
    """Extend safe_eval's sets; each one holds the ones before it."""
    module = importlib.import_module("odoo.tools.safe_eval")  # `odoo.tools.safe_eval` itself names a function
    allowed: set[int] = set()
    for name, words in OPCODES.items():
        allowed |= {opcode.opmap[word] for word in words.split() if word in opcode.opmap}
        getattr(module, name).update(allowed)


restore_names()
restore_trees()
restore_behaviour()
import odoo

allow_opcodes()

if __name__ == "__main__":
    import odoo.cli

    odoo.cli.main()
