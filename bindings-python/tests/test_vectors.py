"""Answers the cases that all languages share, core/tests/vectors/*.json, through the public API; its README says how they are
written. Whether the answers are right is said by the judge of all languages, core/tests/judge.rs.

The answers are written to `python.jsonl` in the folder that the variable `GUARITA_ANSWERS` names.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

import guarita
from vectors import machines, plain, stage
from vectors.common import error_json
from vectors.pictures import PREPARED

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
LINES: list[str] = []


def cases(suite: str) -> list[dict[str, Any]]:
    file = PREPARED / f"{suite}.json"
    if not file.exists():
        how = "cargo test --workspace --all-features --test vectors draws the pictures of the cases"
        pytest.skip(f"no {file}: {how}", allow_module_level=True)
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["cases"]
    return found


@pytest.mark.parametrize(
    ("suite", "case"),
    [pytest.param(suite, case, id=f"{suite}/{case['name']}") for suite in SUITES for case in cases(suite)],
)
def test_case(suite: str, case: dict[str, Any]) -> None:
    said: dict[str, Any]
    try:
        said = {"answer": SUITES[suite](case["input"])}
    except guarita.GuaritaError as error:
        said = {"error": error_json(error)}
    LINES.append(json.dumps({"suite": suite, "case": case["name"], **said}))


def test_the_answers_are_written() -> None:
    print(f"vectors: {len(LINES)} cases in {len(SUITES)} suites")
    assert LINES
    if folder := os.environ.get("GUARITA_ANSWERS"):
        pathlib.Path(folder, "python.jsonl").write_text("\n".join(LINES) + "\n", encoding="utf-8")
