"""Prometheus metrics, one sum over all gunicorn workers where PROMETHEUS_MULTIPROC_DIR is set."""

import os
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client import REGISTRY as PROCESS_REGISTRY

REQUESTS: Final = Counter(
    "lienthong_requests_total", "HTTP requests by route and status", ["route", "method", "status"]
)
REQUEST_SECONDS: Final = Histogram(
    "lienthong_request_seconds",
    "Seconds to answer an HTTP request",
    ["route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
TRANSACTION_RETRIES: Final = Counter(
    "lienthong_transaction_retries_total",
    "Transactions repeated after a deadlock or serialization failure",
    ["reason"],
)
CACHE_FAILURES: Final = Counter(
    "lienthong_cache_failures_total", "Redis calls that failed and were done without"
)
TAPS: Final = Counter("lienthong_taps_total", "Tap records by verdict", ["verdict"])
EXPOSURE: Final = Gauge(
    "lienthong_exposure_minor",
    "What all riders owe beyond their balances, in minor units",
    ["currency"],
    multiprocess_mode="mostrecent",
)
SIGN_INS: Final = Counter("lienthong_sign_ins_total", "Staff sign-in attempts by outcome", ["outcome"])


def exposition() -> tuple[bytes, str]:
    """Return the metrics in Prometheus's text format and its content type."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry = PROCESS_REGISTRY
    return generate_latest(registry), CONTENT_TYPE_LATEST
