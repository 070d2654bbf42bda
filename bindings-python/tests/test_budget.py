"""Money that cannot run away."""

from __future__ import annotations

import gc
import json
import os
import pathlib
import subprocess
import sys
import threading
from typing import Any

import pytest

import guarita
from test_motion import in_a_fork
from test_resilience import Raised, unraisable

__all__ = ["unraisable"]

LABELS = "rekognition:DetectLabels"
NOON = (100.0, 1_767_355_200.0)


def spent(budget: guarita.Budget) -> dict[str, Any]:
    today: dict[str, Any] = budget.report(NOON)["today"]
    return today


def test_money_is_set_aside_and_spent_or_given_back() -> None:
    budget = guarita.Budget(total={"per_day": 2_500})
    first = budget.reserve(LABELS, camera="gate", now=NOON)
    second = budget.reserve(LABELS, camera="gate", now=NOON)
    assert (first.amount, spent(budget)["reserved"]) == (1_000, 2_000)
    with pytest.raises(guarita.BudgetExhausted, match="total per day") as caught:
        budget.reserve(LABELS, now=NOON)
    assert caught.value.advice == "RetryLater"
    assert first.commit(now=NOON) == 1_000
    second.release(now=NOON)
    assert (spent(budget)["spent"], spent(budget)["reserved"], spent(budget)["images"]) == (1_000, 0, 1)
    for again in (first.commit, first.release):
        with pytest.raises(guarita.InvalidState, match="settled"):
            again()
    with pytest.raises(guarita.BudgetExhausted) as caught:
        budget.reserve(LABELS, images=3, now=NOON)
    assert caught.value.advice == "ChangeConfig", "alone it is more than the cap"
    assert budget.estimate(LABELS, images=3, now=NOON) == 3_000
    assert "settled" in repr(first) and "$0.001" in repr(first)
    assert "$" in repr(budget)


def test_only_some_of_the_images() -> None:
    budget = guarita.Budget()
    assert budget.reserve(LABELS, images=5, now=NOON).commit(images=2, now=NOON) == 2_000
    assert spent(budget)["images"] == 2


def test_a_block_that_ends_is_paid_and_one_that_breaks_off_may_have_been() -> None:
    budget = guarita.Budget(clock=guarita.ManualClock(NOON[1]))
    with budget.reserve(LABELS):
        pass
    assert (spent(budget)["spent"], spent(budget)["unknown"], spent(budget)["images"]) == (1_000, 0, 1)
    error = TimeoutError("no answer")
    with pytest.raises(TimeoutError) as caught:
        with budget.reserve(LABELS):
            raise error
    assert caught.value is error
    assert (spent(budget)["spent"], spent(budget)["unknown"], spent(budget)["images"]) == (2_000, 1_000, 1)
    with pytest.raises(ValueError):
        with budget.reserve(LABELS) as reservation:
            reservation.release()
            raise ValueError("it never went")
    with budget.reserve(LABELS, images=3) as reservation:
        reservation.commit(images=1)
    assert (spent(budget)["spent"], spent(budget)["unknown"], spent(budget)["reserved"]) == (3_000, 1_000, 0)


def test_one_that_is_let_go_counts_as_spent() -> None:
    budget = guarita.Budget()
    reservation = budget.reserve(LABELS, now=NOON)
    del reservation
    gc.collect()
    assert (spent(budget)["spent"], spent(budget)["unknown"], spent(budget)["reserved"]) == (1_000, 1_000, 0)


def test_who_is_charged_and_what_was_saved() -> None:
    budget = guarita.Budget(camera={"default": {"per_day": 1_000}, "named": {"gate": {"per_day": 5_000}}})
    for _ in range(2):
        budget.reserve(LABELS, camera="gate", tenant="port", now=NOON).commit(now=NOON)
    budget.reserve(LABELS, camera="yard", now=NOON).commit(now=NOON)
    with pytest.raises(guarita.BudgetExhausted, match="yard"):
        budget.reserve(LABELS, camera="yard", now=NOON)
    budget.saved(LABELS, "gate", camera="yard", images=7, now=NOON)
    budget.saved(LABELS, "cache", now=NOON)
    report = budget.report(NOON)
    assert {key["name"]: key["today"]["spent"] for key in report["cameras"]} == {"": 0, "gate": 2_000, "yard": 1_000}
    assert (report["today"]["saved_by_gate"], report["today"]["saved_by_cache"]) == (7_000, 1_000)
    assert report["date"] == "2026-01-02"
    assert json.loads(json.dumps(report)) == report
    caps = {json.dumps(cap["cap"]["scope"]): cap["remaining"] for cap in report["caps"]}
    assert caps['{"camera": "yard"}'] == 0 and caps['{"camera": "gate"}'] == 3_000


