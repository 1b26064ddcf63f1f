"""Kinds of run: what a person or billing wants of a tenant, and what comes of rounds by the clock."""

from __future__ import annotations

from enum import StrEnum

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import Verb


class Maintenance(StrEnum):
    """What rounds by the clock have run: no verb of a tenant's life."""

    SETTLE = "settle"  # ends what a tenant's move has left; begins the verb migrate where it has to
    HEALTH = "health"  # checks the Postgres servers
    SPARE = "spare"  # prepares the next pool


class Round(StrEnum):
    """What comes round by the clock: a job of the queue for monitoring, one at a time. Each has a place of its own there."""

    SWEEP = "sweep"
    HEALTH = "server_health"
    SPARE = "spare_pools"
    MIGRATIONS = "migrations"
    LIFE_TIMES = "life_times"

    @property
    def lock(self) -> str:
        """Return the name of the lock that makes it one at a time."""
        return f"platform:{self}"


Kind = Verb | Maintenance

#: The others are about one tenant.
_OF_THE_PLATFORM: dict[Kind, str] = {Maintenance.HEALTH: "postgres_pool_health.yml", Maintenance.SPARE: "postgres_spare.yml"}


def kind_of(name: str) -> Kind:
    """Return the kind that ops.runs calls ``name``."""
    return Maintenance(name) if name in set(Maintenance) else Verb(name)


def playbook_of(kind: Kind) -> str:
    """Return the file name of the playbook that a run of ``kind`` plays."""
    return _OF_THE_PLATFORM.get(kind, f"tenant_{kind}.yml")


def verb_of(kind: Kind) -> Verb:
    """Return the verb that a tenant's run of ``kind`` has under way, if any."""
    return kind if isinstance(kind, Verb) else Verb.MIGRATE
