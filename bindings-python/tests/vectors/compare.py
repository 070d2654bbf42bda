"""Whether an answer is what a case expects: the rules of core/tests/vectors/README.md."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

#: How far numbers may lie apart where a case does not say.
TOLERANCE = 1e-6
RANGE = {"min", "max"}


def values(expected: Any, got: Any, tolerance: float = TOLERANCE, path: str = "") -> list[str]:
    """What is wrong with an answer; nothing where all is well."""
    wrong = [f"{path}: {got!r}, not {expected!r}"]
    if isinstance(expected, dict) and expected and expected.keys() <= RANGE and is_number(got):
        return [] if expected.get("min", -math.inf) <= got <= expected.get("max", math.inf) else wrong
    if isinstance(expected, dict) and isinstance(got, dict):
        faults = []
        for key, wanted in expected.items():
            if key == "mentions":
                message = got.get("message", "")
                faults += [f"{path}.{key}: no {word!r} in {message!r}" for word in wanted if word not in message]
            elif key in got:
                faults += values(wanted, got[key], tolerance, f"{path}.{key}")
            else:
                faults.append(f"{path}.{key} is missing in {got!r}")
        return faults
    if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        pairs = enumerate(zip(expected, got))
        return [fault for at, (one, other) in pairs for fault in values(one, other, tolerance, f"{path}[{at}]")]
    if is_number(expected) and is_number(got):
        # Not a number is never near.
        return [] if abs(expected - got) <= tolerance else wrong
    return [] if type(expected) is type(got) and expected == got and not isinstance(expected, list) else wrong


def steps(expected: Any, got: list[Any], tolerance: float = TOLERANCE) -> list[str]:
    """The same for the answers to steps: where null is expected of one, it is not looked at."""
    if not isinstance(expected, list) or len(expected) != len(got):
        return [f"{len(got)} steps, and {expected!r} is expected"]
    pairs = [(at, one, other) for at, (one, other) in enumerate(zip(expected, got)) if one is not None]
    return [fault for at, one, other in pairs for fault in values(one, other, tolerance, f"[{at}]")]


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the numbers, words and truths of an expectation are."""
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    elif value is not None:
        yield path


def changed(value: Any, path: tuple[Any, ...]) -> Any:
    """A copy in which the leaf at this place is another one of its kind, far away."""
    if not path:
        if isinstance(value, bool):
            return not value
        return value + 1e6 if is_number(value) else f"{value} not"
    anew = copy.copy(value)
    # The upper end of a range must come down.
    anew[path[0]] = value["max"] - 1e6 if path == ("max",) else changed(value[path[0]], path[1:])
    return anew
