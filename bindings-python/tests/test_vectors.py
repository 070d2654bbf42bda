"""Answers the cases that all languages share, core/tests/vectors/*.json, through the public API; its README says how they are
written. Whether the answers are right is said by the judge of all languages, core/tests/judge.rs.

The answers are written to `python.jsonl` in the folder that the variable `GUARITA_ANSWERS` names.
"""

from __future__ import annotations

import json
import os
import pathlib

import pytest

from vectors.calls import CALLS
from vectors.common import Case, Json, tried
from vectors.machines import MACHINES

TARGET = os.environ.get("CARGO_TARGET_DIR", pathlib.Path(__file__).parents[2] / "target")
#: The cases as core/tests/vectors.rs has written them out for all runners.
FILE = pathlib.Path(TARGET, "tmp", "vectors", "cases.json")
if not FILE.exists():
    how = "cargo test --workspace --all-features --test vectors writes it"
    pytest.skip(f"no {FILE}: {how}", allow_module_level=True)
CASES: list[Case] = json.loads(FILE.read_text(encoding="utf-8"))
LINES: list[str] = []


def answer(asked: Case) -> Json:
    if "steps" not in asked:
        return CALLS[asked["op"]](asked)
    run = MACHINES[asked["machine"]](asked)
    return [tried(run, step) for step in asked["steps"]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['suite']}/{case['case']}")
def test_case(case: Case) -> None:
    said = tried(answer, case["input"])
    LINES.append(json.dumps({"suite": case["suite"], "case": case["case"], "answer": said}))


def test_the_answers_are_written() -> None:
    assert LINES
    if folder := os.environ.get("GUARITA_ANSWERS"):
        pathlib.Path(folder, "python.jsonl").write_text("\n".join(LINES) + "\n", encoding="utf-8")
