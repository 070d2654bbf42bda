"""What all suites need: from data of a case to objects of guarita, and back."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

import guarita

Json = Any
#: What a case asks for, or a step of one.
Case = dict[str, Any]


def tried(run: Callable[[Case], Json], case: Case) -> Json:
    """What it answers; an error is an answer too."""
    try:
        return run(case)
    except guarita.GuaritaError as error:
        return {"error": error_json(error)}


def error_json(error: guarita.GuaritaError) -> Json:
    assert type(error) is getattr(guarita, error.code), f"{type(error)} is not the class of {error.code}"
    return {"code": error.code, "number": error.number, "advice": error.advice, "message": str(error), **error.context}


def told(case: Case) -> guarita.GuaritaError:
    """An error as a case describes it: a code, and an advice where it is not the usual one."""
    kind: type[guarita.GuaritaError] = getattr(guarita, case["code"])
    return kind("as told", advice=case.get("advice"))


def taken(told: list[Any]) -> list[Any]:
    """What was told since the last time."""
    news, told[:] = told[:], []
    return news


def damaged(kept: bytes, step: Case) -> bytes:
    """Bytes that were kept, as a step says that they came back."""
    middle = len(kept) // 2
    flipped = kept[:middle] + bytes([kept[middle] ^ 1]) + kept[middle + 1 :]
    return {None: kept, "cut": kept[:middle], "flip": flipped, "empty": b""}[step.get("damage")]


def detection(case: Case) -> guarita.Detection:
    return guarita.Detection(case["xyxy"], case["label"], case["confidence"], class_id=case.get("class_id", 0))


def contents(file: str) -> bytes:
    return pathlib.Path(file).read_bytes()


def frame(picture: Case) -> guarita.Frame:
    if "encoded" in picture:
        return guarita.Frame(contents(picture["encoded"]))
    pixels: Any = np.ndarray(picture["shape"], np.uint8, contents(picture["raw"]), strides=picture["strides"])
    return guarita.Frame(pixels, format=picture["format"], pts=picture.get("pts"))
