"""One of each thing that can be made before a fork, all of them used, and what becomes of them in a child."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np

import guarita

MODEL = os.environ["MODEL"]
COUNT = itertools.count()
PICTURE = np.full((120, 160, 3), 90, np.uint8)

detector = guarita.Detector(MODEL, min_confidence=0.01)
detector.detect(PICTURE)
threads = guarita.Threads(2)
local = guarita.LocalProvider(guarita.Detector(MODEL, min_confidence=0.01), threads=threads)
local.detect(PICTURE)
function = guarita.CallbackProvider(lambda request: [guarita.Detections(size=(160, 120)) for _ in request.frames])
function.detect(PICTURE)
hybrid = guarita.HybridProvider(guarita.LocalProvider(detector), function)
hybrid.detect(PICTURE)
received: list[guarita.Event] = []
pipeline = guarita.Pipeline(guarita.LocalProvider(detector), sinks={"list": received.append})
camera = pipeline.add_camera("yard", motion=False)
camera.push(PICTURE, pts=0.0)
stream = pipeline.events()
gate = guarita.MotionGate()
gate.observe(PICTURE, pts=0.0)


def detect_async() -> Any:
    async def detect() -> guarita.Detections:
        return await asyncio.wait_for(detector.detect_async(PICTURE), 30)

    return asyncio.run(detect())


#: What needs nothing of the process that made it.
ANYWHERE: dict[str, Callable[[], Any]] = {
    "detect": lambda: detector.detect(PICTURE),
    "detect_batch": lambda: detector.detect_batch([PICTURE, PICTURE]),
    "detect_async": detect_async,
    "report": lambda: detector.report,
    "motion gate": lambda: gate.observe(PICTURE, pts=1.0),
    "new pipeline": lambda: guarita.Pipeline(guarita.LocalProvider(detector)).close(),
    "new provider": lambda: guarita.LocalProvider(detector).detect(PICTURE, timeout=30),
}
#: What has threads, and they stay behind.
AT_HOME: dict[str, Callable[[], Any]] = {
    "local": lambda: local.detect(PICTURE, timeout=30),
    "local health": local.health,
    "function": lambda: function.detect(PICTURE, timeout=30),
    "hybrid": lambda: hybrid.detect(PICTURE, timeout=30),
    "pipeline": pipeline.stats,
    "pipeline camera": lambda: camera.push(PICTURE),
    "pipeline new camera": lambda: pipeline.add_camera(f"camera{os.getpid()}-{next(COUNT)}"),
    "pipeline events": pipeline.events,
    "pipeline checkpoint": pipeline.checkpoint,
    "threads": lambda: guarita.LocalProvider(guarita.Detector(MODEL), threads=threads).detect(PICTURE, timeout=30),
}


def tried(use: Callable[[], Any]) -> str:
    """`well`, or the code of what was raised."""
    try:
        use()
    except guarita.GuaritaError as error:
        says_why = error.code != "InvalidState" or "fork" in str(error)
        return error.code if says_why else f"does not say why: {error}"
    return "well"


def report() -> dict[str, Any]:
    """Uses everything."""
    return {
        "process": os.getpid(),
        "anywhere": {name: tried(use) for name, use in ANYWHERE.items()},
        "at home": {name: tried(use) for name, use in AT_HOME.items()},
    }


def application(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """For gunicorn."""
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(report()).encode()]
