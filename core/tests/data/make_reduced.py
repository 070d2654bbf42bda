#!/usr/bin/env python3
"""Makes what tests/reduced.rs compares with, by OpenCV's libjpeg-turbo: `pip install opencv-python-headless`, then run it
here as `make_reduced.py ASSETS`.

NAME.reduced is NAME.jpg in gray at its size, 1/2, 1/4 and 1/8, one after the other. tall_chroma.jpg and wide_chroma.jpg
are the picture of make_pictures.py with chroma halved downwards and quartered across. reduced_assets.json has, for some
pictures of the assets and each scale, the means of 12 x 9 cells of OpenCV's picture, times 100.
"""

import json
import pathlib
import sys

import cv2
import numpy as np

HERE = pathlib.Path(__file__).parent
SCALES = {
    1: cv2.IMREAD_GRAYSCALE,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
NAMES = "baseline full_chroma half_chroma tall_chroma wide_chroma progressive restarts gray gray_progressive orientation6"


def reduced(path: pathlib.Path) -> dict[int, np.ndarray]:
    return {by: cv2.imread(str(path), flag | cv2.IMREAD_IGNORE_ORIENTATION) for by, flag in SCALES.items()}


def cells(picture: np.ndarray) -> list[int]:
    height, width = picture.shape
    ys, xs = [k * height // 9 for k in range(10)], [k * width // 12 for k in range(13)]
    return [
        round(100 * float(picture[ys[j] : ys[j + 1], xs[i] : xs[i + 1]].mean())) for j in range(9) for i in range(12)
    ]


def main() -> None:
    picture = np.fromfile(HERE / "picture.rgb", np.uint8).reshape(37, 45, 3)[:, :, ::-1]
    for name, sampling in {
        "tall_chroma": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440,
        "wide_chroma": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411,
    }.items():
        flags = [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
        cv2.imwrite(str(HERE / f"{name}.jpg"), picture, flags)
    for name in NAMES.split():
        pictures = reduced(HERE / f"{name}.jpg").values()
        (HERE / f"{name}.reduced").write_bytes(b"".join(picture.tobytes() for picture in pictures))
    images = pathlib.Path(sys.argv[1]) / "images"
    paths = [images / "bus.jpg", images / "zidane.jpg", *sorted(images.glob("coco64/images/*.jpg"))[:8]]
    found = [
        {"path": str(path.relative_to(images)), "by": by, "size": picture.shape[::-1], "cells": cells(picture)}
        for path in paths
        for by, picture in reduced(path).items()
        if by > 1
    ]
    lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in found)
    (HERE / "reduced_assets.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
