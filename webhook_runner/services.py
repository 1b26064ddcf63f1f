"""What the parts of one process share, made in one place."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from ansible_collections.saasodoo.platform.plugins.module_utils.ports import BillingSystem
from webhook_runner.database import Registry
from webhook_runner.settings import Settings


@dataclass(frozen=True)
class Core:
    """What every process needs: the settings and the registry."""

    settings: Settings
    registry: Registry


@dataclass(frozen=True)
class Services(Core):
    """What a worker needs besides: Kill Bill, and whether the process is asked to stop."""

    billing: BillingSystem
    stopping: threading.Event = field(default_factory=threading.Event)


def make_core(settings: Settings, *, connections: int) -> Core:
    """Make what every process needs; nothing connects before ``registry.open()``."""
    return Core(settings, Registry(settings.registry, size=connections))


def make(settings: Settings, *, connections: int) -> Services:
    """Make what a worker needs; nothing connects before ``registry.open()``."""
    from ansible_collections.saasodoo.platform.plugins.module_utils.killbill.account import KillBill

    access = settings.killbill()
    billing = KillBill(access.url, access.user, access.password, access.api_key, access.api_secret)
    return Services(settings, Registry(settings.registry, size=connections), billing)
