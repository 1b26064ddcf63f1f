"""What the parts of one process share, made in one place."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.subscription import Account
from webhook_runner.database import Registry
from webhook_runner.settings import Settings


class Billing(Protocol):
    """What the runner asks of Kill Bill (adapters/killbill.py answers)."""

    def read_account(self, account_id: UUID) -> Account:
        """Return the account with all subscriptions and invoices. Raises NotFound or Unavailable."""

    def accounts(self) -> Iterator[UUID]:
        """Yield every account's id. Raises Unavailable."""


@dataclass(frozen=True)
class Core:
    """What every process needs: the settings and the registry."""

    settings: Settings
    registry: Registry


@dataclass(frozen=True)
class Services(Core):
    """What a worker needs besides: Kill Bill, and whether the process is asked to stop."""

    billing: Billing
    stopping: threading.Event = field(default_factory=threading.Event)


def make_core(settings: Settings, *, connections: int) -> Core:
    """Make what every process needs; nothing connects before ``registry.open()``."""
    return Core(settings, Registry(settings.registry, size=connections))


def make(settings: Settings, *, connections: int) -> Services:
    """Make what a worker needs; nothing connects before ``registry.open()``."""
    from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.killbill import KillBill

    access = settings.killbill()
    billing = KillBill(access.url, access.user, access.password, access.api_key, access.api_secret)
    return Services(settings, Registry(settings.registry, size=connections), billing)
