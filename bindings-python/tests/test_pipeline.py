"""Pipelines: frames in, and what becomes of every one of them."""

from __future__ import annotations

import datetime
import gc
import json
import pickle
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import guarita
from scene import NOTHING, PATIENCE, PLAIN, PLATE, is_plain_data, picture, push_plates, until


def settled(pipeline: guarita.Pipeline) -> guarita.Account:
    until(lambda: pipeline.stats().account.in_flight == 0, "the end of all frames")
    return pipeline.stats().account


def test_a_frame_goes_through(pipeline: guarita.Pipeline) -> None:
    camera = pipeline.add_camera("gate", **PLAIN)
    admission = camera.push(PLATE, pts=1.5)
    assert admission and admission.taken and admission.outcome is None
    account = settled(pipeline)
    assert (account.pushed, account.in_flight, account.outcomes) == (1, 0, {"analysed": 1})
    assert account.analysed == 1 and account.dropped == account.failed == 0 and account.balances
    stats = camera.stats()
    assert stats.id == camera.id == "gate" and stats.events == 1 and stats.last_pts == 1.5
    assert stats.account == account and stats.last_failure is None and stats.age is not None
    (decision,) = camera.explain()
    assert (decision.begin, decision.end, decision.frames, decision.outcome) == (1.5, 1.5, 1, "analysed")
    assert (decision.found, decision.counted, decision.events) == (1, 1, 1)
    assert camera.explain(2.0) == [] and len(camera.explain(0, 2)) == 1


def test_every_kind_of_picture_is_taken(pipeline: guarita.Pipeline, pictures: Path, noise: np.ndarray) -> None:
    camera = pipeline.add_camera("gate", **PLAIN)
    jpeg = next(pictures.rglob("*.jpg")).read_bytes()
    image = pytest.importorskip("PIL.Image")
    bgr = noise[..., ::-1].copy()
    kinds: list[Any] = [noise, noise[::2, ::2], jpeg, bytearray(jpeg), memoryview(jpeg), image.fromarray(noise)]
    for pts, kind in enumerate(kinds):
        assert camera.push(kind, pts=float(pts)), kind
    assert camera.push(bgr, pts=10.0, format="bgr8", share=True)
    assert camera.push(guarita.Frame(jpeg, pts=11.0))
    assert camera.push(guarita.Frame(noise), pts=datetime.timedelta(seconds=12))
    assert camera.push(noise, pts=datetime.datetime.now(datetime.timezone.utc))
    assert settled(pipeline).outcomes == {"analysed": len(kinds) + 4}


def test_bytes_that_are_no_picture_end_in_the_account(pipeline: guarita.Pipeline) -> None:
    camera = pipeline.add_camera("gate", **PLAIN)
    assert camera.push(b"\xff\xd8 no more", pts=0.0)
    assert camera.push(b"", pts=1.0)
    assert settled(pipeline).failed == 2
    failure = camera.stats().last_failure
    assert failure is not None and failure["code"] in ("DataCorrupt", "Unsupported")


def test_times_and_numbers(provider: guarita.LocalProvider) -> None:
    seen: list[guarita.FrameResult] = []
    with guarita.Pipeline(provider, on_result=seen.append) as pipeline:
        camera = pipeline.add_camera("gate", **PLAIN)
        again = pipeline.camera("gate")
        camera.push(PLATE, pts=1.0)
        again.push(PLATE, pts=2.0)
        camera.push(PLATE, pts=3.0, seq=70)
        again.push(PLATE, pts=4.0)
        camera.push(guarita.Frame(PLATE, pts=5.0, seq=7))
        camera.push(guarita.Frame(PLATE, pts=5.0, seq=7), pts=6.0)
        early = camera.push(PLATE, pts=6.0)
        settled(pipeline)
    # The first outcome may also be known only later.
    assert early.outcome in (None, "failed_invalid_argument")
    seen.sort(key=lambda one: one.pts)
    assert [(one.pts, one.seq) for one in seen] == [(1, 0), (2, 1), (3, 70), (4, 71), (5, 7), (6, 72)]
    assert {one.camera for one in seen} == {"gate"} and {one.provider for one in seen} == {"local"}
    assert json.loads(json.dumps(seen[0].to_dict()))["detections"]["items"][0]["label"]["name"] == "plate"


def test_without_a_time_it_is_now(provider: guarita.LocalProvider) -> None:
    with guarita.Pipeline(provider) as pipeline:
        camera = pipeline.add_camera("gate", **PLAIN)
        for _ in range(20):
            camera.push(NOTHING)
        assert settled(pipeline).analysed == 20


