"""For the tests: the habit of making things at import. A detector bears it, and opens the model anew in each worker."""

from __future__ import annotations

import os
from typing import Any

import guarita
import numpy as np
from fastapi import FastAPI, Request

app = FastAPI()
detector = guarita.Detector(os.environ["GUARITA_MODEL"])
parent = os.getpid()
# It has been used before the fork, too.
detector.detect(np.zeros((96, 96, 3), np.uint8))


@app.post("/detect/frame")
async def detect_frame(request: Request) -> dict[str, Any]:
    """The objects in a picture."""
    async with request.form() as form:
        found = await detector.detect_async(await form["image"].read())  # type: ignore[union-attr]
    return {**found.to_dict(), "forked": os.getpid() != parent}


@app.get("/health")
@app.get("/health/live")
def health() -> dict[str, int]:
    """Who answers."""
    return {"worker": os.getpid()}
