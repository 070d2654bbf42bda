"""Interpreters, threads and numbers that hosts do not mean."""

from __future__ import annotations

import subprocess
import datetime as dt
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import guarita


def test_a_subinterpreter_is_refused_with_words() -> None:
    script = """
import guarita
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters
made = interpreters.create()
for module in ("guarita", "guarita._native"):
    try:
        failed = interpreters.run_string(made, "import " + module)
        print(getattr(failed, "msg", failed))
    except Exception as error:
        print(error)
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    *refused, alive = done.stdout.splitlines()
    assert all("subinterpreter" in line for line in refused) and alive == "alive", done.stdout


def test_huge_lists() -> None:
    with pytest.raises(guarita.GuaritaError):
        guarita.Polygon([(0.5, 0.5)] * 1_000_000)
    with pytest.raises(guarita.GuaritaError):
        guarita.Frame(np.zeros((4, 4), np.uint8), limits={"max_pixels": 10**40})


def test_values_inside_values_end_somewhere() -> None:
    nested: dict[str, object] = {}
    nested["max_pixels"] = nested
    with pytest.raises(guarita.InvalidConfig, match="deep"):
        guarita.Frame(np.zeros((4, 4), np.uint8), limits=nested)  # type: ignore[arg-type]


#: Milliseconds, microseconds and nanoseconds since 1970 among them.
NO_TIMES = [float("inf"), float("-inf"), float("nan"), 1e300, 1.764e12, 1_764_000_000_000_000, 10**400, 1.764e18]


@pytest.mark.parametrize("pts", NO_TIMES, ids=lambda pts: str(pts)[:12])
def test_what_can_be_no_time_is_refused_with_words(pts: float) -> None:
    image = np.zeros((48, 64), np.uint8)
    trigger = guarita.Trigger(name="any", when={"present": {}})
    clock = guarita.ManualClock()
    budget = guarita.Budget(clock=clock)
    calls: dict[str, Callable[[], object]] = {
        "pts": lambda: guarita.Frame(image, pts=pts),
        "pts of a gate": lambda: guarita.MotionGate().observe(image, pts=pts),
        "pts of a trigger": lambda: trigger.observe([], pts=pts, size=(64, 48)),
        "now": lambda: guarita.CircuitBreaker().acquire(now=pts),
        "unix": lambda: guarita.ManualClock(pts),
        "set_unix": lambda: clock.set_unix(pts),
        "the time of a budget": lambda: budget.report(now=(pts, 0)),
        "the date of a budget": lambda: budget.report(now=(0, pts)),
    }
    for name, call in calls.items():
        with pytest.raises((guarita.InvalidArgument, TypeError, OverflowError)) as refused:
            call()
        assert len(str(refused.value)) < 300, name
    with pytest.raises(guarita.InvalidArgument, match=r"^pts\b.*(no time|no number|must be seconds)"):
        guarita.Frame(image, pts=pts)


def test_a_datetime_that_is_too_far_off_is_refused_under_its_name() -> None:
    calls: dict[str, Callable[[], object]] = {
        "pts": lambda: guarita.Frame(np.zeros((4, 4), np.uint8), pts=dt.datetime(1, 1, 1)),
        "the time": lambda: guarita.ManualClock(dt.datetime(1, 1, 1)),
    }
    for name, call in calls.items():
        with pytest.raises(guarita.InvalidArgument, match=f"^{name}"):
            call()


def test_what_nobody_saw_fires_no_trigger() -> None:
    trigger = guarita.Trigger(name="any", when={"present": {}})
    for box, confidence in (
        ((1, 1, 20, 20), 37.0),
        ((1, 1, 20, 20), float("nan")),
        ((1, 1, float("inf"), 20), 0.9),
        ((9, 9, 1, 1), 0.9),
    ):
        found = guarita.Detection(box, "a", confidence)
        with pytest.raises(guarita.InvalidArgument):
            found.check()
        with pytest.raises(guarita.InvalidArgument):
            trigger.observe([(0, found)], pts=0.0, size=(64, 48))
    guarita.Detection((1, 1, 20, 20), "a", 0.9).check()


def test_microseconds_are_told_from_seconds() -> None:
    with pytest.raises(guarita.InvalidArgument, match="pts: 1.764e15 is no time.*microseconds by 1e6"):
        guarita.Frame(np.zeros((4, 4), np.uint8), pts=1_764_000_000_000_000)
    assert guarita.Frame(np.zeros((4, 4), np.uint8), pts=1_764_000_000.5).pts == 1_764_000_000.5


def test_text_that_is_no_unicode_is_refused_under_its_name(pipeline: guarita.Pipeline, fixtures: Path) -> None:
    image, bad, model = np.zeros((48, 64, 3), np.uint8), "a\ud800b", fixtures / "v8_nc1.onnx"
    arguments: dict[str, Callable[[], object]] = {
        "camera": lambda: guarita.Frame(image, camera=bad),
        "format": lambda: guarita.Frame(image, format=bad),  # type: ignore[arg-type]
        "id": lambda: pipeline.add_camera(bad),
        "label": lambda: guarita.Detection((0, 0, 1, 1), bad, 0.5),
        "text": lambda: guarita.Detection((0, 0, 1, 1), "sign", 0.5, text=bad),
        "kind": lambda: guarita.check_config(bad, {}),
        "url": lambda: guarita.WebhookSink(bad),
        "tenant": lambda: guarita.LocalProvider(guarita.Detector(model)).detect(image, tenant=bad),
        "idempotency_key": lambda: guarita.LocalProvider(guarita.Detector(model)).detect(image, idempotency_key=bad),
        "api": lambda: guarita.Budget().reserve(bad),
        "key": lambda: guarita.RateLimit(per_second=1).try_acquire(bad),
        "secret_access_key": lambda: guarita.RekognitionProvider(access_key_id="a", secret_access_key=bad),
        "path": lambda: guarita.Frame.open(bad),
        "path_or_url": lambda: guarita.VideoSource(bad),
        "journal": lambda: guarita.Budget(journal=bad),
        "model": lambda: guarita.doctor(bad),
    }
    for argument, call in arguments.items():
        with pytest.raises(guarita.InvalidArgument, match=f"^{argument}: .*lone surrogate"):
            call()
    fields: dict[str, Callable[[], object]] = {
        "name": lambda: guarita.Trigger(name=bad, when={"present": {}}),
        "classes": lambda: guarita.Trigger(name="a", when={"present": {"classes": ["person", bad]}}),
        "tenant": lambda: pipeline.add_camera("one", tenant=bad),
        "label_map": lambda: guarita.check_config("RekognitionConfig", {"label_map": {bad: "truck"}}),
    }
    for field, call in fields.items():
        with pytest.raises(guarita.InvalidConfig, match=f"{field}.*lone surrogate"):
            call()


def test_a_message_repeats_no_long_value(pipeline: guarita.Pipeline, tmp_path: Path) -> None:
    long = "x" * 100_000
    calls: list[Callable[[], object]] = [
        lambda: guarita.check_config(long, {}),
        lambda: guarita.check_config("CameraConfig", {"id": "a", long: 1}),
        lambda: guarita.check_config("CameraConfig", {"id": "a", "fps": long}),
        lambda: guarita.check_config("CameraConfig", {"id": "a", "fps": [1] * 100_000}),
        lambda: guarita.check_config("CameraConfig", {"id": "a", "priority": long}),
        lambda: guarita.check_config("CameraConfig", {"id": "a", "fps": 10**4000}),
        lambda: guarita.check_config("CameraConfig", {"id": "a", 10**4000: 1}),  # type: ignore[dict-item]
        lambda: guarita.Frame(np.zeros((4, 4), np.uint8), pts=long),  # type: ignore[arg-type]
        lambda: guarita.Frame(np.zeros((4, 4), np.uint8), format=long),  # type: ignore[arg-type]
        lambda: guarita.Frame.open(tmp_path / long),
        lambda: guarita.VideoSource(tmp_path / long),
        lambda: guarita.VideoSource(Path("nothing://" + long)),
        lambda: guarita.ModelSpec.read(tmp_path / long),
        lambda: guarita.WebhookSink("ftp://" + long),
        lambda: guarita.RekognitionProvider(region=long),
        lambda: guarita.RekognitionProvider(endpoint="https://" + long),
        lambda: pipeline.camera(long),
        lambda: pipeline.shutdown(long),  # type: ignore[arg-type]
        lambda: guarita.Detector(tmp_path / "none.onnx", execution_provider=long),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises((guarita.GuaritaError, TypeError)) as refused:
            call()
        assert 0 < len(str(refused.value)) < 4_200, str(refused.value)[:200]


def test_secrets_of_addresses_are_shown_nowhere(tmp_path: Path) -> None:
    for url in (
        "nothing://admin:hunter2@camera/1",
        "RTSP://admin:hunter2@127.0.0.1:1/1",
        "rtsp://admin:a/hunter2@127.0.0.1:1/",
        "rtsp://127.0.0.1:1/user=admin&password=hunter2",
        "http://127.0.0.1:1/a?user=admin&password=hunter2",
        "rtsp:/admin:hunter2@camera/1",
        "admin:hunter2@camera/1",
        "//admin:hunter2@camera/1",
        "rtsp//admin:hunter2@camera/1",
        "rtsp:\\\\admin:hunter2@camera/1",
        "rtsp%3A%2F%2Fadmin%3Ahunter2%40camera",
        "rtsp://admin:hunter2%40127.0.0.1:1/x",
        "rtsp://admin:x\nhunter2@127.0.0.1:1/x",
        "camera/x?user=admin&password=hunter2",
    ):
        with pytest.raises(guarita.GuaritaError) as refused:
            guarita.VideoSource(url)
        shown = f"{refused.value!r} {refused.value} {refused.value.context}"
        assert "hunter2" not in shown, shown
    for url in (
        "https://hooks.example/hunter2",
        "https://hooks.example?token=hunter2",
        "https://hooks.example#hunter2",
    ):
        assert "hunter2" not in repr(guarita.WebhookSink(url)) and "hooks.example" in repr(guarita.WebhookSink(url))


def test_a_frame_is_let_go_on_any_thread() -> None:
    frames = [guarita.Frame(np.zeros((48, 64, 3), np.uint8), share=True) for _ in range(100)]

    def drop() -> None:
        while frames:
            try:
                frames.pop()
            except IndexError:
                return

    threads = [threading.Thread(target=drop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not frames


def test_objects_cannot_be_made_or_changed_by_the_side_door() -> None:
    with pytest.raises(TypeError):
        guarita.Health()
    frame = guarita.Frame(np.zeros((4, 4), np.uint8))
    with pytest.raises(AttributeError):
        frame.size = (1, 1)  # type: ignore[misc]
    with pytest.raises(TypeError):
        type("Mine", (guarita.Frame,), {})
