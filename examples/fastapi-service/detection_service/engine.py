"""Everything native: made in the worker, after the fork, and closed before it ends."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import guarita
from starlette.concurrency import run_in_threadpool

from .problems import Problem
from .settings import Settings

#: The surest boxes that anybody may ask for; what is below is noise.
LEAST_CONFIDENCE = 0.05


class Engine:
    """A detector behind a queue, and a pipeline that watches the cameras. One of each for the process: they have
    threads of their own, so that many requests at a time use all processors."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.detector = guarita.Detector(settings.model, min_confidence=LEAST_CONFIDENCE)
        self.provider = guarita.LocalProvider(self.detector, queue=2 * settings.concurrency)
        self.pipeline = guarita.Pipeline(self.provider)
        for name, config in settings.cameras.items():
            self.pipeline.add_camera(name, **config)

    async def look(self, picture: bytes, min_confidence: float, camera: str | None = None) -> Look:
        """What is in an encoded picture. One of a camera is also shown to the pipeline, for its events."""
        watched = self.pipeline.camera(camera) if camera else None
        # Decoding takes a while, so it is done outside of the event loop; the rest is waiting, which it does itself.
        frame = await run_in_threadpool(guarita.Frame, picture, camera=camera or "")
        begin = time.monotonic()
        response = await self.provider.detect_async(
            frame, min_confidence=min_confidence, timeout=self._settings.request_timeout_s, camera=camera or ""
        )
        if watched:
            # Never waits. The time is said here, since frames of one camera have to come in the order of their times.
            watched.push(frame, pts=time.monotonic())
        return Look(frame, response.detections[0], time.monotonic() - begin)

    def look_through(self, path: Path, fps: float, min_confidence: float) -> dict[str, Any]:
        """What is in a video, frame by frame. Takes long: to be called on a thread that may wait."""
        begin = time.monotonic()
        frames: list[dict[str, Any]] = []
        with guarita.VideoSource(path, fps=fps, format="rgb8") as video:
            self._check_length(video.duration or 0)
            for frame in video:
                # What the container says of its length may be wrong, or missing.
                self._check_length(frame.pts)
                response = self.provider.detect(
                    frame, min_confidence=min_confidence, timeout=self._settings.request_timeout_s
                )
                frames.append({"pts": frame.pts, **response.detections[0].to_dict()})
        return {"frames": frames, "processing_time": time.monotonic() - begin}

    def _check_length(self, seconds: float) -> None:
        limit = self._settings.max_video_s
        if seconds > limit:
            raise Problem(422, "InvalidArgument", f"the video is longer than {limit:g} s: cut it, and send the parts")

    def close(self) -> None:
        """Lets the frames that are on their way end, and then everything go."""
        self.pipeline.shutdown(timeout=10)
        self.provider.close()
        self.detector.close()


class Look:
    """A picture and what was found in it."""

    def __init__(self, frame: guarita.Frame, found: guarita.Detections, seconds: float) -> None:
        self.frame, self.found, self.seconds = frame, found, seconds

    def body(self) -> dict[str, Any]:
        """As JSON: what `Detections.to_dict` gives, and how long it took."""
        return {**self.found.to_dict(), "processing_time": self.seconds}
