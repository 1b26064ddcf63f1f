"""Pure: a seed -> what a tenant may do to its own database at any moment: odd names, odd types, odd values, changed tables."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

_NAMES = ('o"dd {}', "Ünïcode {}", "select {}", "two\nlines {}", "100%s {}", "a.b {}", "semi;colon {}", "'quoted' {}", "lower_{}")
#: Columns and what a row has in them.
_COLUMNS = (
    ("numeric", ("'NaN'", "'Infinity'", "12345678901234567890.123456789", "0.1")),
    ("double precision", ("'NaN'", "'-Infinity'", "0.1", "-0.0")),
    ("date", ("'0044-03-15 BC'", "'infinity'", "'2024-02-29'")),
    ("timestamptz", ("'4713-01-01 00:00:00+00 BC'", "'-infinity'", "'2026-03-29 02:30:00+02'")),
    ("interval", ("'-1 year 2 days'", "'178000000 years'")),
    ("bytea", ("decode(repeat('00ff', 400000), 'hex')", "''")),
    ("text", ("repeat('äß\\\"''x', 100000)", "E'tab\\there'", "''", "NULL")),
    ("jsonb", ("""'{"a": [null, 1e400, "\\u00e4"]}'""", "'[]'")),
    ("text[]", ("""ARRAY[NULL, 'a,b', '{}', '"']""", "'{}'")),
    ("int4range", ("'empty'", "'[1,5)'")),
    ("inet", ("'::ffff:1.2.3.4/128'", "'10.0.0.0/8'")),
    ("uuid", ("gen_random_uuid()",)),
    ("bit varying", ("B'0101'", "B''")),
    ("point", ("'(1,NaN)'",)),
)
_KEYS = ("id int PRIMARY KEY", "id int", "id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "id int UNIQUE")
#: What is done to a table that is there.
_CHANGES = (
    "ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column} text DEFAULT 'added'",
    "INSERT INTO {table} DEFAULT VALUES",
    "DELETE FROM {table} WHERE ctid = (SELECT min(ctid) FROM {table})",
    "TRUNCATE {table}",
    "CREATE INDEX ON {table} ((1))",
    "ALTER TABLE {table} REPLICA IDENTITY FULL",
    "COMMENT ON TABLE {table} IS 'it''s \\ odd'",
    "DROP TABLE {table}",
)
#: A partitioned table's rows are in its partitions.
_PARTITIONED = "PARTITION BY HASH (id)"


@dataclass(frozen=True)
class Work:
    """What is done in one transaction, which stays open for ``seconds``, and the ``table`` it is about, as SQL writes it.

    Without ``statements`` it is the change of a table that is there: ``change`` says how, ``which`` counts from the oldest.
    """

    statements: tuple[str, ...] = ()
    table: str = ""
    change: str = ""
    which: int = 0
    seconds: float = 0.0


def work(seed: str, number: int) -> Work:
    """Return what a seed does; ``number`` makes the names of its tables its own."""
    lot = Random(f"content {seed}")
    seconds = lot.choice((0.0, 0.0, 0.0, lot.uniform(5, 25)))
    if lot.random() < 0.4:
        column = _quoted(lot.choice(_NAMES).format(lot.randrange(3)))
        return Work(change=lot.choice(_CHANGES).replace("{column}", column), which=lot.randrange(1000), seconds=seconds)
    return _new_table(lot, number, seconds)


def _new_table(lot: Random, number: int, seconds: float) -> Work:
    table = _quoted(lot.choice(_NAMES).format(number))
    columns = lot.sample(_COLUMNS, lot.randint(1, 4))
    named = [(_quoted(lot.choice(_NAMES).format(place)), kind, values) for place, (kind, values) in enumerate(columns)]
    key, partitioned = lot.choice(_KEYS), lot.random() < 0.2
    if partitioned:
        key = lot.choice(("id int PRIMARY KEY", "id int"))
    statements = [f"CREATE TABLE {table} ({', '.join([key, *(f'{name} {kind}' for name, kind, _ in named)])})"]
    if partitioned:
        statements[0] += f" {_PARTITIONED}"
        for remainder in range(2):
            part = _quoted(f"part {remainder} of {number}")
            statements.append(f"CREATE TABLE {part} PARTITION OF {table} FOR VALUES WITH (MODULUS 2, REMAINDER {remainder})")
    names = ", ".join(name for name, _, _ in named)
    for row in range(lot.randint(1, 12)):
        values = ", ".join(lot.choice(values) for _, _, values in named)
        own = "" if "IDENTITY" in key else "id, "
        statements.append(f"INSERT INTO {table} ({own}{names}) VALUES ({own and f'{row}, '}{values})")
    return Work(tuple(statements), table, seconds=seconds)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
