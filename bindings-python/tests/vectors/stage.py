"""Suites with cameras, a provider of the host's, and time that is moved by hand: pipeline and replay."""

from __future__ import annotations

import time
from typing import Any

import guarita

from . import pictures
from .common import Json, Step, damaged, detection, each_step, object_json, times, told
from .machines import observe

Case = dict[str, Any]
#: Far longer than anything here takes.
WITHIN = 30.0


class Stage:
    """A pipeline as a case describes it, with its clock, and what its sink was given."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.clock = guarita.ManualClock(case.get("unix_s", 0))
        self.events: list[guarita.Event] = []
        self.pipeline = self.start()

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.pipeline.close()

    def start(self, restore: guarita.PipelineCheckpoint | None = None) -> guarita.Pipeline:
        provider = guarita.CallbackProvider(
            self.look, name="host", clock=self.clock, labels=self.case.get("labels", [])
        )
        sinks = {"host": self.events.append}
        pipeline = guarita.Pipeline(provider, sinks=sinks, restore=restore, **self.case.get("config", {}))
        for config in self.case.get("cameras", ()):
            pipeline.add_camera(**config)
        return pipeline

    def look(self, request: guarita.Request) -> list[guarita.Detections]:
        return [self.look_at(frame) for frame in request.frames]

    def look_at(self, frame: guarita.Frame) -> guarita.Detections:
        """The first answer for this camera whose time holds the frame's."""
        for answer in self.case.get("answers", ()):
            begin, end = answer.get("from_s", 0) - 1e-9, answer.get("to_s", 1e9) + 1e-9
            if answer.get("camera", frame.camera) == frame.camera and begin <= frame.pts <= end:
                if "code" in answer:
                    raise told(answer)
                return guarita.Detections(map(detection, answer.get("detections", ())), size=frame.size)
        return guarita.Detections(size=frame.size)

    def restart(self, step: Step) -> None:
        """Ends the pipeline after what it knows was written down; another one goes on with that."""
        kept = damaged(self.pipeline.checkpoint().to_bytes(), step)
        checkpoint = guarita.PipelineCheckpoint.from_bytes(kept)
        before, self.pipeline = self.pipeline, self.start(checkpoint)
        before.close()

    def settle(self) -> None:
        """Waits until every frame has ended and every event is delivered."""
        end = time.monotonic() + WITHIN
        while True:
            stats = self.pipeline.stats()
            busy = any(outlet["waiting"] or outlet["in_hand"] for outlet in stats.outlets)
            if stats.account.in_flight == 0 and not busy:
                return
            assert time.monotonic() < end, f"frames are still on their way: {stats}"
            time.sleep(0.001)

    def push(self, step: Step) -> Json:
        camera = self.pipeline.camera(step["camera"])
        for turn, at in times(step):
            self.clock.advance(round(at - self.clock.monotonic(), 9))
            self.pipeline.on_time()
            admission = camera.push(pictures.shown(step["picture"], turn), pts=step.get("pts_s", at))
            self.settle()
        return {"admission": "taken" if admission.taken else "ended", "outcome": admission.outcome}

    def accounts(self) -> Json:
        return {camera.id: account(camera.account) for camera in self.pipeline.stats().cameras}

    def explain(self, step: Step) -> Json:
        camera = self.pipeline.camera(step["camera"])
        return [decision(one) for one in camera.explain(step.get("from_s", 0), step.get("to_s", 1e6))]

    def step(self, step: Step) -> Json:
        op, on = step["op"], self.pipeline
        if op in ("push", "explain"):
            return getattr(self, op)(step)
        if op == "add_camera":
            on.add_camera(**step["config"])
        elif op == "update":
            # All fields, so that nothing stays of the config before.
            config = guarita.check_config("CameraConfig", step["config"])
            on.camera(config.pop("id")).update(**config)
        elif op == "remove":
            return account(on.camera(step["camera"]).remove())
        elif op in ("pause", "resume"):
            getattr(on.camera(step["camera"]) if "camera" in step else on, op)()
        elif op == "accounts":
            return self.accounts()
        elif op == "account":
            return account(on.stats().account)
        elif op == "events":
            self.settle()
            fired, self.events[:] = self.events[:], []
            return [event(one) for one in fired]
        elif op == "health":
            return {"live": on.health().live, "ready": on.health().ready}
        elif op == "restart":
            self.restart(step)
        else:
            assert op == "shutdown", op
            report = on.shutdown(WITHIN)
            return {"drained": report.drained, "account": account(report.account)}
        return None


def account(one: guarita.Account) -> Json:
    assert one.balances, one
    return {"pushed": one.pushed, "in_flight": one.in_flight, "outcomes": one.outcomes}


def decision(one: guarita.Decision) -> Json:
    names = "frames", "outcome", "gate", "open", "ignored", "luma", "found", "counted", "events"
    return {"from_s": one.begin, "to_s": one.end, **{name: getattr(one, name) for name in names}}


def event(one: guarita.Event) -> Json:
    picture = one.picture
    return {
        "id": one.id,
        "camera": one.camera,
        "trigger": one.trigger,
        "pts_s": one.pts,
        "time_s": one.time.timestamp(),
        "zone": one.zone,
        "why": one.why,
        "frame": one.size,
        "objects": [object_json(each) for each in one.objects],
        "picture": picture and {"is_jpeg": picture.jpeg.startswith(b"\xff\xd8"), "region": picture.region.xyxy},
        "json": one.to_dict(),
    }


def pipeline(case: Case) -> Json:
    with Stage(case) as stage:
        return each_step(case, stage.step)


def replay(case: Case) -> Json:
    """Once without a break, and once more for each list of `cuts`: the end must be the same."""
    run = gate if case["machine"] == "gate" else scene
    whole = run(case, [])
    for cuts in case.get("cuts", ()):
        parts = run(case, cuts)
        assert parts == whole, f"cut before the steps {cuts}: {parts}, not {whole}"
    return whole


def scene(case: Case, cuts: list[int]) -> Json:
    with Stage(case) as stage:
        admissions = []
        for at, step in enumerate(case["steps"]):
            if at in cuts:
                stage.restart({})
            admissions.append(stage.step(step))
        stage.settle()
        return {
            "accounts": stage.accounts(),
            "events": [event(one) for one in stage.events],
            "admissions": admissions,
            "decisions": [stage.explain({"camera": camera.id}) for camera in stage.pipeline.cameras],
        }


def gate(case: Case, cuts: list[int]) -> Json:
    machine, answers = guarita.MotionGate(**case.get("config", {})), []
    for at, step in enumerate(case["steps"]):
        if at in cuts:
            kept = machine.snapshot()
            machine = guarita.MotionGate(**case.get("config", {}))
            machine.restore(kept)
        answers.append(observe(machine, step))
    return {"answers": answers}
