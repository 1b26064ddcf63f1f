"""What the superuser does in a tenant's database is a closed list: catalogs are read, and nothing is changed but this.

A tenant can leave a function wherever a row or a name leads to one. Whoever adds a statement here has to say why it calls none.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.conventions.project import files, text

#: Who opens a tenant's database as the server, by file and function.
OPENS_INSIDE = {
    "database_migration/dump.py": {"dump", "_table_sizes"},
    "database_migration/empty_database.py": {"read_shape"},
    "database_migration/move.py": {"open"},
    "database_migration/preflight.py": {"measure"},
    "database_migration/replication.py": {"strays"},
    "database_migration/replication_slot.py": {"create_slot"},
    "database_migration/strays.py": {"broken_way_back"},
}
#: Who opens one that no tenant has been in.
OPENS_UNFINISHED = {
    "database_migration/empty_database.py": {"create_empty"},
    "database_migration/steps.py": {"_load"},
    "odoo/database.py": {"_make"},
    "odoo/template.py": {"_unfinished", "_seal"},
}
#: What is done by SQL in modules that come there as the server, besides reading. Of a tenant's own things only replica identities
#: are set, and who owns what a deputy has made: neither evaluates an expression.
CHANGES = {
    "database_migration/empty_database.py": {
        "ALTER DATABASE", "ALTER ROLE", "ALTER SCHEMA", "CREATE DATABASE", "CREATE EXTENSION",
    },
    "database_migration/fence.py": {"ALTER ROLE"},
    "database_migration/preflight.py": set(),
    "database_migration/publication.py": {
        "ALTER TABLE", "CREATE PUBLICATION", "CREATE SCHEMA", "CREATE TABLE", "DELETE FROM", "DROP PUBLICATION", "DROP SCHEMA",
        "GRANT SELECT", "GRANT USAGE", "INSERT INTO",
    },
    "database_migration/replication.py": {
        "ALTER ROLE", "ALTER SUBSCRIPTION", "CREATE SUBSCRIPTION", "DROP SUBSCRIPTION", "GRANT INSERT", "INSERT INTO",
    },
    "database_migration/replication_obstacles.py": set(),
    "database_migration/replication_slot.py": set(),
    "database_migration/schema_fingerprint.py": {"CREATE TABLE", "DROP TABLE", "GRANT SELECT"},
    "database_migration/strays.py": set(),
    "database_migration/watch.py": set(),
    "postgres/database_sizes.py": {"ALTER ROLE"},  # a default of the tenant's role, set from the server's own database
    "postgres/deputy.py": {"ALTER ROLE", "CREATE ROLE", "DROP OWNED", "DROP ROLE", "GRANT {}", "REASSIGN OWNED"},
}  # fmt: skip
#: What is read in these modules that is neither a catalog nor the migration's own schema, and by whom.
READ = {
    "database_migration/preflight.py": {"public.ir_module_module"},  # as the tenant
    "database_migration/strays.py": {"tenant.tenants", "database.allocations"},  # of the registry
}
_WORDS = "ALTER|CREATE|DELETE|DROP|GRANT|INSERT|LOCK|MERGE|REASSIGN|REVOKE|TRUNCATE|UPDATE|VACUUM|DO|CALL|COPY"
_CHANGE = re.compile(rf"(?:^|;|\{{\}}\n)\s*({_WORDS})\b"
                     r"(?:\s+(\w+|\{\}|\{\w+\}|\$\$))?")  # fmt: skip
_FROM = re.compile(r"(?<!DISTINCT )\b(?:FROM|JOIN)\s+(?:ONLY\s+|LATERAL\s+)?([a-z_][\w.]*)(?![\w.(])", re.IGNORECASE)
_WITH = re.compile(r"(?:\bWITH(?: RECURSIVE)?|,|^)\s+?(\w+) AS \(", re.MULTILINE)


def module(name: str) -> str:
    return name.removeprefix("plugins/module_utils/")


def statements(source: str) -> Iterator[str]:
    """Give the texts of a module that are SQL, not its docstrings; what is put in by name stands as {}."""
    tree = ast.parse(source)
    described = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and node.body and isinstance(node.body[0], ast.Expr)
    }
    parts = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node) if part is not node
    }
    for node in ast.walk(tree):
        if id(node) in described or id(node) in parts:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def changes(source: str) -> set[str]:
    """Return what the statements of a module change, in two words each."""
    return {" ".join(filter(None, found)) for each in statements(source) for found in _CHANGE.findall(each)}


def read(source: str) -> set[str]:
    """Return what the statements of a module read besides catalogs, their own parts and the migration's schema."""
    texts = [each for each in statements(source) if re.search(r"\bSELECT\b", each)]
    own = {name for each in texts for name in _WITH.findall(each)}
    names = {name for each in texts for name in _FROM.findall(each)}
    return {name for name in names if not re.match(r"pg_|saasodoo_migration\.", name) and "." in name and name not in own}


def openers(source: str, method: str) -> set[str]:
    """Return the functions that call a method of that name."""
    return {
        function.name
        for function in ast.walk(ast.parse(source))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and node.attr == method and isinstance(node.ctx, ast.Load)
    }


def as_server() -> list[str]:
    """Return the modules that work as the server in databases of tenants."""
    return [name for name in files(r"plugins/module_utils/(database_migration|postgres)/\w+\.py") if "AsServer" in text(name)
            and module(name) not in ("postgres/connection.py", "database_migration/move.py", "database_migration/proof.py",
                                     "database_migration/steps.py")]  # fmt: skip


@pytest.mark.parametrize(("method", "known"), [("inside", OPENS_INSIDE), ("into_unfinished", OPENS_UNFINISHED)])
def test_tenants_databases_are_opened_as_the_server_where_it_is_known(method: str, known: dict[str, set[str]]) -> None:
    python = files(r"(plugins|webhook_runner|demo)/.*\.py")
    found = {module(name): openers(text(name), method) for name in python if f".{method}(" in text(name)}
    found.pop("postgres/connection.py", None)
    assert {name: who for name, who in found.items() if who} == known


def test_what_the_superuser_changes_there_is_a_closed_list() -> None:
    assert {module(name): changes(text(name)) for name in as_server()} == CHANGES


@pytest.mark.parametrize("name", as_server())
def test_what_the_superuser_reads_there_is_catalogs(name: str) -> None:
    assert read(text(name)) == READ.get(module(name), set())


def test_a_statement_that_is_added_is_seen() -> None:
    planted = '_A = "SELECT 1 FROM public.res_users JOIN pg_class c ON true"\n_B = "UPDATE res_users SET a = 1"\n'
    assert changes(planted) == {"UPDATE res_users"}
    assert read(planted) == {"public.res_users"}
    assert openers("def f(a):\n    with a.inside('x') as c: pass\n", "inside") == {"f"}
