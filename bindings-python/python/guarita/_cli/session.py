"""Cameras that are watched: what is told meanwhile, the end, and the account."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping

import guarita

from . import table
from .feed import Feed
from .interrupt import Interrupt
from .output import FAILED, OK, SIGNALLED
from .pictures import Pictures
from .screen import Screen
from .setup import STREAM

#: How long frames that are under way, and events that wait, have at the end, and after Ctrl-C; in seconds.
DEADLINE, HURRY = 15.0, 5.0
#: Between two looks at what came, in seconds.
TICK = 0.1
#: Events that may wait for whoever reads what is printed.
WAITING = 10_000


class Session:
    """Cameras that are watched, until all have ended or somebody has seen enough."""

    def __init__(
        self,
        pipeline: guarita.Pipeline,
        feeds: Mapping[str, Feed],
        stop: threading.Event,
        shown: Screen,
        as_json: bool,
        pictures: Pictures | None,
    ) -> None:
        self._pipeline = pipeline
        self._feeds = feeds
        self._stop = stop
        self._screen = shown
        self._as_json = as_json
        self._pictures = pictures
        self._events = pipeline.events(WAITING)
        self._told = {name: table.Told() for name in feeds}
        #: What was said of each feed.
        self._said: dict[str, str] = {}
        names = [len(name) for name in feeds]
        triggers = [
            len(trigger["name"]) for feed in feeds.values() for trigger in feed.camera.config.get("triggers", ())
        ]
        self._widths = max(names), max(triggers, default=0)

    def run(self) -> int:
        """Returns the exit status."""
        with Interrupt() as interrupt:
            try:
                for feed in self._feeds.values():
                    feed.start()
                self._until_all_have_ended(interrupt)
            except OSError:
                # Nobody reads what is printed; but there are sinks.
                self._halt(HURRY)
                raise
            finally:
                self._stop.set()
                self._screen.end()
            if interrupt.number is not None:
                self._screen.say("interrupted: what is under way is brought to its end")
            ending = self._halt(DEADLINE if interrupt.number is None else HURRY)
            for event in self._events:
                self._tell(event)
            self._say_states()
            well = self._account(ending)
        if interrupt.number is not None:
            return SIGNALLED + interrupt.number
        return OK if well else FAILED

    def _until_all_have_ended(self, interrupt: Interrupt) -> None:
        shown = time.monotonic()
        while interrupt.number is None and any(feed.is_alive() for feed in self._feeds.values()):
            try:
                self._tell(self._events.get(TICK))
                # All that came meanwhile, before the next table.
                for _ in range(self._events.waiting):
                    self._tell(self._events.get(0))
            except guarita.DeadlineExceeded:
                pass
            self._say_states()
            if self._screen.every is not None and time.monotonic() - shown >= self._screen.every:
                shown = time.monotonic()
                self._screen.show(table.rows(self._pipeline.stats(), self._feeds, self._told))

    def _halt(self, timeout: float) -> guarita.ShutdownReport:
        self._stop.set()
        end = time.monotonic() + 1.0
        for feed in self._feeds.values():
            # One that waits for a stream which sends nothing is left alone.
            if feed.is_alive():
                feed.join(max(0.0, end - time.monotonic()))
        return self._pipeline.shutdown(timeout)

    def _tell(self, event: guarita.Event) -> None:
        told = self._told[event.camera]
        told.count, told.last = told.count + 1, event
        if self._as_json:
            fields = event.to_dict()
            fields.pop("picture", None)
            print(json.dumps(fields), flush=True)
            return
        camera, trigger = self._widths
        self._screen.say(f"{event.pts:>6.1f} s  {event.camera:<{camera}}  {event.trigger:<{trigger}}  {event.why}")

    def _say_states(self) -> None:
        """Says what changed; raises what is wrong for all cameras."""
        for name, feed in self._feeds.items():
            state = feed.state
            if self._said.get(name, "opening") == state:
                continue
            self._said[name] = state
            if state == "failed":
                error = feed.error
                if isinstance(error, guarita.RuntimeUnavailable):
                    # Without ffmpeg there is nothing to hope for from the next one.
                    raise error
                code = error.code if isinstance(error, guarita.GuaritaError) else type(error).__name__
                self._screen.warn(f'camera "{name}" failed: {error} ({code})')
            else:
                self._screen.note(f'camera "{name}" {state}' + (f": {feed.title}" if state == "running" else ""))

    def _account(self, ending: guarita.ShutdownReport) -> bool:
        """Says what became of everything; whether all is well."""
        stats = self._pipeline.stats()
        lines = ["", *table.account(stats, self._told)]
        # Beside the stream, which is what was printed.
        lines += table.deliveries([one for one in ending.outlets if one["name"] != STREAM])
        lines += [f"sink {name} hangs; it was left alone" for name in ending.hanging]
        if not ending.drained:
            lines.append("some frames did not come to their end in time, and were dropped")
        if self._events.dropped:
            lines.append(f"{self._events.dropped} events were not printed: they came faster than somebody read them")
        if self._pictures is not None:
            lines.append(f"{self._pictures.drawn} pictures in {self._pictures.folder}")
        for camera in stats.cameras:
            if camera.last_failure is not None:
                count, code = camera.account.failed, camera.last_failure["code"]
                lines.append(f'camera "{camera.id}": {count} frames failed, the last one with {code}')
        if stats.provider.last_error is not None:
            lines.append(f"the provider's last error: {stats.provider.last_error['message']}")
        failed = [feed for feed in self._feeds.values() if feed.state == "failed"]
        if failed:
            lines.append(f"{len(failed)} of {len(self._feeds)} cameras failed")
        for line in lines:
            self._screen.say(line)
        lost = any(one["failed"] or one["dropped"] for one in ending.outlets)
        return ending.drained and not (failed or stats.account.failed or lost or ending.hanging or self._events.dropped)
