"""Kill Bill's schema: made as a whole or not at all, one statement at a time."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict, InvalidInput
from ansible_collections.saasodoo.platform.plugins.module_utils.killbill.schema import Schema, count, plan, read_schema

_MODULES = ("account", "beatrix", "catalog", "entitlement", "invoice", "payment", "subscription", "tenant", "usage", "util")
_SCHEMA = Schema(
    "prelude", (("create table a (x int)", "create index i on a (x)", "create table b (x int)"), ("CREATE TABLE c (x int)",))
)


def _war(folder: Path) -> Path:
    war = folder / "killbill.war"
    with zipfile.ZipFile(war, "w") as archive:
        for module in _MODULES:
            library = folder / f"{module}.jar"
            with zipfile.ZipFile(library, "w") as jar:
                text = (
                    f"/*! SET default_storage_engine=INNODB */;\ncreate table {module}s (\n x varchar(9) default ';' -- one\n);\n"
                )
                jar.writestr(f"org/killbill/billing/{module}/ddl.sql", text)
                jar.writestr(f"org/killbill/billing/{module}/ddl-postgresql.sql", "-- prelude")
            archive.write(library, f"WEB-INF/lib/killbill-{module}-0.22.26.jar")
    return war


def test_the_schema_is_read_from_the_war_statement_by_statement(tmp_path: Path) -> None:
    schema = read_schema(_war(tmp_path))
    assert schema.prelude == "-- prelude"
    assert len(schema.groups[0]) == len(_MODULES)
    assert schema.tables(0) == {f"{module}s" for module in _MODULES}


@pytest.mark.parametrize("content", [b"", b"no zip"])
def test_what_is_no_war_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "killbill.war"
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match="can't be read"):
        read_schema(file)


def test_a_war_without_a_schema_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.war", "w") as archive:
        archive.writestr("WEB-INF/web.xml", "<web-app/>")
    with pytest.raises(InvalidInput, match="can't be read"):
        read_schema(tmp_path / "other.war")


@pytest.mark.parametrize(
    ("tables", "missing"),
    [(set(), (0, 1)), ({"a", "b"}, (1,)), ({"c"}, (0,)), ({"a", "b", "c", "unrelated"}, ())],
)
def test_groups_that_are_missing_are_made(tables: set[str], missing: tuple[int, ...]) -> None:
    assert plan(_SCHEMA, frozenset(tables)) == missing
    assert count(_SCHEMA, frozenset(tables)) == len(tables - {"unrelated"})


def test_a_schema_that_is_there_in_part_is_left_alone() -> None:
    with pytest.raises(Conflict, match="no tables b"):
        plan(_SCHEMA, frozenset({"a"}))
