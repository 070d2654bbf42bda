"""Cases that are a machine and the steps that it is taken through: each machine gives what answers a step."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

import guarita

from .common import Case, Json, contents, damaged, detection, frame, taken, told

#: Far longer than anything here takes.
WITHIN = 30.0
Run = Callable[[Case], Json]


def gate(case: Case) -> Run:
    machine, kept = guarita.MotionGate(**case["config"]), b""

    def run(step: Case) -> Json:
        nonlocal machine, kept
        if step["op"] == "observe":
            return machine.observe(frame(step["picture"]), pts=step["at_s"]).to_dict()
        if step["op"] == "reset":
            machine.reset()
        elif step["op"] == "snapshot":
            kept = machine.snapshot()
        else:
            assert step["op"] == "restore", step
            # Into a gate that has seen nothing yet, perhaps with another config.
            anew = guarita.MotionGate(**step["config"])
            anew.restore(damaged(kept, step))
            machine = anew
        return None

    return run


def background(case: Case) -> Run:
    model = guarita.BackgroundModel(**case["config"])

    def run(step: Case) -> Json:
        if step["op"] == "reset":
            return model.reset()
        assert step["op"] == "apply", step
        mask = model.apply(frame(step["picture"]), learning_rate=step["learning_rate"])
        levels = {"foreground": 255, "shadow": model.config["shadow_value"]}
        return {name: float(np.mean(mask == level)) for name, level in levels.items()}

    return run


def breaker(case: Case) -> Run:
    changes: list[Json] = []
    machine = guarita.CircuitBreaker(seed=case["seed"], listener=changes.append, **case["config"])
    permits: dict[str, guarita.Permit] = {}

    def run(step: Case) -> Json:
        op, now = step["op"], step["at_s"]
        if op == "counts":
            return machine.counts(now).to_dict()
        if op == "transitions":
            return taken(changes)
        if op == "acquire":
            permits[step["as"]] = machine.acquire(now)
        elif op in ("success", "failure"):
            getattr(permits.pop(step["of"]), op)(now)
        elif op == "ignore":
            permits.pop(step["of"]).ignore()
        elif op == "drop":
            del permits[step["of"]]
        elif op in ("force_open", "disable", "reset"):
            getattr(machine, op)(now)
        else:
            assert op == "state", step
        return {"state": machine.state(now)}

    return run


def retry(case: Case) -> Run:
    policy = guarita.RetryPolicy(seed=case["seed"], **case["config"])
    tokens: dict[str, int] = {}

    def run(step: Case) -> Json:
        if step["op"] == "succeeded":
            policy.succeeded(tokens.get(step["of"], 0))
            return {"left": policy.tokens}
        assert step["op"] == "next", step
        limits = {name: step[f"{name}_s"] for name in ("deadline", "retry_after")}
        said = policy.next(told(step), step["attempt"], step["at_s"], **limits)
        tokens[step["as"]] = said.get("tokens", 0)
        return {**said, "left": policy.tokens}

    return run


def rate_limit(case: Case) -> Run:
    limit = guarita.RateLimit(**case["config"])
    return lambda step: {"wait_s": limit.try_acquire(step["key"], step["at_s"]), "keys": limit.keys}


def budget(case: Case) -> Run:
    events: list[Json] = []
    machine = guarita.Budget(listener=events.append, **case["config"])
    held: dict[str, guarita.Reservation] = {}

    def run(step: Case) -> Json:
        op, now = step["op"], tuple(step["now"])
        if op == "reserve":
            held[step["as"]] = machine.reserve(**step["spend"], now=now)
            return {"amount": held[step["as"]].amount}
        if op == "commit":
            return {"charged": held.pop(step["of"]).commit(images=step["images"], now=now)}
        if op == "release":
            return held.pop(step["of"]).release(now=now)
        if op == "estimate":
            return {"amount": machine.estimate(**step["spend"], now=now)}
        if op == "saved":
            return machine.saved(**step["spend"], by=step["by"], now=now)
        if op == "report":
            return machine.report(now)
        if op == "events":
            return taken(events)
        assert op == "drop", step
        del held[step["of"]]
        return None

    return run


def trigger(case: Case) -> Run:
    machine = guarita.Trigger(zones=case["zones"], **case["config"])
    size = tuple(case["frame"])

    def run(step: Case) -> Json:
        objects = [(one["id"], detection(one)) for one in step["objects"]]
        when = {"pts": step["at_s"], "time": step["unix_s"], "looked_at": step["looked_at"]}
        fired = machine.observe(objects, size=size, camera="gate", **when)
        return {"fired": fired and fired.to_dict(), "suppressed": machine.suppressed}

    return run


class Stage:
    """A pipeline as a case describes it, with its clock, and what its sink was given."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.clock = guarita.ManualClock(case["unix_s"])
        self.events: list[guarita.Event] = []
        self.pipeline = self.start()

    def start(self, restore: guarita.PipelineCheckpoint | None = None) -> guarita.Pipeline:
        provider = guarita.CallbackProvider(self.look, name="host", clock=self.clock, labels=self.case["labels"])
        sinks = {"host": self.events.append}
        pipeline = guarita.Pipeline(provider, sinks=sinks, restore=restore, **self.case["config"])
        for config in self.case["cameras"]:
            pipeline.add_camera(**config)
        return pipeline

    def look(self, request: guarita.Request) -> list[guarita.Detections]:
        return [self.look_at(frame) for frame in request.frames]

    def look_at(self, frame: guarita.Frame) -> guarita.Detections:
        """What the case says of this camera's frame of this time."""
        said = self.case["answers"][f"{frame.camera} {round(frame.pts * 1e9)}"]
        if "code" in said:
            raise told(said)
        return guarita.Detections(map(detection, said["detections"]), size=frame.size)

    def settle(self) -> None:
        """Waits until every frame has ended and every event is delivered."""
        end = time.monotonic() + WITHIN
        while time.monotonic() < end:
            stats = self.pipeline.stats()
            if not stats.account.in_flight and not any(one["waiting"] or one["in_hand"] for one in stats.outlets):
                return
            time.sleep(0.001)
        raise TimeoutError(f"frames are still on their way: {stats}")

    def push(self, step: Case) -> Json:
        self.clock.advance(step["wait_s"])
        self.pipeline.on_time()
        picture = step["picture"]
        # Encoded ones are decoded by whoever looks at them.
        shown = contents(picture["encoded"]) if "encoded" in picture else frame(picture)
        admission = self.pipeline.camera(step["camera"]).push(shown, pts=step["pts_s"])
        self.settle()
        return {"taken": admission.taken, "outcome": admission.outcome}

    def restart(self, step: Case) -> None:
        """Ends the pipeline after what it knows was written down; another one goes on with that."""
        kept = damaged(self.pipeline.checkpoint().to_bytes(), step)
        before, self.pipeline = self.pipeline, self.start(guarita.PipelineCheckpoint.from_bytes(kept))
        before.close()

    def run(self, step: Case) -> Json:
        op, on = step["op"], self.pipeline
        if op in ("push", "restart"):
            return getattr(self, op)(step)
        if op == "explain":
            return [one.to_dict() for one in on.camera(step["camera"]).explain(step["from_s"], step["to_s"])]
        if op == "events":
            return [event.to_dict() for event in taken(self.events)]
        if op == "accounts":
            return {camera.id: camera.account.to_dict() for camera in on.stats().cameras}
        if op == "account":
            return on.stats().account.to_dict()
        if op == "health":
            return on.health().to_dict()
        if op == "shutdown":
            return on.shutdown(WITHIN).to_dict()
        if op == "remove":
            return on.camera(step["camera"]).remove().to_dict()
        if op == "add_camera":
            on.add_camera(**step["config"])
        elif op == "update":
            on.camera(step["camera"]).update(**step["config"])
        elif op in ("pause", "resume"):
            getattr(on.camera(step["camera"]) if step["camera"] else on, op)()
        else:
            assert op == "close", step
            on.close()
        return None


MACHINES: dict[str, Callable[[Case], Run]] = {
    "gate": gate,
    "background": background,
    "breaker": breaker,
    "retry": retry,
    "rate_limit": rate_limit,
    "budget": budget,
    "trigger": trigger,
    "pipeline": lambda case: Stage(case).run,
}
