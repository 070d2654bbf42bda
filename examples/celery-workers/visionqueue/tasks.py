"""The workers' side: `celery -A visionqueue.tasks worker -Q detection` and `-Q ocr`."""

from __future__ import annotations

import base64
import functools
import io
import os
import sqlite3
from collections.abc import Callable
from typing import Any, NoReturn

import guarita
from celery import Task
from celery.exceptions import Reject, Retry
from celery.signals import worker_process_init
from celery.utils.log import get_task_logger
from celery.utils.time import get_exponential_backoff_interval
from PIL import Image

from . import ocr as readers, settings
from .app import app, send
from .store import Store

log = get_task_logger(__name__)

# A model that cannot be read ends the worker here, in sight of whoever starts it, and not in the log of each frame.
SPEC = guarita.ModelSpec.read(settings.MODEL)


@functools.cache
def detector() -> guarita.Detector:
    """The detector of this process. One made before the fork would work as well: it opens its model again in the child."""
    return guarita.Detector(SPEC, min_confidence=settings.CONFIDENCE)


@functools.cache
def store() -> Store:
    """The results, as this process has them open."""
    return Store(settings.RESULTS_DB)


@worker_process_init.connect
def open_early(**_: Any) -> None:
    """Opens the model when the process starts, so that the first frame does not wait for it."""
    detector()
    store()


def guarded(work: Callable[..., None]) -> Callable[..., None]:
    """Whatever goes wrong in a task, its frame is tried again later or ends in the dead letters."""

    @functools.wraps(work)
    def run(task: Task[Any, Any], **message: Any) -> None:
        try:
            if (task.request.delivery_info or {}).get("redelivered"):
                # It was begun before, and the worker died. Often that was not the frame's fault.
                count = store().count_redelivery(str(task.request.id))
                if count > settings.MAX_REDELIVERIES:
                    raise Reject(f"workers died over it {count} times", requeue=False)
            work(task, **message)
        except (Reject, Retry):
            raise
        except Exception as error:
            settle(task, error)

    return run


def settle(task: Task[Any, Any], error: Exception) -> NoReturn:
    """Ends a try that failed. The error itself does not leave the task: Celery's worker ends on any `MemoryError`, and so
    on guarita's `ResourceExhausted`."""
    later = isinstance(error, sqlite3.OperationalError)
    wait = None
    if isinstance(error, guarita.GuaritaError):
        later = error.advice == "RetryLater"
        wait = error.context.get("retry_after_s")
    why = f"{type(error).__name__}: {error}"
    if later and task.request.retries < settings.MAX_RETRIES:
        if wait is None:
            wait = (
                settings.RETRY_BASE_S
                * get_exponential_backoff_interval(1000, task.request.retries, 60_000, True)
                / 1000
            )
        # As a task of its own: this one is acknowledged when the broker has that one on disk.
        raise task.retry(countdown=wait, exc=RuntimeError(why), max_retries=None)
    log.error("%s goes to the dead letters after %d tries: %s", task.request.id, task.request.retries + 1, why)
    raise Reject(why, requeue=False)


@app.task(name="visionqueue.detect", bind=True)
@guarded
def detect(task: Task[Any, Any], *, event_id: str, camera: str, pts: float, jpeg: str) -> None:
    """Looks at a frame, stores what is there, and sends what is to be read on to the queue `ocr`."""
    picture = base64.b64decode(jpeg, validate=True)
    found = detector().detect(picture)
    store().add_frame(event_id, camera, pts, [detection.to_dict() for detection in found], os.getpid())
    # Also where it was stored before: the worker may have died between storing and sending.
    for number, detection in enumerate(found):
        if detection.label in settings.OCR_LABELS:
            crop = base64.b64encode(cut(picture, detection.bbox.xyxy)).decode()
            priority = (task.request.delivery_info or {}).get("priority") or 0
            send("ocr", priority=priority, event_id=event_id, number=number, label=detection.label, jpeg=crop)


@app.task(name="visionqueue.ocr", bind=True)
@guarded
def ocr(_task: Task[Any, Any], *, event_id: str, number: int, label: str, jpeg: str) -> None:
    """Reads what is written on a detection, and stores the lines."""
    reader = readers.reader()
    if reader is None:
        log.warning("%s %s: nothing is read or stored, since OCR_READER names no reader", event_id, label)
        return
    store().add_text(event_id, number, label, reader(base64.b64decode(jpeg, validate=True)))


def cut(jpeg: bytes, box: tuple[float, float, float, float]) -> bytes:
    """The part of a picture inside the box and an eighth around it."""
    with Image.open(io.BytesIO(jpeg)) as picture:
        x1, y1, x2, y2 = box
        margin_x, margin_y = (x2 - x1) / 8, (y2 - y1) / 8
        part = picture.crop(
            (
                max(0, int(x1 - margin_x)),
                max(0, int(y1 - margin_y)),
                min(picture.width, int(x2 + margin_x) + 1),
                min(picture.height, int(y2 + margin_y) + 1),
            )
        )
        out = io.BytesIO()
        part.convert("RGB").save(out, "JPEG", quality=92)
        return out.getvalue()
