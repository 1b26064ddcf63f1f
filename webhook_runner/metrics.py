"""What Prometheus may ask: this process's counters, and the state of things as the registry has it at that moment."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Unavailable
from webhook_runner.database import Registry
from webhook_runner.sql import query

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
#: Each is a query with columns of its labels and ``value``.
_GAUGES = {
    "saasodoo_runs": ("Runs by verb and how they stand", "metric_runs", ("verb", "status")),
    "saasodoo_run_duration_seconds_average": ("Average duration of the last hour's runs", "metric_durations", ("verb",)),
    "saasodoo_jobs_waiting": ("Jobs waiting in each queue", "metric_jobs", ("queue",)),
    "saasodoo_events_open": ("Events from Kill Bill not handled yet", "metric_events", ()),
    "saasodoo_tenants": ("Tenants", "metric_tenants", ("plan", "status", "billing")),
    "saasodoo_server_places": ("Places on Postgres servers", "metric_places", ("server", "type", "health", "state")),
}


class Metrics:
    """The metrics of one web process; its own collector registry, so that several applications can live in one process."""

    def __init__(self, registry: Registry) -> None:
        self.collectors = CollectorRegistry()
        self.webhooks = Counter("saasodoo_webhooks", "Webhooks by what became of them", ["outcome"], registry=self.collectors)
        self.intake = Histogram("saasodoo_intake_seconds", "Time to store an event", buckets=_BUCKETS, registry=self.collectors)
        self.requests = Counter(
            "saasodoo_http_requests", "Requests by route and status", ["route", "status"], registry=self.collectors
        )
        self.collectors.register(_State(registry))


class _State(Collector):
    """Reads the registry when asked; when that is away, says only that."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Name the metrics, so that registering does not read the registry."""
        for name, (text, _, labels) in _GAUGES.items():
            yield GaugeMetricFamily(name, text, labels=labels)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield every gauge."""
        up = GaugeMetricFamily("saasodoo_registry_up", "Whether the registry answers")
        families = []
        try:
            with self._registry.transaction() as connection:
                for name, (text, statement, labels) in _GAUGES.items():
                    family = GaugeMetricFamily(name, text, labels=labels)
                    for row in connection.execute(query(statement)):
                        family.add_metric([str(row[label]) for label in labels], float(row["value"]))
                    families.append(family)
            up.add_metric([], 1)
        except Unavailable:
            up.add_metric([], 0)
        yield up
        yield from families
