"""The routes that look at pictures and videos."""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any

import guarita
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from PIL import Image
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from . import uploads
from .access import Client
from .engine import LEAST_CONFIDENCE, Engine, Look
from .problems import Problem, problem
from .state import State, client, state

router = APIRouter(tags=["detection"])

def _multipart(**fields: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": fields}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


_FILE = {"type": "string", "format": "binary"}
_CONFIDENCE = {"type": "number", "minimum": LEAST_CONFIDENCE, "maximum": 1}


@router.post("/detect/frame", openapi_extra=_multipart(image=_FILE, camera={"type": "string"}, min_confidence=_CONFIDENCE))
async def detect_frame(
    request: Request,
    state: Annotated[State, Depends(state)],
    _: Annotated[Client, Depends(client)],
    plot: bool = False,
) -> Response:
    """Finds objects in one JPEG or PNG. With `plot=1` the answer is the picture with the boxes drawn in: a JPEG, or a PNG for
    those who accept that. A frame of one of the configured cameras is also watched, for the events."""
    settings = state.settings
    # The place is given back before the answer is sent, so that whoever has the answer finds it free.
    with state.slots:
        async with uploads.form(request, settings.max_picture_bytes, 1, settings.read_timeout_s) as fields:
            images = uploads.files(fields, "image")
            if len(images) != 1:
                raise Problem(422, "InvalidArgument", "image: send one picture")
            least = uploads.number(fields, "min_confidence", settings.min_confidence, LEAST_CONFIDENCE, 1)
            camera = uploads.text(fields, "camera")
            data = await uploads.picture(images[0], settings.max_picture_bytes)
        look = await state.engine.look(data, least, camera)
        if not plot:
            return JSONResponse({"camera": camera, **look.body()})
        kind = "PNG" if "image/png" in request.headers.get("accept", "") else "JPEG"
        return Response(await run_in_threadpool(_plotted, look, kind), media_type=f"image/{kind.lower()}")


def _plotted(look: Look, kind: str) -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(look.found.plot(look.frame)).save(encoded, kind)
    return encoded.getvalue()


_BATCH = _multipart(
    images={"type": "array", "items": _FILE}, video=_FILE, fps={"type": "number"}, min_confidence=_CONFIDENCE
)


@router.post("/batch/detect", openapi_extra=_BATCH)
async def detect_batch(
    request: Request, state: Annotated[State, Depends(state)], _: Annotated[Client, Depends(client)]
) -> dict[str, Any]:
    """Finds objects in several pictures (`images`), of which each has a result or a problem of its own; or in a `video`
    (MP4, MOV, MKV, WebM, AVI), of which `fps` frames a second are looked at, 1 where nothing is said."""
    settings = state.settings
    with state.slots:
        limits = (settings.max_video_bytes, settings.max_pictures, settings.read_timeout_s)
        async with uploads.form(request, *limits) as fields:
            images, videos = uploads.files(fields, "images"), uploads.files(fields, "video")
            least = uploads.number(fields, "min_confidence", settings.min_confidence, LEAST_CONFIDENCE, 1)
            if len(videos) == 1 and not images:
                fps = uploads.number(fields, "fps", 1, 0.01, settings.max_video_fps)
                return await run_in_threadpool(_look_through, state.engine, videos[0], fps, least)
            if not images or videos:
                raise Problem(422, "InvalidArgument", "send pictures as images, or one video as video")
            # One after the other: the other requests keep the processors busy, and one picture at a time is in memory.
            return {"images": [await _look(state, image, least) for image in images]}


async def _look(state: State, image: UploadFile, least: float) -> dict[str, Any]:
    try:
        data = await uploads.picture(image, state.settings.max_picture_bytes)
        return {"name": image.filename, **(await state.engine.look(data, least)).body()}
    except Exception as error:
        told = problem(error)
        if told.status >= 500 or told.status == 429:
            raise
        return {"name": image.filename, "problem": told.body}


def _look_through(engine: Engine, upload: UploadFile, fps: float, least: float) -> dict[str, Any]:
    # The decoder is a program of its own, which wants a file with a name, and opens nothing that names other files.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "video")
        with path.open("wb") as file:
            shutil.copyfileobj(upload.file, file, 1024 * 1024)
        try:
            return engine.look_through(path, fps, least)
        except guarita.GuaritaError as error:
            # Where it lay is no business of the client's.
            words = str(error).replace(str(path), "the video")
            raise type(error)(words, advice=error.advice, context=error.context) from error
