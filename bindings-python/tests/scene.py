"""A scene whose objects the tests decide: a tiny model finds one plate, as surely as the picture is red."""

from __future__ import annotations

import datetime
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import guarita

#: Long enough for a machine that does much else.
PATIENCE = 30.0
SIZE = (96, 96)
SEEN = {"name": "seen", "when": {"present": {"classes": ["plate"]}}, "cooldown_s": 0}


def picture(red: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    pixels = np.zeros((96, 96, 3), np.uint8)
    pixels[..., 0] = red
    pixels.flags.writeable = False
    return pixels


PLATE = picture(255)
NOTHING = picture(0)
#: Every frame is looked at, none waits for others, and one sight is enough.
PLAIN: dict[str, Any] = {
    "fps": 0,
    "motion": False,
    "queue": {"capacity": 1024, "max_age_s": 3600},
    "confirmation": {"k": 1, "n": 1},
    "cache": {"capacity": 0},
    "triggers": [SEEN],
}


def push_plates(camera: guarita.Camera, count: int, begin: float = 0.0) -> None:
    """So many events: a plate comes, and goes."""
    for k in range(count):
        for part, image in ((0.0, PLATE), (0.5, NOTHING)):
            assert camera.push(image, pts=begin + k + part)


def until(holds: Callable[[], object], what: str = "it") -> None:
    """Waits until it holds; for what no event tells of."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"{what} did not come about in {PATIENCE} s"
        time.sleep(0.005)


def outlet(pipeline: guarita.Pipeline, name: str) -> dict[str, Any]:
    return next(one for one in pipeline.stats().outlets if one["name"] == name)


def plain(value: Any) -> Any:
    """A property as `to_dict` says it."""
    if isinstance(value, datetime.datetime):
        return int(value.timestamp())
    if isinstance(value, (list, guarita.BoundingBox)):
        return [plain(one) for one in value]
    return value.to_dict() if hasattr(value, "to_dict") else value


def is_plain_data(part: Any) -> bool:
    """Whether `to_dict` of a value says what its properties say, nothing more and nothing less."""
    told, names = part.to_dict(), [name for name in vars(type(part)) if not name.startswith("_")]
    said = {name: plain(getattr(part, name)) for name in names if not callable(getattr(part, name))}
    # A float of 32 bits is the shortest number there that it can stand for.
    floats = [name for name, value in said.items() if isinstance(value, float)]
    near = [math.isclose(told.pop(name), said.pop(name), rel_tol=1e-6) for name in floats]
    return told == said and all(near)