def test_a_listener_hears_of_each_cap_once(unraisable: Raised) -> None:
    told: list[dict[str, Any]] = []

    def listener(event: dict[str, Any]) -> None:
        told.append(event)
        assert budget.report(NOON)["reservations"] >= 0, "it may ask for a report"
        raise RuntimeError("on purpose")

    budget = guarita.Budget(total={"per_day": 2_000}, warn_at=0.5, listener=listener)
    for _ in range(2):
        budget.reserve(LABELS, now=NOON).commit(now=NOON)
    for _ in range(2):
        with pytest.raises(guarita.BudgetExhausted):
            budget.reserve(LABELS, now=NOON)
    assert [(event["event"], event["used"], event["limit"]) for event in told] == [
        ("warning", 1_000, 2_000),
        ("exhausted", 2_000, 2_000),
    ]
    assert told[0]["cap"] == {"scope": "total", "period": "day"} and "total per day" in told[0]["message"]
    assert len(unraisable.seen) == 2


def test_threads_never_spend_more_than_the_cap() -> None:
    told: list[Any] = []
    budget = guarita.Budget(total={"per_day": 50_000}, listener=told.append)
    bought: list[int] = []

    def work() -> None:
        for _ in range(100):
            try:
                with budget.reserve(LABELS) as reservation:
                    bought.append(reservation.amount)
            except guarita.BudgetExhausted:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(bought) == 50 and budget.report()["today"]["spent"] == 50_000
    # Each once, from the thread that brought it about: which of two is told first, nobody says.
    assert sorted(event["event"] for event in told) == ["exhausted", "warning"]


def test_a_journal_outlives_the_process(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "budget"
    program = f"""
import guarita, os, sys
budget = guarita.Budget(journal={str(path)!r}, journal_options={{"fsync": "always"}})
budget.reserve({LABELS!r}, camera="gate").commit()
under_way = budget.reserve({LABELS!r}, camera="gate")
print("ready", flush=True)
sys.stdin.read()
os._exit(9)
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    with pytest.raises(guarita.InvalidState, match="open"):
        guarita.Budget(journal=path)
    child.communicate(timeout=60)
    budget = guarita.Budget(journal=path)
    today = budget.report()["today"]
    assert (today["spent"], today["unknown"]) == (2_000, 1_000)
    budget.sync()
    del budget
    gc.collect()
    guarita.Budget(journal=str(path))
    damaged = tmp_path / "damaged"
    damaged.write_bytes(path.read_bytes()[:20] + b"\xff" * 40)
    with pytest.raises(guarita.DataCorrupt):
        guarita.Budget(journal=damaged)
    with pytest.raises(guarita.NotFound):
        guarita.Budget(journal=tmp_path / "nowhere" / "budget")
    with pytest.raises(guarita.InvalidArgument, match="journal"):
        guarita.Budget(journal_options={})
    with pytest.raises(guarita.InvalidConfig, match="fsync|variant"):
        guarita.Budget(journal=tmp_path / "other", journal_options={"fsync": "sometimes"})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_must_not_spend_what_the_parent_has(tmp_path: pathlib.Path) -> None:
    budget = guarita.Budget(journal=tmp_path / "budget")
    reservation = budget.reserve(LABELS, now=NOON)

    def child() -> bool:
        refused = 0
        for call in (lambda: budget.reserve(LABELS), budget.report, budget.sync, reservation.commit):
            try:
                call()
            except guarita.InvalidState as error:
                refused += "forked" in str(error)
        return refused == 4 and "another process" in repr(budget) and reservation.amount == 1_000

    assert in_a_fork(child)
    assert spent(budget)["reserved"] == 1_000, "the child let nothing go"
    assert reservation.commit(now=NOON) == 1_000


def test_wrong_arguments() -> None:
    budget = guarita.Budget()
    with pytest.raises(guarita.InvalidConfig, match="price"):
        budget.reserve("abacus:Count")
    with pytest.raises(guarita.InvalidArgument):
        budget.reserve(LABELS, images=0)
    with pytest.raises(guarita.InvalidArgument):
        budget.reserve(LABELS, camera="x" * 300)
    with pytest.raises(guarita.InvalidArgument, match="by"):
        budget.saved(LABELS, "thrift")  # type: ignore[arg-type]
    with pytest.raises(guarita.InvalidArgument, match="now"):
        budget.reserve(LABELS, now=(float("nan"), 0.0))
    with pytest.raises(guarita.InvalidConfig, match="warn_at"):
        guarita.Budget(warn_at=2)
    with pytest.raises((TypeError, OverflowError)):
        budget.reserve(LABELS, images=-1)
    for wrong in (5, (1.0,), "now"):
        with pytest.raises((TypeError, ValueError)):
            budget.report(wrong)  # type: ignore[arg-type]
    assert budget.report()["reservations"] == 0
