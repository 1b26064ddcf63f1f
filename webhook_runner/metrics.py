"""What Prometheus may ask: this process's counters, and the state of things as the registry has it at that moment."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Unavailable
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import servers
from webhook_runner.database import Registry

_Family = CounterMetricFamily | GaugeMetricFamily
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
_EVENTS = "SELECT count(*) AS value FROM ops.events WHERE handled_at IS NULL"
_JOBS = "SELECT queue_name AS queue, count(*) AS value FROM procrastinate_jobs WHERE status = 'todo' GROUP BY queue_name"
_RUN_SECONDS = "SELECT kind, status, seconds AS value FROM ops.run_totals"
_RUNS = "SELECT kind, status, runs AS value FROM ops.run_totals"
_RUNS_OPEN = "SELECT kind, status, count(*) AS value FROM ops.runs WHERE status IN ('queued', 'running') GROUP BY kind, status"
_STORAGE = "SELECT level, count(*) AS value FROM tenant.storage GROUP BY level"
_TENANTS = "SELECT plan_name AS plan, status, billing_status AS billing, count(*) AS value FROM tenant.tenants GROUP BY 1, 2, 3"
#: Each is of a kind and a query with columns of its labels and ``value``. None reads all of what only grows.
STATE: dict[str, tuple[type[_Family], str, str, tuple[str, ...]]] = {
    "saasodoo_runs_total": (CounterMetricFamily, "Runs that ended, by kind and how", _RUNS, ("kind", "status")),
    "saasodoo_run_seconds_total": (CounterMetricFamily, "What they took together", _RUN_SECONDS, ("kind", "status")),
    "saasodoo_runs_open": (GaugeMetricFamily, "Runs that have not ended", _RUNS_OPEN, ("kind", "status")),
    "saasodoo_jobs_waiting": (GaugeMetricFamily, "Jobs waiting in each queue", _JOBS, ("queue",)),
    "saasodoo_events_open": (GaugeMetricFamily, "Events from Kill Bill not handled yet", _EVENTS, ()),
    "saasodoo_tenants": (GaugeMetricFamily, "Tenants", _TENANTS, ("plan", "status", "billing")),
    "saasodoo_tenants_storage": (GaugeMetricFamily, "Tenants, by how much of its storage a database takes", _STORAGE, ("level",)),
    "saasodoo_server_places": (
        GaugeMetricFamily,
        "Places on Postgres servers",
        servers.PLACE_COUNTS,
        ("server", "type", "health", "state"),
    ),
}
#: What becomes of a webhook, by the status of its answer; all others are ``failed``.
_OUTCOMES = {202: "stored", 400: "invalid", 401: "unauthorized", 413: "too_large", 429: "held_back", 503: "unavailable"}
_FAILED = "failed"
#: What a caller may have wrong.
SECRET, TOKEN = "secret", "token"


class Metrics:
    """The metrics of one web process; its own collector registry, so that several applications can live in one process."""

    def __init__(self, registry: Registry) -> None:
        self.collectors = CollectorRegistry()
        self.webhooks = Counter(
            "saasodoo_webhooks_total", "Webhooks by what became of them", ["outcome"], registry=self.collectors
        )
        for outcome in (*_OUTCOMES.values(), _FAILED):
            self.webhooks.labels(outcome)
        self.intake = Histogram("saasodoo_intake_seconds", "Time to store an event", buckets=_BUCKETS, registry=self.collectors)
        self.requests = Counter(
            "saasodoo_http_requests", "Requests by route and status", ["route", "status"], registry=self.collectors
        )
        self.refused = Counter(
            "saasodoo_refused_callers_total", "Wrong secrets and tokens", ["credential", "outcome"], registry=self.collectors
        )
        for credential in (SECRET, TOKEN):
            for outcome in ("unauthorized", "held_back"):
                self.refused.labels(credential, outcome)
        self.collectors.register(_State(registry))

    def count_webhook(self, status: int) -> None:
        """Count what became of a webhook that was answered so."""
        self.webhooks.labels(_OUTCOMES.get(status, _FAILED)).inc()

    def count_refusal(self, credential: str, *, held_back: bool) -> None:
        """Count a wrong SECRET or TOKEN."""
        self.refused.labels(credential, "held_back" if held_back else "unauthorized").inc()


class _State(Collector):
    """Reads the registry when asked; when that is away, says only that."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def describe(self) -> Iterator[_Family]:
        """Name the metrics, so that registering does not read the registry."""
        for name, (kind, text, _, labels) in STATE.items():
            yield kind(name, text, labels=labels)

    def collect(self) -> Iterator[_Family]:
        """Yield every one."""
        up = GaugeMetricFamily("saasodoo_registry_up", "Whether the registry answers")
        families = []
        try:
            with self._registry.transaction() as connection:
                for name, (kind, text, statement, labels) in STATE.items():
                    family = kind(name, text, labels=labels)
                    for row in connection.execute(statement):
                        family.add_metric([str(row[label]) for label in labels], float(row["value"]))
                    families.append(family)
            up.add_metric([], 1)
        except Unavailable:
            up.add_metric([], 0)
        yield up
        yield from families
