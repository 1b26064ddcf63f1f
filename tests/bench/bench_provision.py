"""From the subscription at Kill Bill to the first page, against Odoo making a fresh database with ``-i base``."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from psycopg import sql

from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Connection, connect_server
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.platform_key import derive, read_platform_key
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.server import SUPERUSER, subject
from demo.odoo import Odoo
from demo.platform import Platform
from demo.timeline import wait_until
from tests.bench.bench_burst import parts, shown
from tests.bench.comparison import Comparison, in_turn, seconds_of
from tests.fixtures.cgroups import counted, seconds
from tests.fixtures.platform import LocalPlatform
from tests.fixtures.postgres import free_port

_RUNS = 3
_PAGE = "/web/login"
_STARTED = "SELECT extract(epoch FROM min(started_at))::float AS at FROM ops.runs WHERE tenant_id = %s"
_CONFIGURATION = """\
[options]
addons_path = {addons}
data_dir = {folder}
db_host = 127.0.0.1
db_port = {db_port}
db_user = {user}
db_password = {password}
db_name = {name}
http_interface = 127.0.0.1
http_port = {port}
without_demo = True
list_db = False
"""


def run(platform: LocalPlatform) -> Iterator[Comparison | str]:
    """Measure both; the fresh way is spared what Ansible does before and after Odoo, so the ratio is a lower bound."""
    shop = Platform.here(platform.environment)
    yield in_turn(
        "subscription to the first page",
        lambda: subscribe(shop)[1],
        "the same with a fresh database by -i base",
        lambda: subscribe(shop)[0] + fresh(platform, shop),
        _RUNS,
    )
    with counted(parts(platform.home)) as groups:
        used = seconds(groups)
        for _ in range(_RUNS):
            subscribe(shop)
        each = {name: (total - used[name]) / _RUNS for name, total in seconds(groups).items()}
    yield f"CPU seconds of a subscription up to its first page: {shown(each)}"


def subscribe(shop: Platform) -> tuple[float, float]:
    """Return the seconds from a subscription with a trial to the start of its run, and to the first 200 of its address."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    account = shop.open_account(name)
    start = time.time()  # compared with the registry's clock, which is this machine's

    def until_first_page() -> None:
        shop.customer.subscribe(account, "basic-monthly", name)
        wait_until(f"{name} answers", lambda: shop.status_of(name, _PAGE) == 200)

    whole = seconds_of(until_first_page)
    with registry.connect(shop.registry) as connection:
        row = connection.execute(_STARTED, (shop.tenant(name).id,)).fetchone()
    assert row is not None
    return row["at"] - start, whole


def fresh(platform: LocalPlatform, shop: Platform) -> float:
    """Return the seconds Odoo takes from an empty database to its first page, on the same server."""
    with registry.connect(shop.registry) as connection:
        server = connection.execute(
            "SELECT name, host, port FROM database.servers WHERE status = 'active' ORDER BY name"
        ).fetchone()
    assert server is not None
    name, key = f"odoo_fresh_{uuid.uuid4().hex[:8]}", read_platform_key(shop.platform_key_file)
    # As the superuser: Odoo by itself wants the database postgres, which tenants' roles may not enter here.
    password = derive(key, subject(server["name"]), "admin")
    with connect_server(server["host"], server["port"], server["name"], key) as admin:
        try:
            return seconds_of(lambda: _make(admin, platform, server["port"], name, password))
        finally:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _make(admin: Connection, platform: LocalPlatform, db_port: int, name: str, password: str) -> None:
    release: dict[str, Any] = json.loads((platform.home / "runtime/current/release.json").read_text())
    admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    folder = Path(tempfile.mkdtemp(prefix="saasodoo-bench-", dir=platform.home.parent))
    user = platform.home.joinpath("odoo_instances").owner()
    shutil.chown(folder, user)
    port = free_port()
    configuration = folder / "odoo.conf"
    values = {"addons": ",".join(release["addons_path"]), "folder": folder, "db_port": db_port, "name": name, "user": SUPERUSER}
    configuration.write_text(_CONFIGURATION.format(**values, password=password, port=port))
    shutil.chown(configuration, user)
    command = [*release["command"], "-c", str(configuration), "-i", "base"]
    environment = {"HOME": str(folder), "LANG": "C.UTF-8"}
    with subprocess.Popen(command, user=user, cwd=folder, env=environment, stderr=subprocess.DEVNULL) as odoo:
        try:
            with Odoo(f"http://127.0.0.1:{port}", name) as client:
                wait_until("the fresh Odoo answers", lambda: client.healthy(_PAGE), 180)
        finally:
            odoo.kill()
    shutil.rmtree(folder, ignore_errors=True)
