"""The last frames of a camera, for the pictures of events."""

from __future__ import annotations

import threading
from collections import OrderedDict

import guarita

#: Frames that are kept beside those under way, which take no memory more; and their bytes, but a few frames always.
MOST, MOST_BYTES, LEAST = 32, 64 << 20, 8


class RecentFrames:
    """Frames by their presentation time, which an event names.

    Events can bring a picture along, but then it goes to all sinks; and it has been through a JPEG.
    """

    def __init__(self) -> None:
        self._frames: OrderedDict[float, guarita.Frame] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, frame: guarita.Frame, under_way: int) -> None:
        """Keeps a frame that is about to be pushed; so many that were pushed before have not ended."""
        width, height = frame.size
        # Sources give one byte for the brightness of a pixel, and half a one for its colour.
        most = min(MOST, max(LEAST, MOST_BYTES // (width * height * 3 // 2)))
        with self._lock:
            self._frames[frame.pts] = frame
            # One more, which may be dropped again.
            while len(self._frames) > most + under_way + 1:
                self._frames.popitem(last=False)

    def drop(self, frame: guarita.Frame) -> None:
        """Forgets one that ended at once: it has no event."""
        with self._lock:
            self._frames.pop(frame.pts, None)

    def at(self, pts: float) -> guarita.Frame | None:
        with self._lock:
            return self._frames.get(pts)
