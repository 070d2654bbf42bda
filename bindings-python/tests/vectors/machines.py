"""Suites whose cases are a machine and the steps that it is taken through: motion, breaker, retry, budget, triggers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import guarita

from . import pictures
from .common import Json, Step, damaged, detection, each_step, times, told

Case = dict[str, Any]


def motion(case: Case) -> Json:
    if case.get("machine") == "background":
        return background(case)
    gate, kept = guarita.MotionGate(**case.get("config", {})), b""

    def run(step: Step) -> Json:
        nonlocal gate, kept
        if step["op"] == "observe":
            return observe(gate, step)
        if step["op"] == "reset":
            gate.reset()
        elif step["op"] == "snapshot":
            kept = gate.snapshot()
        else:
            assert step["op"] == "restore", step
            # Into a gate that has seen nothing yet, perhaps with another config.
            anew = guarita.MotionGate(**{**case, **step}.get("config", {}))
            anew.restore(damaged(kept, step))
            gate = anew
        return None

    return each_step(case, run)


def observe(gate: guarita.MotionGate, step: Step) -> Json:
    """Shows a gate the frames of a step; what it says of the last one, and how many opened it."""
    seen = [gate.observe(pictures.frame(step["picture"], turn), pts=at) for turn, at in times(step)]
    return {**seen[-1].to_dict(), "opened": sum(map(bool, seen))}


def background(case: Case) -> Json:
    model = guarita.BackgroundModel(**case.get("config", {}))

    def run(step: Step) -> Json:
        if step["op"] == "reset":
            return model.reset()
        assert step["op"] == "apply", step
        for turn, _ in times(step):
            shown = pictures.frame(step["picture"], turn)
            mask = model.apply(shown, learning_rate=step.get("learning_rate"))
        shadow = model.config["shadow_value"]
        return {"foreground": float(np.mean(mask == 255)), "shadow": float(np.mean(mask == shadow))}

    return each_step(case, run)


def breaker(case: Case) -> Json:
    changes: list[dict[str, Any]] = []
    machine = guarita.CircuitBreaker(seed=case.get("seed", 0), listener=changes.append, **case.get("config", {}))
    permits: dict[str, guarita.Permit] = {}

    def run(step: Step) -> Json:
        op, now = step["op"], step["at_s"]
        if op == "acquire":
            try:
                permits[step["as"]] = machine.acquire(now)
            except guarita.Unavailable as error:
                state, wait = error.context["breaker"], error.context["retry_after_s"]
                return {"allowed": False, "retry_after_s": wait, "state": state}
            return {"allowed": True, "retry_after_s": None, "state": machine.state(now)}
        if op == "counts":
            return machine.counts(now).to_dict()
        if op == "transitions":
            told, changes[:] = changes[:], []
            return told
        if op == "require":
            machine.acquire(now).ignore()
        elif op in ("success", "failure"):
            getattr(permits.pop(step["of"]), op)(now)
        elif op == "ignore":
            permits.pop(step["of"]).ignore()
        elif op == "drop":
            del permits[step["of"]]
        elif op == "call":
            for _ in range(step.get("times", 1)):
                getattr(machine.acquire(now), step["result"])(now + step.get("took_s", 0))
        elif op in ("force_open", "disable", "reset"):
            getattr(machine, op)(now)
        else:
            assert op == "state", op
        return {"state": machine.state(now)}

    return each_step(case, run)


def retry(case: Case) -> Json:
    if case.get("machine") == "rate_limit":
        return rate_limit(case)
    policy = guarita.RetryPolicy(seed=case.get("seed", 0), **case.get("config", {}))
    held: dict[str | None, int] = {None: 0}

    def run(step: Step) -> Json:
        if step["op"] == "succeeded":
            policy.succeeded(held.get(step.get("of"), 0))
            return {"tokens": policy.tokens}
        assert step["op"] == "next", step
        deadline, retry_after = step.get("deadline_s"), step.get("retry_after_s")
        now = step.get("at_s", 0)
        said = policy.next(told(step), step["attempt"], now, deadline=deadline, retry_after=retry_after)
        if "as" in step and "tokens" in said:
            held[step["as"]] = said["tokens"]
        again, why = "wait_s" in said, said.get("give_up")
        return {"again": again, "after_s": said.get("wait_s"), "why": why, "tokens": policy.tokens}

    return each_step(case, run)


def rate_limit(case: Case) -> Json:
    limit = guarita.RateLimit(**case.get("config", {}))

    def run(step: Step) -> Json:
        wait = limit.try_acquire(step["key"], step["at_s"])
        return {"allowed": wait is None, "retry_after_s": wait, "keys": limit.keys}

    return each_step(case, run)


def budget(case: Case) -> Json:
    events: list[dict[str, Any]] = []
    machine = guarita.Budget(listener=events.append, **case.get("config", {}))
    open_: dict[str, guarita.Reservation] = {}

    def run(step: Step) -> Json:
        op, now = step["op"], (step["at_s"], case.get("unix_s", 0) + step["at_s"])
        asked = {key: step[key] for key in ("camera", "tenant", "images") if key in step}
        if op == "reserve":
            reservation = open_[step["as"]] = machine.reserve(step["api"], **asked, now=now)
            return {"amount": reservation.amount}
        if op == "commit":
            return {"charged": open_.pop(step["of"]).commit(images=step.get("images"), now=now)}
        if op == "release":
            return open_.pop(step["of"]).release(now=now)
        if op == "drop":
            del open_[step["of"]]
            return None
        if op == "estimate":
            return {"amount": machine.estimate(step["api"], **asked, now=now)}
        if op == "saved":
            return machine.saved(step["api"], step["by"], **asked, now=now)
        if op == "report":
            return machine.report(now)
        assert op == "events", op
        told, events[:] = events[:], []
        return told

    return each_step(case, run)


def triggers(case: Case) -> Json:
    trigger = guarita.Trigger(zones=case.get("zones", []), **case["config"])

    def run(step: Step) -> Json:
        if step["op"] == "suppressed":
            return trigger.suppressed
        assert step["op"] == "scene", step
        objects = [(one["id"], detection(one)) for one in step.get("objects", ())]
        size, looked_at = tuple(case.get("frame", (100, 100))), step.get("looked_at", True)
        fired = []
        for _, at in times(step):
            time = case.get("unix_s", 0) + math.floor(at)
            said = trigger.observe(objects, pts=at, size=size, time=time, camera="gate", looked_at=looked_at)
            fired += [said] if said else []
        if not fired:
            return {"fired": 0, "why": "", "zone": None, "objects": []}
        last = fired[-1]
        about = [one.id for one in last.objects]
        return {"fired": len(fired), "why": last.why, "zone": last.zone, "objects": about}

    return each_step(case, run)
