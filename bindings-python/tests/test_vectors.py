"""The cases that all languages share, core/tests/vectors/*.json, through the public API; its README says how they are written.

Where the variable `GUARITA_VECTORS_COUNT` names a file, the numbers of cases that ran are written there, as JSON: every
language must have run as many.
"""

from __future__ import annotations

import collections
import json
import math
import os
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

import guarita
from vectors import compare, machines, plain, stage
from vectors.common import error_json
from vectors.pictures import DATA

SUITES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "config": plain.config,
    "errors": plain.errors,
    "geometry": plain.geometry,
    "frame": plain.frame,
    "model": plain.model,
    "detector": plain.detector,
    "motion": machines.motion,
    "breaker": machines.breaker,
    "retry": machines.retry,
    "budget": machines.budget,
    "triggers": machines.triggers,
    "pipeline": stage.pipeline,
    "replay": stage.replay,
}
CASES: dict[str, list[dict[str, Any]]] = {
    suite: json.loads((DATA / f"{suite}.json").read_text(encoding="utf-8"))["cases"] for suite in SUITES
}
RAN: collections.Counter[str] = collections.Counter()
#: Expectations that were changed, and found to be wrong.
CHANGED: collections.Counter[str] = collections.Counter()


def faults(case: dict[str, Any], answer: Any, error: Any) -> list[str]:
    """What is wrong with what a case led to."""
    tolerance = case.get("tolerance", compare.TOLERANCE)
    if ("expect" in case) == ("error" in case):
        return ["a case has either expect or error"]
    if "error" in case:
        return compare.values(case["error"], error, tolerance) if error else [f"no error, but {answer!r}"]
    if error:
        return [f"an error: {error}"]
    if "steps" in case["input"] and isinstance(answer, list):
        return compare.steps(case["expect"], answer, tolerance)
    return compare.values(case["expect"], answer, tolerance)


@pytest.mark.parametrize(
    ("suite", "case"),
    [pytest.param(suite, case, id=f"{suite}/{case['name']}") for suite in SUITES for case in CASES[suite]],
)
def test_case(suite: str, case: dict[str, Any]) -> None:
    assert case.keys() <= {"name", "why", "input", "expect", "error", "tolerance"}
    RAN[suite] += 1
    answer, error = None, None
    try:
        # As data, which has no tuples, and nothing of NumPy's.
        answer = json.loads(json.dumps(SUITES[suite](case["input"])))
    except guarita.GuaritaError as raised:
        error = error_json(raised)
    assert not faults(case, answer, error), case["why"]
    # Each number, word and truth of what is expected matters.
    expected = "expect" if "expect" in case else "error"
    for leaf in compare.leaves(case[expected], (expected,)):
        other = compare.changed(case, leaf)
        assert faults(other, answer, error), f"{leaf} can be {other}"
        CHANGED[suite] += 1


def test_every_case_ran() -> None:
    there = {suite: len(cases) for suite, cases in CASES.items()}
    for suite in SUITES:
        print(f"vectors: {suite} {RAN[suite]} cases")
    print(f"vectors: {RAN.total()} cases in {len(RAN)} suites")
    print(f"vectors: {CHANGED.total()} wrong expectations were found to be wrong")
    if path := os.environ.get("GUARITA_VECTORS_COUNT"):
        pathlib.Path(path).write_text(json.dumps(dict(sorted(RAN.items())), separators=(",", ":")), encoding="utf-8")
    assert RAN == there
    assert min(there.values()) >= 8, "a suite smaller than this has lost its cases"
    assert all(len({case["name"] for case in cases}) == len(cases) for cases in CASES.values())


def test_every_file_is_a_suite() -> None:
    assert {path.name for path in DATA.iterdir()} == {f"{suite}.json" for suite in SUITES} | {"README.md", "api.json", "schema.json"}


@pytest.mark.parametrize(
    ("expected", "got", "right"),
    [
        (1, 1.0000009, True),
        (1, 1.0000011, False),
        (1, True, False),
        (True, 1, False),
        (True, True, True),
        (0, math.nan, False),
        (0, None, False),
        (None, 0, False),
        (None, None, True),
        ("a", "a", True),
        ("a", "b", False),
        ([], [], True),
        ([1, 2], [1, 2, 3], False),
        ([1, [2]], [1, [2]], True),
        ({}, {"more": 1}, True),
        ({"a": None}, {}, False),
        ({"a": {"b": [1]}}, {"a": {"b": [2]}}, False),
        ({"a": 1}, 1, False),
        ({"min": 1, "max": 2}, 2, True),
        ({"min": 1, "max": 2}, 2.1, False),
        ({"min": 1}, 0.9, False),
        ({"min": 1}, math.nan, False),
        ({"mentions": ["one", "two"]}, {"message": "two, one"}, True),
        ({"mentions": ["one", "two"]}, {"message": "two"}, False),
        ({"mentions": ["one"]}, {}, False),
    ],
)
def test_compare(expected: Any, got: Any, right: bool) -> None:
    assert (compare.values(expected, got) == []) == right
    assert (compare.steps([None, expected], ["any", got]) == []) == (right or expected is None)


def test_compare_steps() -> None:
    assert compare.steps([1], [1, 2]) and compare.steps({}, [1]) and not compare.steps([], [])
