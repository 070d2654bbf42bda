"""Events into the database, many at a time."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable

import guarita
from django.db import OperationalError, close_old_connections, transaction

from .models import Detection

#: As many rows as go into one statement, and how long the first of them waits for the others, in seconds.
BATCH = 200
WAIT_S = 1.0
#: Waits before the tries that follow a failed one, in seconds: a database that restarts is back within them.
RETRIES_S = (0.5, 1, 2, 4, 8, 15)

Events = queue.Queue[guarita.Event | None]


class Writer:
    """Takes events from a queue until it gets `None`, and stores each once, however often it comes."""

    def __init__(self, events: Events, report: Callable[[str], object]) -> None:
        self._events, self._report = events, report
        self.taken = self.new = 0

    def run(self) -> None:
        """Returns when all that came before `None` is in the database.

        Raises:
            OperationalError: The database has not been there for half a minute.
        """
        ended = False
        while not ended:
            batch: list[Detection] = []
            due: float | None = None
            while len(batch) < BATCH:
                try:
                    event = self._events.get(timeout=None if due is None else max(0.0, due - time.monotonic()))
                except queue.Empty:
                    break
                if event is None:
                    ended = True
                    break
                batch.append(Detection.from_event(event))
                due = due or time.monotonic() + WAIT_S
            self._store(batch)

    def _store(self, batch: list[Detection]) -> None:
        if not batch:
            return
        for wait in (*RETRIES_S, None):
            try:
                with transaction.atomic():
                    known = Detection.objects.filter(event_id__in=[row.event_id for row in batch]).count()
                    Detection.objects.bulk_create(batch, ignore_conflicts=True)
                break
            except OperationalError as error:
                if wait is None:
                    raise
                self._report(f"the database does not answer, again in {wait} s: {error}")
                time.sleep(wait)
                close_old_connections()
        self.taken += len(batch)
        self.new += len(batch) - known
