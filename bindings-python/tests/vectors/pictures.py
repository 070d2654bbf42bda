"""Pictures as data: core/tests/vectors/README.md says what the generators draw."""

from __future__ import annotations

import base64
import pathlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

import guarita

#: Paths in cases begin here.
DATA = pathlib.Path(__file__).resolve().parents[3] / "core" / "tests" / "vectors"
CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4}


def frame(picture: dict[str, Any], turn: int = 0, **options: Any) -> guarita.Frame:
    """A picture of either kind."""
    if is_encoded(picture):
        return guarita.Frame(encoded(picture), **options)
    return guarita.Frame(drawn(picture, turn), format=picture.get("format", "gray8"), **options)


def shown(picture: dict[str, Any], turn: int) -> guarita.Frame | bytes:
    """As a camera gives it: encoded pictures are decoded by whoever looks at them."""
    return encoded(picture) if is_encoded(picture) else frame(picture, turn)


def is_encoded(picture: dict[str, Any]) -> bool:
    return "file" in picture or "encoded_base64" in picture


def encoded(picture: dict[str, Any]) -> bytes:
    """The bytes of a file, or as they stand in the case; perhaps cut off."""
    if "file" in picture:
        data = (DATA / picture["file"]).read_bytes()
    else:
        data = base64.b64decode(picture["encoded_base64"], validate=True)
    return data[: picture.get("cut")]


def drawn(picture: dict[str, Any], turn: int) -> NDArray[np.uint8]:
    """Draws a picture; the seed of its noise is moved on by `turn`."""
    width, height, form = picture["width"], picture["height"], picture.get("format", "gray8")
    channels = CHANNELS.get(form, 1)
    pixels = np.zeros((height, width, channels), np.uint8)
    pattern = picture["pattern"]
    if pattern == "flat":
        pixels[:] = picture["value"]
    elif pattern == "gradient":
        y, x, c = np.indices(pixels.shape)
        pixels[:] = (3 * x + 5 * y + 40 * c) % 256
    elif pattern == "blocks":
        pixels[:] = picture["background"]
        for left, top, wide, high, level in picture.get("blocks", ()):
            pixels[top : top + high, left : left + wide] = level
    elif pattern == "planes":
        luma, u, v = picture["value"]
        chroma = np.full(width * height // 4, u, np.uint8), np.full(width * height // 4, v, np.uint8)
        planes = np.stack(chroma, axis=1) if form == "nv12" else np.stack(chroma)
        pixels = np.concatenate([np.full(width * height, luma, np.uint8), planes.reshape(-1)])
        pixels = pixels.reshape(height * 3 // 2, width, 1)
    else:
        raise ValueError(f"no pattern {pattern}")
    if "noise" in picture:
        pixels = noisy(pixels, picture["noise"]["seed"] + turn, picture["noise"]["levels"])
    return pixels if channels > 1 else pixels[:, :, 0]


def noisy(pixels: NDArray[np.uint8], seed: int, levels: int) -> NDArray[np.uint8]:
    state, noise = seed, []
    for _ in range(pixels.size):
        state = (state * 1664525 + 1013904223) % 2**32
        noise.append((state >> 16) % levels)
    sums = pixels.reshape(-1) + np.array(noise, np.uint32)
    return np.minimum(sums, 255).astype(np.uint8).reshape(pixels.shape)


def pixel(frame: guarita.Frame, x: int, y: int) -> list[int]:
    """The channels of a pixel of a packed format."""
    return [int(level) for level in np.atleast_1d(frame.numpy()[y, x])]
