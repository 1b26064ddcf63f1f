"""Whom emptying a server moves, whom it can't, and what is then left."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.database_server import Purpose
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.drain import Drain, Resident, plan
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import Verb


def resident(status: Status = Status.RUNNING, operation: Verb | None = None, purpose: Purpose = Purpose.HOME) -> Resident:
    return Resident(uuid.uuid4(), "acme", status, operation, purpose, datetime(2026, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    ("status", "operation"),
    [
        (Status.RUNNING, None),
        (Status.STOPPED, None),
        (Status.MIGRATING, Verb.MIGRATE),
        (Status.MIGRATING, Verb.RESIZE),
        (Status.ERROR, Verb.MIGRATE),
    ],
)
def test_what_is_at_rest_or_was_being_moved_is_moved(status: Status, operation: Verb | None) -> None:
    tenant = resident(status, operation)
    assert plan([tenant], let_go=False) == Drain(move=(tenant,))


@pytest.mark.parametrize(
    ("status", "operation", "words"),
    [
        (Status.PAUSED, None, "is paused"),
        (Status.TERMINATED, None, "its data is kept"),
        (Status.ERROR, None, "is error"),
        (Status.STARTING, Verb.START, "is starting"),
        (Status.CREATING, None, "is creating"),
    ],
)
def test_all_others_are_named_with_the_reason(status: Status, operation: Verb | None, words: str) -> None:
    found = plan([resident(status, operation)], let_go=True)
    ((_, reason),) = found.skipped
    assert words in reason
    assert not found.move
    assert not found.empty


def test_a_former_database_stays_or_is_let_go_whatever_its_tenant_is() -> None:
    former = resident(Status.PAUSED, purpose=Purpose.FORMER)
    assert plan([former], let_go=False) == Drain(kept=(former,))
    assert plan([former], let_go=True) == Drain(settle=(former,))


def test_one_on_its_way_here_is_left_to_whoever_moves_it() -> None:
    found = plan([resident(Status.MIGRATING, Verb.MIGRATE, Purpose.TARGET)], let_go=True)
    assert "is being moved here" in found.skipped[0][1]


def test_nobody_left_is_empty() -> None:
    assert plan([], let_go=False).empty
