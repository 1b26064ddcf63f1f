"""How long Kill Bill waits for its answer, against one bare durable insert of the same body by a client of its own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Connection, connect_server
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.platform_key import read_platform_key
from demo.platform import Platform
from tests.bench.comparison import Comparison, in_turn, seconds_of
from tests.fixtures.platform import LocalPlatform

_RUNS = 300


def run(platform: LocalPlatform) -> Iterator[Comparison]:
    """Post events of a real account, one at a time as Kill Bill's in-memory bus does."""
    shop = Platform.here(platform.environment)
    account = str(shop.open_account(f"bench-{uuid.uuid4().hex[:8]}"))
    body = {"eventType": "INVOICE_CREATION", "accountId": account, "objectType": "INVOICE", "objectId": account, "metaData": None}
    with requests.Session() as http, scratch_table(shop) as connection:

        def post() -> None:
            assert http.post(shop.callback_url, json=body, timeout=15).status_code == 202

        def insert() -> None:
            connection.execute("INSERT INTO public.bench VALUES (%s)", (json.dumps(body),))

        yield in_turn("intake", lambda: seconds_of(post), "one bare durable insert", lambda: seconds_of(insert), _RUNS)


@contextmanager
def scratch_table(shop: Platform) -> Iterator[Connection]:
    """Yield an autocommit connection to a server of the platform with an empty table, dropped in the end."""
    with registry.connect(shop.registry) as known:
        server = known.execute("SELECT name, host, port FROM database.servers WHERE status = 'active' ORDER BY name").fetchone()
    assert server is not None
    with connect_server(server["host"], server["port"], server["name"], read_platform_key(shop.platform_key_file)) as connection:
        connection.execute("CREATE TABLE public.bench (body jsonb)")
        try:
            yield connection
        finally:
            connection.execute("DROP TABLE public.bench")
