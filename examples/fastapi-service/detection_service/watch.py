"""The routes that tell how the service is, and what happens in front of the cameras."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse
from starlette.websockets import WebSocketState

from .access import Client
from .problems import Problem
from .state import State, identified, state

router = APIRouter(tags=["operation"])


@router.get("/health")
@router.get("/health/ready", include_in_schema=False)
async def health(state: Annotated[State, Depends(state)]) -> Response:
    """Whether to send requests here: 200, or 503 where it cannot look at pictures now. Degraded is still ready."""
    found = state.engine.pipeline.health()
    body: dict[str, Any] = {
        "live": found.live,
        "ready": found.ready,
        "degraded": found.degraded,
        "provider": {"name": state.engine.provider.name, **found.provider.to_dict()},
        "queue": {
            "requests": state.slots.taken,
            "of": state.slots.count,
            "frames": state.engine.pipeline.stats().waiting,
        },
        "model": {key: state.engine.detector.report[key] for key in ("model_sha256", "family", "execution_provider")},
        "cameras": [camera.id for camera in state.engine.pipeline.cameras],
        "worker": os.getpid(),
    }
    return JSONResponse(body, 200 if found.ready else 503)


@router.get("/health/live", include_in_schema=False)
async def live(state: Annotated[State, Depends(state)]) -> Response:
    """Whether the process works; a 503 here is a reason to start it anew."""
    found = state.engine.pipeline.health().live
    return JSONResponse({"live": found}, 200 if found else 503)


@router.get("/metrics")
async def metrics(
    request: Request, state: Annotated[State, Depends(state)], _: Annotated[Client, Depends(identified)]
) -> Response:
    """The numbers of this worker, for Prometheus."""
    text, kind = state.metrics.text(request.headers.get("accept", ""))
    return Response(text, media_type=kind)


@router.websocket("/events")
async def events(websocket: WebSocket, state: Annotated[State, Depends(state)]) -> None:
    """Events as they happen, one JSON object each: `{"event": {...}}`; and `{"lost": n}` where the reader was too slow
    and missed that many. The connection ends with the token."""
    try:
        client = state.door.enter(websocket)
    except Problem as problem:
        return await websocket.send_denial_response(problem.response())
    browser = websocket.headers.get("sec-websocket-protocol", "").startswith("bearer")
    await websocket.accept("bearer" if browser else None)
    with state.metrics.readers.track_inprogress():
        tasks = {asyncio.create_task(_send(websocket, state)), asyncio.create_task(_gone(websocket))}
        left = None if client.until is None else max(0.0, client.until - time.time())
        done, pending = await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        # Sending notices it, too, when the reader leaves.
        with contextlib.suppress(WebSocketDisconnect):
            task.result()
    if websocket.client_state is WebSocketState.CONNECTED and websocket.application_state is WebSocketState.CONNECTED:
        await websocket.close(1001 if done else 1008, "the service ends" if done else "the token has expired")


async def _send(websocket: WebSocket, state: State) -> None:
    lost = 0
    with state.engine.pipeline.events(state.settings.events_waiting) as stream:
        async for event in stream:
            # Read once: it goes on rising while the reader is told.
            dropped = stream.dropped
            if dropped > lost:
                state.metrics.lost.inc(dropped - lost)
                await websocket.send_json({"lost": dropped - lost})
                lost = dropped
            # Waits while the reader does not read; meanwhile the stream drops its oldest.
            await websocket.send_json({"event": event.to_dict()})


async def _gone(websocket: WebSocket) -> None:
    """Ends when the reader leaves. What it says is not heard."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
