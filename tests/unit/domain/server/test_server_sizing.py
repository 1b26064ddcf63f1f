"""Settings of Postgres servers follow from what they may use, within what PostgreSQL accepts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.sizing import (
    postgres_settings,
    replication_settings,
    session_memory,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput

_MIB = 2**20
_memory = st.integers(128 * _MIB, 2**41)
_cpus = st.floats(0.1, 256)
_connections = st.integers(1, 5000)


def megabytes(settings: dict[str, int | str], name: str) -> int:
    return int(str(settings[name]).removesuffix("MB"))


@given(_memory, _cpus, _connections)
def test_shares_of_memory_fit_into_it(memory: int, cpus: float, connections: int) -> None:
    settings = postgres_settings(memory, cpus, connections)
    total = memory // _MIB
    assert 32 <= megabytes(settings, "shared_buffers") <= total // 4
    assert megabytes(settings, "shared_buffers") <= megabytes(settings, "effective_cache_size") <= total
    assert 2 <= megabytes(settings, "work_mem") <= 64
    assert 1.5 * megabytes(settings, "maintenance_work_mem") * _MIB <= session_memory(memory, 20)


@given(_memory, _cpus, _connections)
def test_the_platform_has_connections_of_its_own_and_workers_suffice(memory: int, cpus: float, connections: int) -> None:
    settings = postgres_settings(memory, cpus, connections)
    assert int(settings["max_connections"]) >= connections + 20
    assert int(settings["max_parallel_workers_per_gather"]) <= int(settings["max_parallel_workers"])
    assert int(settings["max_parallel_workers"]) < int(settings["max_worker_processes"])


@given(_memory, _memory, _cpus, _connections)
def test_more_memory_never_makes_a_setting_smaller(one: int, other: int, cpus: float, connections: int) -> None:
    less, more = (postgres_settings(memory, cpus, connections) for memory in sorted((one, other)))
    for name in ("shared_buffers", "effective_cache_size", "work_mem", "maintenance_work_mem", "max_wal_size"):
        assert megabytes(less, name) <= megabytes(more, name)


@given(st.integers(2**33, 2**41), st.integers(1, 30))
def test_all_sessions_of_a_tenant_leave_half_of_the_memory(memory: int, sessions: int) -> None:
    assert session_memory(memory, sessions) * sessions <= memory // 2


@pytest.mark.parametrize(("memory", "cpus", "connections"), [(_MIB, 1, 10), (2**30, 0, 10), (2**30, 1, 0)])
def test_what_is_too_small_is_refused(memory: int, cpus: float, connections: int) -> None:
    with pytest.raises(InvalidInput, match="can't be made so small"):
        postgres_settings(memory, cpus, connections)


@given(st.integers(0, 1000), _cpus, st.integers(15, 18))
def test_all_places_may_be_on_the_move_at_once(places: int, cpus: float, version: int) -> None:
    """Each takes a slot and its sender, or a subscription with its worker; queries have their workers besides."""
    settings = replication_settings(places, cpus, version)
    for name in ("max_replication_slots", "max_wal_senders", "max_logical_replication_workers"):
        assert settings[name] >= places + 5
    queries = int(postgres_settings(2**30, cpus, 1)["max_parallel_workers"])
    assert settings["max_worker_processes"] > settings["max_logical_replication_workers"] + queries
    origins = settings.get("max_active_replication_origins")
    assert origins is None if version < 18 else origins and origins >= places
