"""Pictures of the cases, from the files that core/tests/vectors.rs has drawn."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import numpy as np

import guarita

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
#: Paths in cases begin here.
DATA = REPOSITORY / "core" / "tests" / "vectors"
#: The same suites with their pictures drawn.
PREPARED = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "tmp" / "vectors"
CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4}


def frame(picture: dict[str, Any], turn: int = 0, **options: Any) -> guarita.Frame:
    """A picture of either kind, as it is in this turn of a step."""
    if "encoded" in picture:
        return guarita.Frame(encoded(picture), **options)
    width, height, form = picture["width"], picture["height"], picture["format"]
    rows = height * 3 // 2 if form in ("nv12", "i420") else height
    # What has no noise is the same in every turn.
    data = (PREPARED / picture["raw"][min(turn, len(picture["raw"]) - 1)]).read_bytes()
    shape = (rows, width, CHANNELS[form]) if form in CHANNELS else (rows, width)
    return guarita.Frame(np.frombuffer(data, np.uint8).reshape(shape), format=form, **options)


def shown(picture: dict[str, Any], turn: int) -> guarita.Frame | bytes:
    """As a camera gives it: encoded pictures are decoded by whoever looks at them."""
    return encoded(picture) if "encoded" in picture else frame(picture, turn)


def encoded(picture: dict[str, Any]) -> bytes:
    return pathlib.Path(PREPARED, picture["encoded"]).read_bytes()


def pixel(frame: guarita.Frame, x: int, y: int) -> list[int]:
    """The channels of a pixel of a packed format."""
    return [int(level) for level in np.atleast_1d(frame.numpy()[y, x])]
