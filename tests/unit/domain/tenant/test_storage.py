"""What a database takes of its plan's storage, and what follows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.storage import (
    Level,
    Storage,
    StorageSettings,
    measured,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
_sizes = st.integers(0, 2**45)
_settings = st.builds(StorageSettings, st.integers(1, 100), st.floats(0, 10_000))
_looks = st.lists(st.tuples(_sizes, _sizes, st.timedeltas(timedelta(0), timedelta(days=30))), min_size=1, max_size=12)


@given(_looks, _settings)
def test_nobody_only_reads_who_was_within_in_the_time_of_grace(
    looks: list[tuple[int, int, timedelta]], settings: StorageSettings
) -> None:
    found, now, fine = Storage(0, 0), START, START
    for used, limit, after in looks:
        now += after
        found = measured(used, limit, found, settings, now)
        if used <= limit:
            fine = now
            assert found.level in (Level.WITHIN, Level.NEAR)
            assert found.over_since is None
        else:
            assert found.over_since is not None
            assert found.over_since >= fine
            assert found.level is (
                Level.READ_ONLY if now - found.over_since >= timedelta(hours=settings.grace_hours) else Level.OVER
            )


@given(_sizes, st.integers(1, 2**45), _settings)
def test_near_is_from_its_share_on(used: int, limit: int, settings: StorageSettings) -> None:
    level = measured(used, limit, Storage(0, limit), settings, START).level
    assert (level is Level.WITHIN) == (used * 100 < limit * settings.near_percent)
    assert (level is Level.NEAR) == (limit * settings.near_percent <= used * 100 <= limit * 100)
