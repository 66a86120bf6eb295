"""Figures of the running service in Prometheus' text format."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

SECONDS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """What is counted, in a registry of its own, so that several apps may live in one process."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "braggle_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "braggle_http_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.requests_now = Gauge(
            "braggle_http_requests_now", "Requests being answered.", registry=self.registry
        )
        self.problems = Counter(
            "braggle_problems", "Problems answered, by kind.", ("kind",), registry=self.registry
        )
        self.stage_seconds = Histogram(
            "braggle_search_stage_seconds",
            "Of look-ups, by stage.",
            ("stage",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.searches = Gauge(
            "braggle_searches", "Look-ups running or waiting.", registry=self.registry
        )
        self.parsers_ended = Counter(
            "braggle_parsers_ended",
            "Processes that read uploads and died or were ended.",
            ("reason",),
            registry=self.registry,
        )
        self.jobs = Gauge("braggle_jobs", "Jobs by state.", ("state",), registry=self.registry)
        self.library_version = Gauge(
            "braggle_library_version", "Of the library that is served.", registry=self.registry
        )
        self.library_entries = Gauge(
            "braggle_library_entries", "Of the library that is served.", registry=self.registry
        )
        self.library_reloads = Counter(
            "braggle_library_reloads",
            "New versions taken up, or not.",
            ("outcome",),
            registry=self.registry,
        )

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)
