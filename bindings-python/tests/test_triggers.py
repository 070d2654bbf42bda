"""Triggers: guarita's own outside a pipeline, and those of the host inside one."""

from __future__ import annotations

import datetime
import sys
import threading
from typing import Any

import pytest

import guarita
from scene import PLAIN, is_plain_data, push_plates, until

PERSON = guarita.Detection((10, 10, 50, 90), "person", 0.83)
WHEN: guarita.types.Condition = {"present": {"classes": ["person"]}}
SIZE = (640, 480)


def test_a_trigger_fires_once() -> None:
    trigger = guarita.Trigger(name="visitor", when=WHEN, cooldown_s=datetime.timedelta(minutes=1))
    fired = trigger.observe([(1, PERSON)], pts=0.0, size=SIZE)
    assert fired is not None and fired.why == "person 0.83" and fired.zone is None
    assert [one.id for one in fired.objects] == [1]
    assert trigger.observe(fired.objects, pts=1.0, size=SIZE) is None
    assert trigger.observe([], pts=2.0, size=SIZE, looked_at=False) is None
    assert trigger.observe([(1, PERSON)], pts=3.0, size=SIZE) is None
    assert trigger.config["cooldown_s"] == 60 and trigger.config["name"] == "visitor"
    assert trigger.suppressed == 0 and "visitor" in repr(trigger) and "person" in repr(fired)
    assert fired.to_dict()["objects"][0]["label"]["name"] == "person" and is_plain_data(fired)


def test_zones() -> None:
    door: guarita.types.Zone = {"name": "door", "area": guarita.Polygon([(0.5, 0), (1, 0), (1, 1), (0.5, 1)])}
    trigger = guarita.Trigger(
        zones=[door], name="visitor", when={"present": {"classes": ["person"], "zone": "door"}}, cooldown_s=0
    )
    assert trigger.observe([(1, PERSON)], pts=0.0, size=SIZE) is None
    inside = guarita.Detection((400, 10, 450, 90), "person", 0.83)
    fired = trigger.observe([(1, inside)], pts=1.0, size=SIZE)
    assert fired is not None and fired.zone == "door"


def test_hours() -> None:
    schedule: guarita.types.Schedule = {
        "time_zone": "UTC",
        "windows": [{"days": ["mon"], "from": "08:00", "to": "09:00"}],
    }
    monday = datetime.datetime(2024, 1, 1, 8, 30, tzinfo=datetime.timezone.utc)

    def fires(**times: Any) -> bool:
        trigger = guarita.Trigger(name="visitor", when=WHEN, schedule=schedule)
        return trigger.observe([(1, PERSON)], size=SIZE, **times) is not None

    hour = datetime.timedelta(hours=1)
    assert fires(pts=0.0, time=monday) and fires(pts=0.0, time=monday.timestamp()) and fires(pts=monday)
    assert not fires(pts=0.0, time=monday + hour) and not fires(pts=monday + hour) and not fires(pts=monday, time=0)


def test_wrong_input() -> None:
    configs: list[dict[str, Any]] = [
        {"name": "x", "when": {"present": {"classes": ["person"], "zone": "door"}}},
        {"name": "", "when": WHEN},
        {"name": "x"},
        {"when": WHEN},
        {"name": "x", "when": {"never": {}}},
        {"name": "x", "when": WHEN, "for_s": -1},
        {"name": "x", "when": WHEN, "wait": 1},
        {"name": "x", "when": WHEN, "schedule": {"time_zone": "Mars/Olympus", "windows": []}},
        {"name": "x", "when": WHEN, "zones": [{"name": "door"}]},
    ]
    for config in configs:
        with pytest.raises(guarita.InvalidConfig):
            guarita.Trigger(**config)
    trigger = guarita.Trigger(name="x", when=WHEN)
    wrong: list[Any] = [[PERSON], [(1, 2)], [(-1, PERSON)], [(1, PERSON, 3)], ["ab"]]
    for objects in wrong:
        with pytest.raises(guarita.InvalidArgument):
            trigger.observe(objects, pts=0.0, size=SIZE)
    with pytest.raises(guarita.InvalidArgument):
        trigger.observe([], pts=float("nan"), size=SIZE)
    for nothing in (None, 7):
        with pytest.raises(TypeError):
            trigger.observe(nothing, pts=0.0, size=SIZE)  # type: ignore[arg-type]
    # What was refused left nothing behind.
    assert trigger.observe([(1, PERSON)], pts=0.0, size=SIZE) is not None


def test_threads_share_a_trigger() -> None:
    trigger = guarita.Trigger(name="x", when=WHEN, cooldown_s=0)
    fired: list[guarita.Firing | None] = []

    def observe() -> None:
        for k in range(200):
            fired.append(trigger.observe([(1, PERSON)], pts=float(k), size=SIZE))

    threads = [threading.Thread(target=observe) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(fired) == 800 and any(fired)


def test_a_trigger_of_the_host(provider: guarita.LocalProvider) -> None:
    scenes: list[guarita.Scene] = []

    def own(scene: guarita.Scene) -> guarita.Firing | None:
        scenes.append(scene)
        return guarita.Firing("a plate", scene.objects, zone="yard") if scene.objects else None

    with guarita.Pipeline(provider, triggers={"own": own}) as pipeline:
        stream = pipeline.events()
        config: dict[str, Any] = {**PLAIN, "triggers": [], "host_triggers": ["own"], "epoch_s": 0}
        push_plates(pipeline.add_camera("gate", **config), 2)
        pipeline.add_camera("other", **{**config, "host_triggers": []}).push(b"", pts=0.0)
    events = list(stream)
    assert [(event.trigger, event.why, event.zone, event.pts) for event in events] == [
        ("own", "a plate", "yard", 0.0),
        ("own", "a plate", "yard", 1.0),
    ]
    assert [scene.pts for scene in scenes] == [0.0, 0.5, 1.0, 1.5] and all(scene.looked_at for scene in scenes)
    scene = scenes[2]
    assert (scene.camera, scene.size, len(scene.objects)) == ("gate", (96, 96), 1)
    assert scene.time == datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=datetime.timezone.utc)
    assert scene.to_dict()["objects"][0]["label"]["name"] == "plate" and "gate" in repr(scene)


def test_a_trigger_that_raises_is_reported_and_the_next_scene_comes(
    provider: guarita.LocalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)

    def own(scene: guarita.Scene) -> Any:
        if scene.pts == 0.0:
            raise RuntimeError("on purpose")
        return "fired" if scene.pts == 0.5 else guarita.Firing("well")

    with guarita.Pipeline(provider, triggers={"own": own}) as pipeline:
        stream = pipeline.events()
        push_plates(pipeline.add_camera("gate", **{**PLAIN, "triggers": [], "host_triggers": ["own"]}), 1)
        until(lambda: pipeline.stats().account.in_flight == 0)
        camera = pipeline.camera("gate")
        push_plates(camera, 1, begin=1.0)
    assert [event.pts for event in stream] == [1.0, 1.5]
    assert [type(one.exc_value) for one in reported] == [RuntimeError, guarita.InvalidArgument]
    assert reported[0].object is own