def test_the_hosts_clock_is_asked(fixtures: Path) -> None:
    class Clock:
        def monotonic(self) -> float:
            return 5.0

        def unix(self) -> float:
            return 1_700_000_000.0

    with guarita.Detector(fixtures / "v8_nc1.onnx") as detector:
        with guarita.LocalProvider(detector, clock=Clock()) as provider:
            with guarita.Pipeline(provider) as pipeline:
                camera = pipeline.add_camera("gate", **PLAIN)
                threads = [
                    threading.Thread(target=lambda k=k: [camera.push(PLATE, pts=k + n / 100) for n in range(50)])
                    for k in range(0, 16, 4)
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join(PATIENCE)
                    assert not thread.is_alive()
                camera.push(PLATE)
                account = pipeline.shutdown(PATIENCE).account
    assert account.pushed == 201 and account.balances and account.in_flight == 0
    assert camera.explain(5.0, 5.0)[0].time.timestamp() == 1_700_000_000


def test_hundreds_of_cameras(pipeline: guarita.Pipeline) -> None:
    cameras = [
        pipeline.add_camera(f"camera-{k:03}", **{**PLAIN, "queue": {"capacity": 2, "max_age_s": 5}}) for k in range(250)
    ]
    assert len(pipeline.cameras) == 250
    for tick in range(8):
        for camera in cameras:
            camera.push(PLATE, pts=float(tick))
    stats = pipeline.stats()
    assert stats.account.pushed == 2000 and stats.account.balances
    report = pipeline.shutdown(PATIENCE)
    assert report.drained and report.account.in_flight == 0 and report.hanging == []
    each = [camera.stats().account for camera in cameras]
    assert all(account.balances and account.pushed == 8 for account in each)
    assert sum(account.analysed for account in each) == report.account.analysed > 0
    assert [one.id for one in pipeline.stats().cameras] == [camera.id for camera in cameras]


def test_threads_push_side_by_side(pipeline: guarita.Pipeline) -> None:
    one = pipeline.add_camera("shared", **PLAIN)
    ready = threading.Barrier(8)

    def push(own: guarita.Camera) -> None:
        ready.wait(PATIENCE)
        for k in range(200):
            own.push(picture(k % 256), pts=float(k))
            one.push(PLATE)
            pipeline.stats()

    cameras = [pipeline.add_camera(f"own-{k}", **PLAIN) for k in range(8)]
    threads = [threading.Thread(target=push, args=(camera,)) for camera in cameras]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE)
        assert not thread.is_alive()
    account = pipeline.shutdown(PATIENCE).account
    assert account.pushed == 8 * 400 and account.balances and account.in_flight == 0
    assert sum(account.outcomes.values()) == 3200


def test_threads_of_its_own(provider: guarita.LocalProvider) -> None:
    for threads in (None, 0, 3, guarita.Threads(1)):
        with guarita.Pipeline(provider, threads=threads) as pipeline:
            push_plates(pipeline.add_camera("gate", **PLAIN), 1)
        assert pipeline.stats().account.analysed == 2
    for wrong in (-1, 257, "many"):
        with pytest.raises(guarita.InvalidConfig):
            guarita.Pipeline(provider, threads=wrong)  # type: ignore[arg-type]


def test_a_camera_is_changed_paused_and_removed(pipeline: guarita.Pipeline) -> None:
    camera = pipeline.add_camera("gate", **PLAIN)
    assert camera.config["fps"] == 0
    camera.update(fps=2, priority="critical")
    assert camera.config["fps"] == 2 and camera.config["motion"] is False and camera.stats().priority == "critical"
    with pytest.raises(guarita.InvalidConfig, match="fps"):
        camera.update(fps=-1)
    assert camera.config["fps"] == 2
    camera.pause()
    assert camera.push(PLATE, pts=0.0).outcome == "skipped_paused" and camera.stats().paused
    camera.resume()
    assert camera.push(PLATE, pts=1.0)
    pipeline.pause()
    assert not camera.push(PLATE, pts=2.0)
    pipeline.resume()
    settled(pipeline)
    account = camera.remove()
    assert account.outcomes == {"skipped_paused": 2, "analysed": 1}
    for call in (camera.remove, lambda: camera.push(PLATE), camera.update):
        with pytest.raises(guarita.InvalidState, match="removed"):
            call()
    assert pipeline.stats().removed == account and pipeline.cameras == []
    with pytest.raises(guarita.NotFound):
        pipeline.camera("gate")
    assert pipeline.add_camera("gate").stats().account.pushed == 0


