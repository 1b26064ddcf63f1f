"""What a statement that always has a row says when it has none."""

from __future__ import annotations

from typing import Any, cast

import psycopg
import pytest
from psycopg.rows import DictRow

from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import one


class Said:
    """Stands for a cursor after its statement."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.statusmessage = f"SELECT {len(rows)}"
        self._rows = iter(rows)

    def fetchone(self) -> dict[str, Any] | None:
        return next(self._rows, None)


def cursor(*rows: dict[str, Any]) -> psycopg.Cursor[DictRow]:
    return cast("psycopg.Cursor[DictRow]", Said(*rows))


def test_the_row_or_an_error_that_says_so() -> None:
    assert one(cursor({"at": 1})) == {"at": 1}
    with pytest.raises(LookupError, match="SELECT 0 gave no row"):
        one(cursor())
