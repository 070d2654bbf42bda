"""A recording or a stream that is a camera: one thread pushes its frames at their times."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import guarita

from .recent import RecentFrames

#: How often a thread looks whether there is room for the next frame, in seconds.
LOOK = 0.001
#: What such a scheme names sends its frames at their times by itself.
LIVE = ("rtsp", "rtp", "udp", "tcp")


class Feed(threading.Thread):
    """Opens the source, and pushes what it shows.

    Attributes:
        state: `opening`, `running`, `ended`, `stopped` or `failed`.
        error: Why it failed.
        title: What was opened, without secrets; empty before.
        duration: How much of it is shown, in seconds, where that is known.
    """

    def __init__(
        self,
        camera: guarita.Camera,
        source: str,
        *,
        speed: float | None,
        seconds: float | None,
        stop: threading.Event,
    ) -> None:
        # The process may end while it waits for a stream that sends nothing.
        super().__init__(name=f"decode-{camera.id}", daemon=True)
        self.camera = camera
        self.state = "opening"
        self.error: Exception | None = None
        self.title = ""
        self.duration: float | None = None
        self._source = source
        live = source.partition("://")[0].lower() in LIVE and "://" in source
        #: So many seconds of video in a second; None: no faster than frames are looked at.
        self._speed = 1.0 if live else speed
        self._seconds = seconds
        self._stop_all = stop
        self._recent: RecentFrames | None = None
        self._drawn: Callable[[], bool] = lambda: True

    def keep(self, recent: RecentFrames, drawn: Callable[[], bool]) -> None:
        """Keeps frames for the pictures of events; `drawn` says whether all that came have theirs."""
        self._recent, self._drawn = recent, drawn

    def run(self) -> None:
        try:
            with guarita.VideoSource(self._source, camera=self.camera.id) as source:
                width, height = source.size
                rate = f", {source.frame_rate:g} frames/s" if source.frame_rate else ""
                self.title = f"{source.name}, {width}x{height}{rate}"
                self.duration = _least(source.duration, self._seconds)
                self.state = "running"
                self._push_all(source)
            self.state = "stopped" if self._stop_all.is_set() else "ended"
        except Exception as error:
            # Of whatever kind: the other cameras go on, and the table says why this one does not.
            self.error = error
            self.state = "stopped" if self._stop_all.is_set() else "failed"

    def _push_all(self, source: guarita.VideoSource) -> None:
        first: float | None = None
        begun = time.monotonic()
        for frame in source:
            if first is None:
                first = frame.pts
            at = frame.pts - first
            if self._stop_all.is_set() or (self._seconds is not None and at >= self._seconds):
                return
            if self._speed is not None:
                # Stops early where all are to stop.
                self._stop_all.wait(max(0.0, begun + at / self._speed - time.monotonic()))
            else:
                self._wait_for_room()
            if self._stop_all.is_set():
                return
            self._push(frame)

    def _wait_for_room(self) -> None:
        # As many as wait at one stage: then none has to give way.
        room = self.camera.config.get("queue", {}).get("capacity", 1)
        while not (self._under_way() < room and self._drawn()) and not self._stop_all.is_set():
            time.sleep(LOOK)

    def _under_way(self) -> int:
        return self.camera.stats().account.in_flight

    def _push(self, frame: guarita.Frame) -> None:
        if self._recent is None:
            self.camera.push(frame)
            return
        # Before it is pushed: its event may come at once.
        self._recent.add(frame, self._under_way())
        if not self.camera.push(frame).taken:
            self._recent.drop(frame)


def _least(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)
