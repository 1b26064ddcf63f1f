"""A clone's sequences after a crash of the server: none gives a value twice."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.sequences import settle_sequences
from tests.fixtures.postgres import Cluster, free_port


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A server of its own, to be killed."""
    folder = Path(tempfile.mkdtemp(prefix="saasodoo-pg-"))
    folder.chmod(0o755)
    made = Cluster(folder, free_port())
    try:
        made.create()
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_clone_of_a_sealed_template_goes_on_counting_after_a_crash(cluster: Cluster) -> None:
    insert = "INSERT INTO t DEFAULT VALUES RETURNING id"
    with psycopg.connect(cluster.conninfo(), autocommit=True) as server:
        server.execute("CREATE DATABASE template")
        with psycopg.connect(cluster.conninfo("template"), autocommit=True) as inside:
            inside.execute('CREATE TABLE t (id serial PRIMARY KEY); CREATE SEQUENCE "Never Used"')
            inside.execute(insert)
            settle_sequences(cast(Any, inside))
        server.execute("CREATE DATABASE clone TEMPLATE template")
    with psycopg.connect(cluster.conninfo("clone"), autocommit=True) as clone:
        assert clone.execute(insert).fetchone() == (2,)
        assert clone.execute("SELECT nextval('\"Never Used\"')").fetchone() == (1,)
    cluster.kill()
    cluster.start()
    with psycopg.connect(cluster.conninfo("clone"), autocommit=True) as clone:
        row = clone.execute(insert).fetchone()
        assert row is not None
        assert row[0] > 2
