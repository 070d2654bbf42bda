#!/usr/bin/env python3
"""Prints the table of core/tests/resize.rs: what OpenCV makes of the same noise. Needs opencv-python-headless.

usage: make_resize_hashes.py
"""

import hashlib

import cv2
import numpy as np


def noise(count: int) -> np.ndarray:
    """The bytes of `noise` in resize.rs: the high bits of a 64-bit linear congruential generator."""
    state, out = 1, bytearray(count)
    for k in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        out[k] = state >> 56
    return np.frombuffer(bytes(out), np.uint8)


def letterbox(image: np.ndarray, side: int) -> np.ndarray:
    height, width = image.shape[:2]
    gain = min(side / width, side / height)
    size = (round(width * gain), round(height * gain))
    dw, dh = (side - size[0]) / 2, (side - size[1]) / 2
    image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    borders = round(dh - 0.1), round(dh + 0.1), round(dw - 0.1), round(dw + 0.1)
    return cv2.copyMakeBorder(image, *borders, cv2.BORDER_CONSTANT, value=(114,) * 3)


for width, height in [(192, 108), (81, 108), (64, 64), (33, 57), (200, 3), (128, 96), (7, 5), (97, 64)]:
    rgb = noise(width * height * 3).reshape(height, width, 3)
    nv12 = noise(width * (height + height // 2) + 2 * width)[: width * (height // 2 * 3)]
    boxed = hashlib.sha256(letterbox(rgb, 64).tobytes()).hexdigest()[:16]
    stretched = hashlib.sha256(cv2.resize(rgb, (50, 40), interpolation=cv2.INTER_LINEAR).tobytes()).hexdigest()[:16]
    converted = ""
    if width % 2 == 0 and height % 2 == 0:
        image = cv2.cvtColor(nv12.reshape(height // 2 * 3, width), cv2.COLOR_YUV2RGB_NV12)
        converted = hashlib.sha256(cv2.resize(image, (50, 40), interpolation=cv2.INTER_LINEAR).tobytes()).hexdigest()[:16]
    print(f'    ({width}, {height}, "{boxed}", "{stretched}", "{converted}"),')
