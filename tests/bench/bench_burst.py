"""Many subscriptions within a second: when each tenant shows its first page, what it costs, and what a suspension waits for.

SAASODOO_BURST is how many (50). There is no peer: the mission names the numbers.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry
from demo.platform import Platform
from demo.settings import read_variables
from demo.timeline import wait_until
from tests.fixtures.cgroups import counted, seconds
from tests.fixtures.platform import LocalPlatform
from tests.fixtures.processes import command, environment, family, running

_SIZE = int(os.environ.get("SAASODOO_BURST", "50"))
_AT_ONCE = 16  # connections to Kill Bill
_PATIENCE = 3600  # seconds
_LOOK = 0.2  # seconds between looks
NOT_OURS = "kill bill"
_STATUSES = "SELECT subdomain FROM tenant.tenants WHERE subdomain = ANY(%s) AND status IN ('starting', 'running')"
_SUSPENSION = """
SELECT extract(epoch FROM started_at)::float AS began, extract(epoch FROM finished_at)::float AS ended FROM ops.runs
WHERE tenant_id = %s AND kind = 'suspend' AND status = 'succeeded'
"""
# What comes round by the clock and leaves a run: when each began, the last one before the burst first.
_ROUNDS = """
SELECT kind, array_agg(extract(epoch FROM started_at)::float ORDER BY started_at) AS begins FROM ops.runs
WHERE tenant_id IS NULL AND kind = ANY(%s) GROUP BY kind ORDER BY kind
"""
_EVERY = re.compile(r"\*(?:/(\d+))? \* \* \* \*")  # so many minutes, in cron's words


@dataclass
class Burst:
    """What was measured: seconds since the first subscription, CPU seconds by part of the platform."""

    asked: float = 0.0  # until all subscriptions were made
    pages: list[float] = field(default_factory=list)
    load: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    suspension: tuple[float, float] | None = None  # seconds from when it was asked for to its run's begin and end
    gaps: dict[str, float] = field(default_factory=dict)  # the longest time between two rounds of a kind, in their periods

    def __str__(self) -> str:
        served, last = len(self.pages), max(self.pages)
        cpu = shown({name: used / served for name, used in self.cpu.items()})
        begins, ends = self.suspension or (float("nan"), float("nan"))
        return "\n".join(
            (
                f"burst: {served} subscriptions made in {self.asked:.1f} s, all served; load {self.load:.1f} in the end",
                f"  first page after      min {min(self.pages):.1f}  p50 {median(self.pages):.1f}"
                f"  p95 {quantiles(self.pages, n=20, method='inclusive')[-1]:.1f}  last {last:.1f} s",
                f"  tenants a minute      {served * 60 / last:.1f}",
                f"  CPU seconds a tenant  {cpu}",
                f"  a suspension meanwhile began after {begins:.1f} s and was done after {ends:.1f} s",
                f"  longest gap between   {', '.join(f'{name} {gap:.2f}' for name, gap in self.gaps.items())} periods",
            )
        )


def shown(cpu: dict[str, float]) -> str:
    """Return CPU seconds by part of the platform as a line of text; without any, why."""
    whole = sum(used for name, used in cpu.items() if name != NOT_OURS)
    by_part = ", ".join(f"{name} {used:.2f}" for name, used in cpu.items())
    return f"{whole:.2f} without Kill Bill ({by_part})" if cpu else "only root can count them"


def run(platform: LocalPlatform) -> Iterator[Burst]:
    """Let ``_SIZE`` customers subscribe at once, and one more's tenant be suspended when a fifth of them is served."""
    shop, burst, mark = Platform.here(platform.environment), Burst(), uuid.uuid4().hex[:5]
    other = f"burst-{mark}-other"
    subscription = shop.customer.subscribe(shop.open_account(other), "basic-monthly", other)
    wait_until(f"{other} answers", lambda: shop.status_of(other) == 200)
    names = [f"burst-{mark}-{number}" for number in range(_SIZE)]
    with ThreadPoolExecutor(_AT_ONCE) as hands, counted(parts(platform.home)) as groups:
        accounts = list(hands.map(shop.open_account, names))
        used, start = seconds(groups), time.time()  # compared with the registry's clock, which is this machine's
        list(hands.map(lambda name, account: shop.customer.subscribe(account, "basic-monthly", name), names, accounts))
        burst.asked = time.time() - start
        asked = 0.0
        for page in _first_pages(shop, names):
            burst.pages.append(page - start)
            if len(burst.pages) == max(1, _SIZE // 5):
                asked = time.time()
                bundle = shop.billing.api.get(f"/1.0/kb/subscriptions/{subscription}")["bundleId"]
                shop.customer.pause(uuid.UUID(bundle))
        burst.cpu = {name: total - used[name] for name, total in seconds(groups).items()}
        burst.load = os.getloadavg()[0]
        burst.suspension = _suspension(shop, other, asked)
        burst.gaps = _gaps(platform, shop, start)
    yield burst


def _first_pages(shop: Platform, names: list[str]) -> Iterator[float]:
    """Yield the moment of each tenant's first page. One that is not begun yet is not asked, so that waiting costs little."""
    missing, end = set(names), time.monotonic() + _PATIENCE
    with registry.connect(shop.registry, autocommit=True) as connection:
        while missing:
            assert time.monotonic() < end, f"not served: {', '.join(sorted(missing))}"
            for row in connection.execute(_STATUSES, (list(missing),)).fetchall():
                if shop.status_of(row["subdomain"]) == 200:
                    missing.discard(row["subdomain"])
                    yield time.time()
            time.sleep(_LOOK)


def _suspension(shop: Platform, name: str, asked: float) -> tuple[float, float]:
    tenant = shop.tenant(name).id
    with registry.connect(shop.registry, autocommit=True) as connection:
        wait_until(f"{name} is suspended", lambda: connection.execute(_SUSPENSION, (tenant,)).fetchone() is not None)
        row = connection.execute(_SUSPENSION, (tenant,)).fetchone()
    assert row is not None
    return row["began"] - asked, row["ended"] - asked


def _gaps(platform: LocalPlatform, shop: Platform, start: float) -> dict[str, float]:
    """Return the longest time without a round of each kind, up to now, in its periods; from the last one before the burst on."""
    crons = {name: f"saasodoo_runner_{name}" for name in ("health", "spare")}
    found = read_variables(*crons.values(), environment=platform.environment)
    with registry.connect(shop.registry) as connection:
        begins = {row["kind"]: row["begins"] for row in connection.execute(_ROUNDS, (list(crons),))}
    gaps = {}
    for name, variable in crons.items():
        moments = [each for each in begins.get(name, ()) if each > start]
        before = [each for each in begins.get(name, ()) if each <= start][-1:] or [start]
        every = _EVERY.fullmatch(found[variable])
        assert every, f"{variable} is not so many minutes: {found[variable]}"
        longest = max(later - earlier for earlier, later in pairwise([*before, *moments, time.time()]))
        gaps[name] = longest / (int(every[1] or 1) * 60)
    return gaps


def parts(home: Path) -> dict[str, set[int]]:
    """Return the platform's processes by part. What comes up meanwhile (Odoos, new servers) counts where supervisord is."""

    def of(*words: str) -> set[int]:
        return {each for pid in ours if any(word in " ".join(command(pid)) for word in words) for each in family(pid)}

    ours = set(running(lambda pid: str(home) in " ".join(command(pid) + environment(pid))))
    runner, databases, killbill = of("webhook_runner"), of("/postgres/", "pgbouncer"), of("/killbill/")
    rest = {each for pid in ours for each in family(pid)} - runner - databases - killbill
    return {"runner and Ansible": runner, "databases": databases, "Odoo and proxy": rest, NOT_OURS: killbill}