def test_after_the_end(provider: guarita.LocalProvider) -> None:
    with guarita.Pipeline(provider) as pipeline:
        camera = pipeline.add_camera("gate", **PLAIN)
        camera.push(PLATE, pts=0.0)
        assert not pipeline.closed and pipeline.health().live
    assert pipeline.closed and not pipeline.health().live
    pipeline.close()
    report = pipeline.shutdown()
    assert report.drained and report.account.analysed == 1 == pipeline.stats().account.analysed
    for call in (lambda: camera.push(PLATE, pts=1.0), lambda: pipeline.add_camera("other"), pipeline.events):
        with pytest.raises(guarita.InvalidState):
            call()
    assert "closed" in repr(pipeline)


def test_a_pipeline_lives_as_long_as_its_cameras(provider: guarita.LocalProvider) -> None:
    camera = guarita.Pipeline(provider).add_camera("gate", **PLAIN)
    gc.collect()
    assert camera.push(PLATE, pts=0.0)


def threads_of_process() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted on Linux")
def test_what_is_let_go_ends(provider: guarita.LocalProvider) -> None:
    before = threads_of_process()
    pipeline = guarita.Pipeline(provider, sinks={"log": print}, threads=guarita.Threads(2))
    assert threads_of_process() > before
    del pipeline
    gc.collect()
    until(lambda: threads_of_process() <= before, "the end of the threads")

    class Application:
        """Holds the pipeline, and the pipeline holds it."""

        def __init__(self) -> None:
            self.pipeline = guarita.Pipeline(
                provider, sinks={"log": self.told}, triggers={"own": self.told}, on_result=self.told
            )
            self.camera = self.pipeline.add_camera("gate", **PLAIN)

        def told(self, _: object) -> None:
            pass

    application = Application()
    application.camera.push(PLATE, pts=0.0)
    settled(application.pipeline)
    gone = weakref.ref(application)
    del application
    until(lambda: gc.collect() is not None and gone() is None, "the end of a cycle")
    until(lambda: threads_of_process() <= before, "the end of the threads")


def test_a_checkpoint_goes_on(provider: guarita.LocalProvider) -> None:
    with guarita.Pipeline(provider) as pipeline:
        camera = pipeline.add_camera("gate", **PLAIN)
        push_plates(camera, 3)
        settled(pipeline)
        checkpoint = pipeline.checkpoint()
    assert checkpoint.cameras == ["gate"] and checkpoint.account.analysed == 6
    again = guarita.PipelineCheckpoint.from_bytes(checkpoint.to_bytes())
    assert again == checkpoint == pickle.loads(pickle.dumps(checkpoint))
    assert len(checkpoint.without_gates().to_bytes()) <= len(checkpoint.to_bytes())
    with guarita.Pipeline(provider, restore=again) as pipeline:
        camera = pipeline.add_camera("gate", **PLAIN)
        assert camera.stats().account.pushed == 6 and camera.stats().events == 3
        # The trigger goes on too: the time of these frames has been.
        push_plates(camera, 1, begin=10.0)
        assert settled(pipeline).analysed == 8
        assert camera.stats().events == 4
    for data in (b"", b"nonsense", checkpoint.to_bytes()[:-1]):
        with pytest.raises(guarita.DataCorrupt):
            guarita.PipelineCheckpoint.from_bytes(data)


def test_metrics_are_text_that_can_be_read(pipeline: guarita.Pipeline) -> None:
    camera = pipeline.add_camera('gate "7"', **PLAIN)
    push_plates(camera, 2)
    settled(pipeline)
    values: dict[str, float] = {}
    for line in pipeline.metrics().splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            values[name] = float(value)
    analysed = [value for name, value in values.items() if "outcome" in name and "analysed" in name]
    assert sum(analysed) == 4, values
    assert any(r"gate \"7\"" in name for name in values)


def test_everything_is_plain_data(pipeline: guarita.Pipeline) -> None:
    camera = pipeline.add_camera("gate", **{**PLAIN, "motion": True})
    push_plates(camera, 2)
    settled(pipeline)
    parts: list[Any] = [
        pipeline.stats(),
        pipeline.health(),
        camera.stats(),
        *camera.explain(),
        pipeline.stats().account,
    ]
    for part in [*parts, pipeline.shutdown(5)]:
        assert json.loads(json.dumps(part.to_dict())), part
        assert type(part).__name__ in repr(part)
        # An account has sums beside its numbers.
        assert isinstance(part, guarita.Account) or is_plain_data(part), part.to_dict()
    names = {one["name"] for one in pipeline.stats().outlets}
    assert names == {"events"}
    assert pipeline.health().degraded == [] and pipeline.stats().batch_fill > 0
    assert 0 < pipeline.stats().age_p50 <= pipeline.stats().age_p99


