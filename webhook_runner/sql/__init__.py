"""SQL by name: every statement is a file of this folder."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import LiteralString

_FOLDER = Path(__file__).parent


@cache
def query(name: str) -> LiteralString:
    """Return the statement in ``<name>.sql``."""
    statement: LiteralString = (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    return statement
