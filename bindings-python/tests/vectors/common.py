"""What all suites need: from data of a case to objects of guarita, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import guarita

Json = Any
Step = dict[str, Any]


def codes() -> list[type[guarita.GuaritaError]]:
    """The classes of all codes, in the order of their numbers."""
    classes = [kind for name in guarita.__all__ if isinstance(kind := getattr(guarita, name), type)]
    errors = [kind for kind in classes if issubclass(kind, guarita.GuaritaError) and kind is not guarita.GuaritaError]
    return sorted(errors, key=lambda kind: kind.number)


def told(case: dict[str, Any]) -> guarita.GuaritaError:
    """An error as a case describes it: a code, and an advice where it is not the usual one."""
    kind: type[guarita.GuaritaError] = getattr(guarita, case["code"])
    return kind("as told", advice=case.get("advice"))


def error_json(error: guarita.GuaritaError) -> Json:
    assert type(error) is getattr(guarita, error.code), f"{type(error)} is not the class of {error.code}"
    about = {"field": error.field, "tensor": error.tensor, "limit": error.limit}
    return {"code": error.code, "number": error.number, "advice": error.advice, "message": str(error), **about}


def each_step(case: dict[str, Any], run: Callable[[Step], Json]) -> list[Json]:
    """The answers to all steps; an error of a step stands in its place."""
    answers = []
    for step in case["steps"]:
        try:
            answers.append(run(step))
        except guarita.GuaritaError as error:
            answers.append({"error": error_json(error)})
    return answers


def times(step: Step) -> Iterator[tuple[int, float]]:
    """The times of a step: `at_s`, and where it is to be done several times, `repeat` times, `every_s` apart."""
    return ((turn, step["at_s"] + turn * step.get("every_s", 0)) for turn in range(step.get("repeat", 1)))


def damaged(kept: bytes, step: Step) -> bytes:
    """Bytes that were kept, as a step says that they came back."""
    middle = len(kept) // 2
    flipped = kept[:middle] + bytes([kept[middle] ^ 1]) + kept[middle + 1 :]
    return {None: kept, "cut": kept[:middle], "flip": flipped, "empty": b""}[step.get("damage")]


def detection(case: dict[str, Any]) -> guarita.Detection:
    return guarita.Detection(case["xyxy"], case["label"], case["confidence"], class_id=case.get("class_id", 0))


def detection_json(found: guarita.Detection) -> Json:
    return {
        "label": found.label,
        "class_id": found.class_id,
        "confidence": found.confidence,
        "xyxy": found.bbox.xyxy,
    }


def object_json(one: guarita.Object) -> Json:
    own = {"id": one.id, "sightings": one.sightings, "since_s": one.since}
    return {**detection_json(one.detection), **own}
