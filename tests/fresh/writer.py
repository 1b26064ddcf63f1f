"""Some who write to a tenant through Odoo's RPC, whatever becomes of its machine.

``python -m tests.fresh.writer URL HOST DATABASE`` prints what was acknowledged to them, a name a line. Its administrator's
password is the first line of what it reads; when there is no more to read they end, and what the tenant has follows an empty one.
"""

from __future__ import annotations

import sys
from functools import partial
from itertools import count

from demo.odoo import Odoo, User
from tests.fixtures.writers import Writer

_WRITERS = 4
_PATIENCE = 20  # seconds for a request


def _write(user: User, writer: int, numbers: count[int]) -> str:
    name = f"written by {writer}: {next(numbers)}"
    user.create("res.partner", {"name": name})
    sys.stdout.write(f"{name}\n")
    sys.stdout.flush()
    return name


def main(url: str, host: str, database: str) -> None:
    """Write until there is no more to read."""
    password = sys.stdin.readline().strip()

    def user() -> User:
        return Odoo(url, database, host=host, timeout=_PATIENCE).log_in("admin", password)

    writers = [Writer(f"writer {each}", partial(_write, user(), each, count())) for each in range(_WRITERS)]
    for writer in writers:
        writer.start()
    sys.stdin.read()
    for writer in writers:
        writer.end()
    found = user().execute("res.partner", "search_read", [[["name", "like", "written by "]]], {"fields": ["name"]})
    sys.stdout.write("".join(["\n", *(f"{each['name']}\n" for each in found)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
