"""One connection: its camera in the pipeline, and the frames that wait for their answers."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from dataclasses import dataclass
from typing import Any

import guarita

from .settings import Settings

log = logging.getLogger(__name__)

Answer = dict[str, Any]


@dataclass
class Waiting:
    """A frame on its way."""

    pts: float
    answer: asyncio.Future[Answer]


class Viewer:
    """Pushes frames, and answers each of them exactly once.

    The pipeline does the rest: of the frames that wait, the newest is looked at; one with the bytes of an earlier one
    gets the answer of that; one beyond the rate is left out.
    """

    def __init__(self, pipeline: guarita.Pipeline, name: str, settings: Settings) -> None:
        self._settings = settings
        self._numbers = itertools.count()
        self._waiting: dict[int, Waiting] = {}
        self.cached = 0
        self._camera = pipeline.add_camera(
            name,
            fps=0,
            motion=False,
            queue={"capacity": 1, "policy": "drop_oldest", "max_age_s": settings.max_age_s},
            look={"min_confidence": settings.min_confidence},
            cache={"capacity": settings.cache_pictures, "ttl_s": settings.cache_s},
            limits={"max_input_bytes": settings.max_frame_bytes, "max_pixels": 3840 * 2160},
            explain=256,
        )

    async def look(self, jpeg: bytes) -> Answer:
        """What is in a frame; or what became of it, such as `{"dropped": "newer"}`."""
        number, pts = next(self._numbers), time.monotonic()
        waiting = Waiting(pts, asyncio.get_running_loop().create_future())
        self._waiting[number] = waiting
        admission = self._camera.push(jpeg, pts=pts, seq=number)
        if admission.outcome:
            self._answer(number, _ended(admission.outcome))
        # This one may have taken the place of another.
        self.settle()
        return await waiting.answer

    def deliver(self, result: guarita.FrameResult) -> None:
        """Answers a frame that was looked at."""
        waiting = self._waiting.get(result.seq)
        if waiting is None:
            return
        took = time.monotonic() - waiting.pts
        answer: Answer = {**result.detections.to_dict(), "cached": result.cached, "processing_time": took}
        self.cached += result.cached
        if took > self._settings.slow_s:
            answer["warning"] = f"slow: {took:.2f} s, of which the model took {result.detections.timing.total:.2f} s"
            log.warning("%s: frame %d was %s", self._camera.id, result.seq, answer["warning"])
        self._answer(result.seq, answer)
        self.settle()

    def settle(self) -> None:
        """Answers the frames that ended without a result, as the pipeline explains their ends."""
        for number, waiting in list(self._waiting.items()):
            for decision in self._camera.explain(waiting.pts, waiting.pts):
                # Results of the others are on their way.
                if decision.outcome not in ("analysed", "skipped_cached"):
                    self._answer(number, _ended(decision.outcome))

    @property
    def known(self) -> int:
        """Answers in the cache, at most: those of its last pictures, of which the oldest may have passed their time."""
        return min(self._settings.cache_pictures, self._camera.stats().account.analysed)

    def close(self) -> None:
        """Takes the camera out of the pipeline. Whoever still waits is told so."""
        self._camera.remove()
        for number in list(self._waiting):
            self._answer(number, {"dropped": "shutdown"})

    def _answer(self, number: int, answer: Answer) -> None:
        waiting = self._waiting.pop(number, None)
        # A task that was cancelled with its connection does not wait any more.
        if waiting and not waiting.answer.done():
            waiting.answer.set_result(answer)


def _ended(outcome: str) -> Answer:
    """`dropped_newer` as `{"dropped": "newer"}`, `skipped_rate_limited` as `{"skipped": "rate_limited"}`."""
    kind, _, why = outcome.partition("_")
    return {kind: why}
