"""Counts of the service, beside those of guarita, as Prometheus reads them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .access import Slots
from .engine import Engine


class _Pipeline(Collector):
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterable[Metric]:
        families: Iterable[Metric] = text_string_to_metric_families(self._engine.pipeline.metrics())  # type: ignore[no-untyped-call]
        return families

    def describe(self) -> Iterable[Metric]:
        return ()


class _Labelled(CollectorRegistry):
    """Says whose numbers they are: with several workers, each scrape meets another one."""

    def collect(self) -> Iterator[Metric]:
        for family in super().collect():
            family.samples = [one._replace(labels={**one.labels, "worker": str(os.getpid())}) for one in family.samples]
            yield family


class Metrics:
    """The numbers of one process."""

    def __init__(self, engine: Engine, slots: Slots) -> None:
        self._registry = _Labelled()
        self._registry.register(_Pipeline(engine))
        self._answers = Counter(
            "service_answers", "Answers of the service", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "service_answer_seconds", "From the request to the end of its answer", ["route"], registry=self._registry
        )
        Gauge("service_requests_in_flight", "Requests that are worked on", registry=self._registry).set_function(
            lambda: slots.taken
        )
        self.readers = Gauge("service_event_readers", "Readers of events", registry=self._registry)
        self.lost = Counter("service_events_lost", "Events that slow readers lost", registry=self._registry)

    def answered(self, route: str, status: int, seconds: float) -> None:
        self._answers.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self, accept: str) -> tuple[bytes, str]:
        """All of them, in the newest format that the reader takes, and the name of that."""
        encode, kind = choose_encoder(accept)
        return encode(self._registry), kind


class Measured:
    """Counts and times the answers of `app`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        begin, status = time.monotonic(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            # The pattern and not the path: else every wrong address would be a label of its own.
            route = getattr(scope.get("route"), "path", "other")
            scope["app"].state.service.metrics.answered(route, status, time.monotonic() - begin)