def test_wrong_input_has_a_typed_error_and_loses_nothing(pipeline: guarita.Pipeline) -> None:
    camera = pipeline.add_camera("gate", **PLAIN)
    nan = float("nan")
    wrong: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((np.zeros((4, 4), np.float32),), {}),
        ((np.zeros(()),), {}),
        ((np.zeros((4, 4, 2), np.uint8),), {}),
        ((np.array([object()]),), {}),
        ((PLATE[::-1],), {}),
        (("yard.jpg",), {}),
        ((None,), {}),
        ((PLATE,), {"format": "yuv"}),
        ((PLATE,), {"format": "gray8"}),
        ((PLATE,), {"pts": nan}),
        ((PLATE,), {"pts": float("inf")}),
        ((PLATE,), {"pts": -1e300}),
        ((PLATE,), {"pts": 1_764_000_000_000_000}),
        ((PLATE,), {"pts": "now"}),
    ]
    for args, kwargs in wrong:
        with pytest.raises(guarita.GuaritaError):
            camera.push(*args, **kwargs)
    others: list[dict[str, Any]] = [{"seq": -1}, {"seq": 2**64}, {"seq": "1"}, {"quality": 3}]
    for kwargs in others:
        with pytest.raises((TypeError, OverflowError)):
            camera.push(PLATE, **kwargs)
    assert pipeline.stats().account.pushed == 0
    # At the ends of time.
    for pts in (-9_223_372_035, 9_223_372_035):
        camera.push(PLATE, pts=pts)
    account = settled(pipeline)
    assert account.pushed == 2 and account.balances


def test_wrong_configs_are_named(provider: guarita.LocalProvider) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"max_bytes": 1}, "max_bytes"),
        ({"batch_wait_s": float("inf")}, "batch_wait_s"),
        ({"thread": 2}, "thread"),
        ({"sinks": {"": print}}, "names"),
        ({"sinks": {"events": print}}, "events"),
        ({"sinks": {"same": print}, "triggers": {"same": print}}, "same"),
        ({"sinks": {"log": print}, "outlets": {"logs": {"capacity": 3}}}, "logs"),
        ({"sinks": {"log": print}, "outlets": {"log": {"capacity": 0}}}, "capacity"),
        ({"sinks": {"log": 7}}, "callable"),
        ({"triggers": {"own": None}}, "callable"),
        ({"on_result": "print"}, "callable"),
    ]
    for kwargs, word in wrong:
        with pytest.raises((guarita.InvalidConfig, guarita.InvalidArgument), match=word):
            guarita.Pipeline(provider, **kwargs)
    with pytest.raises(TypeError):
        guarita.Pipeline(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        guarita.Pipeline(provider, sinks=[print])  # type: ignore[arg-type]
    with guarita.Pipeline(provider) as pipeline:
        pipeline.add_camera("gate")
        cameras: list[tuple[str, dict[str, Any], str]] = [
            ("", {}, "id"),
            ("x" * 300, {}, "id"),
            ("gate", {}, "gate"),
            ("other", {"fps": float("nan")}, "fps"),
            ("other", {"frames": 3}, "frames"),
            ("other", {"host_triggers": ["own"]}, "own"),
            ("other", {"zones": [{"name": "door"}]}, "area"),
            ("other", {"include": [[(0, 0), (1, 1)]]}, "polygon"),
        ]
        for name, config, word in cameras:
            with pytest.raises(guarita.InvalidConfig, match=word):
                pipeline.add_camera(name, **config)
        with pytest.raises(guarita.Unsupported):
            pipeline.add_camera("other", look={"want": "faces"})
        assert [camera.id for camera in pipeline.cameras] == ["gate"]
    closed = guarita.LocalProvider(guarita.Detector(Path(__file__).parents[2] / "models/fixtures/v8_nc1.onnx"))
    closed.close()
    with pytest.raises(guarita.InvalidState, match="closed"):
        guarita.Pipeline(closed)


def test_a_class_that_no_model_has_is_refused_by_name(model: str) -> None:
    with guarita.Detector(model, min_confidence=0.6) as detector, guarita.LocalProvider(detector) as provider:
        assert provider.capability["labels"]["person"] == pytest.approx(0.6)
        with guarita.Pipeline(provider) as pipeline:
            with pytest.raises(guarita.InvalidConfig, match='trigger "visitor": classes: "persn" .* is "person" meant'):
                pipeline.add_camera("gate", triggers=[{"name": "visitor", "when": {"present": {"classes": ["persn"]}}}])
            camera = pipeline.add_camera("gate", look={"classes": ["person"]})
            (told,) = pipeline.health().degraded
            assert "counts from 0.5 on, and local reports it from 0.6" in told
            camera.update(look={"classes": ["person"], "min_confidence": 0.7})
            assert pipeline.health().degraded == []
