"""What Prometheus is told: routes, statuses and seconds, never what was asked."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

REQUESTS = Counter("closegap_requests", "Requests by route and status", ["route", "method", "status"])
SECONDS = Histogram(
    "closegap_seconds",
    "Seconds of a request",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
RUNNING = Gauge("closegap_running", "Requests that are being answered", multiprocess_mode="livesum")
REFUSED = Counter("closegap_refused", "Requests refused, by reason", ["reason"])
ROWS = Gauge("closegap_rows", "Raw rows of a modality", ["modality"], multiprocess_mode="mostrecent")
VERSION = Gauge("closegap_corrections_version", "Version of the corrections", multiprocess_mode="mostrecent")


def exposed() -> bytes:
    """The figures of all workers, in Prometheus' text format."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return bytes(generate_latest(registry))
