"""The detector: the same answers as the core gives, from every kind of caller."""

from __future__ import annotations

import asyncio
import copy
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

import guarita


def test_arrays_of_the_answer(detector: guarita.Detector, repository: pathlib.Path) -> None:
    picture = next((repository / ".pictures").rglob("*.png"), None)
    if picture is None:
        pytest.skip("no pictures: run `make pictures`")
    found = detector.detect(picture.read_bytes())
    assert len(found) == len(list(found)) == len(found.xyxy) == len(found.labels)
    assert found.xyxy.dtype == np.float32 and found.xyxy.shape == (len(found), 4)
    assert found.confidence.dtype == np.float32 and found.class_id.dtype == np.int32
    assert (np.diff(found.confidence) <= 0).all()
    for k, one in enumerate(found):
        assert tuple(found.xyxy[k]) == one.bbox.xyxy == tuple(one.bbox)
        assert (found.confidence[k], found.class_id[k], found.labels[k]) == (one.confidence, one.class_id, one.label)
    assert found.xyxy is found.xyxy
    for array in (found.xyxy, found.confidence, found.class_id):
        assert not array.flags.writeable
    data = found.to_dict()
    assert len(data["items"]) == len(found)
    assert data["frame"] == dict(zip(("width", "height"), found.size))
    assert found.timing.total == pytest.approx(
        found.timing.preprocess + found.timing.inference + found.timing.postprocess
    )


def test_every_way_to_ask_gives_the_same(detector: guarita.Detector, assets: pathlib.Path) -> None:
    data = (assets / "images" / "bus.jpg").read_bytes()
    found = detector.detect(data)
    assert sorted(set(found.labels)) == ["bus", "person"]
    assert repr(found) == "<Detections 1 bus, 3 person>"
    frame = guarita.Frame(data)
    array = np.array(frame.numpy())
    same = [
        detector.detect(frame),
        detector.detect(array),
        detector.detect(array, share=True),
        detector.detect(array[..., ::-1].copy(), format="bgr8"),
        *detector.detect_batch([data, frame]),
    ]

    async def ask() -> guarita.Detections:
        return await detector.detect_async(data)

    same.append(asyncio.run(ask()))
    with guarita.LocalProvider(detector) as local:
        same += local.detect(data, min_confidence=0).detections
    for other in same:
        assert (other.xyxy == found.xyxy).all()
        assert (other.confidence == found.confidence).all()
    drawn = found.plot(data)
    assert drawn.shape == (1080, 810, 3) and drawn.dtype == np.uint8
    assert (drawn != array).any() and (drawn == array).mean() > 0.5


def test_supervision(detector: guarita.Detector, assets: pathlib.Path) -> None:
    supervision = pytest.importorskip("supervision")
    found = detector.detect((assets / "images" / "bus.jpg").read_bytes())
    theirs = found.to_supervision()
    assert isinstance(theirs, supervision.Detections)
    assert (theirs.xyxy == found.xyxy).all()
    assert list(theirs.data["class_name"]) == found.labels
    theirs.xyxy[0] = 0
    empty = guarita.Detections(size=(10, 10)).to_supervision()
    assert len(empty) == 0


def test_detections_that_a_host_makes() -> None:
    made = guarita.Detections(
        [guarita.Detection((1, 2, 3, 4), "person", 0.5, class_id=3), guarita.Detection([5, 6, 7, 8], "cão", 0.25)],
        size=(640, 480),
    )
    assert made.labels == ["person", "cão"] and made.size == (640, 480)
    assert made[-1].label == "cão" and [one.class_id for one in made[::-1]] == [0, 3]
    with pytest.raises(IndexError):
        made[2]
    with pytest.raises(guarita.InvalidArgument, match="four numbers"):
        guarita.Detection((1, 2, 3), "person", 0.5)
    with pytest.raises(TypeError):
        guarita.Detections(["person"], size=(1, 1))  # type: ignore[list-item]


def test_detections_go_to_other_processes(detector: guarita.Detector, assets: pathlib.Path) -> None:
    found = detector.detect((assets / "images" / "bus.jpg").read_bytes())
    read = guarita.Detection((1, 2, 3, 4.5), "plate", 0.25, class_id=7, text="ABC1D23", parents=["vehicle", "thing"])
    for whole in (found, guarita.Detections([read], size=(64, 48))):
        for again in (pickle.loads(pickle.dumps(whole)), copy.deepcopy(whole)):
            assert again.to_dict() == whole.to_dict() and (again.xyxy == whole.xyxy).all()
            assert again.timing.total == pytest.approx(whole.timing.total, abs=1e-8)
    assert pickle.loads(pickle.dumps(read)).to_dict() == read.to_dict()


def test_a_config_is_checked(model: str) -> None:
    with pytest.raises(guarita.InvalidConfig, match="confidence"):
        guarita.Detector(model, min_confidence=1.5)
    with pytest.raises(guarita.InvalidConfig, match="confidence"):
        guarita.Detector(model, min_confidence=float("nan"))
    with pytest.raises(guarita.InvalidConfig, match="confidense"):
        guarita.Detector(model, confidense=0.5)  # type: ignore[call-arg]
    with pytest.raises(guarita.InvalidConfig, match="intra_op_threads|invalid type"):
        guarita.Detector(model, intra_op_threads="two")  # type: ignore[arg-type]
    with pytest.raises(guarita.InvalidConfig):
        guarita.Detector(model, max_detections=10**30)
    with pytest.raises(FileNotFoundError):
        guarita.Detector("no such model.onnx")
    with pytest.raises(TypeError):
        guarita.Detector(7)  # type: ignore[arg-type]
    # Numbers of NumPy are taken, though a type checker does not know them.
    numbers: dict[str, Any] = {"min_confidence": np.float32(0.5), "max_detections": np.int64(3)}
    assert guarita.Detector(model, **numbers).closed is False


def test_a_closed_detector_says_so(model: str) -> None:
    detector = guarita.Detector(model)
    with detector as same:
        assert same is detector and not detector.closed
    detector.close()
    assert detector.closed and "closed" in repr(detector)
    picture = np.zeros((48, 64, 3), np.uint8)
    for call in (
        lambda: detector.detect(picture),
        lambda: detector.detect_batch([]),
        lambda: detector.report,
        lambda: guarita.LocalProvider(detector),
    ):
        with pytest.raises(guarita.InvalidState, match="closed"):
            call()
    assert detector.spec.family


def test_it_is_closed_while_others_use_it(model: str, noise: np.ndarray) -> None:
    detector = guarita.Detector(model)
    outcomes: list[str] = []

    def look() -> None:
        try:
            for _ in range(50):
                detector.detect(noise)
            outcomes.append("done")
        except guarita.InvalidState:
            outcomes.append("closed")

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    detector.close()
    for thread in threads:
        thread.join(60)
    assert len(outcomes) == 4 and "closed" in outcomes


def test_asyncio_without_a_thread_for_each_call(detector: guarita.Detector, noise: np.ndarray) -> None:
    async def many() -> int:
        before = threading.active_count()
        calls = [detector.detect_async(noise) for _ in range(64)]
        tasks = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
        found = await asyncio.gather(*calls)
        assert len(found) == 64 and threading.active_count() == before
        return tasks

    threads = asyncio.run(many())
    assert threads < 32, "64 calls are not 64 threads"


def test_a_future_that_is_given_up(detector: guarita.Detector, noise: np.ndarray) -> None:
    async def give_up() -> None:
        calls = [detector.detect_async(noise) for _ in range(200)]
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(calls[-1], 0.001)
        for call in calls[8:]:
            call.cancel()
        await asyncio.gather(*calls[:8])
        assert calls[100].cancelled()

    begun = time.monotonic()
    asyncio.run(give_up())
    # 200 looks would be some seconds: what was given up before it began is not done.
    assert time.monotonic() - begun < 30


def test_a_loop_that_is_closed_with_calls_in_flight(detector: guarita.Detector, noise: np.ndarray) -> None:
    async def start() -> None:
        for _ in range(10):
            detector.detect_async(noise)

    asyncio.run(start())
    assert len(detector.detect(noise)) >= 0

    with pytest.raises(guarita.InvalidState, match="event loop"):
        detector.detect_async(noise)


def test_an_error_in_asyncio_is_raised_where_it_is_awaited(model: str) -> None:
    async def ask() -> None:
        with guarita.Detector(model) as detector:
            with pytest.raises(guarita.DataCorrupt):
                await detector.detect_async(b"")
        with pytest.raises(guarita.InvalidState):
            await detector.detect_async(np.zeros((4, 4), np.uint8))

    asyncio.run(ask())


BUSY = """
import sys, guarita, numpy
detector = guarita.Detector(sys.argv[1])
picture = numpy.zeros((480, 640, 3), "uint8")
print("ready", flush=True)
while True:
    detector.detect(picture)
"""


def test_a_python_thread_keeps_its_speed_during_inference(model: str) -> None:
    """Beside inference in this process a thread counts as fast as beside the same inference in another one."""
    count = 0
    stop = threading.Event()

    def spin() -> None:
        nonlocal count
        while not stop.is_set():
            count += 1

    def rate(seconds: float, work: object) -> float:
        begun, from_ = time.perf_counter(), count
        while time.perf_counter() - begun < seconds:
            work()  # type: ignore[operator]
        return (count - from_) / (time.perf_counter() - begun)

    picture = np.zeros((480, 640, 3), np.uint8)
    picture.flags.writeable = False
    ratios = []
    with guarita.Detector(model) as detector:
        detector.detect(picture)
        detector.detect(picture)
        spinner = threading.Thread(target=spin, daemon=True)
        spinner.start()
        try:
            for _ in range(12):
                other = subprocess.Popen([sys.executable, "-c", BUSY, model], stdout=subprocess.PIPE)
                try:
                    assert other.stdout is not None and other.stdout.readline().strip() == b"ready"
                    beside = rate(1.0, lambda: time.sleep(0.02))
                finally:
                    other.kill()
                    other.communicate()
                inside = rate(1.0, lambda: detector.detect(picture))
                ratios.append(inside / beside)
                if ratios[-1] >= 0.95:
                    break
        finally:
            stop.set()
            spinner.join()
    print(f"a Python thread beside inference: {max(ratios):.2f} of its speed")
    assert max(ratios) >= 0.95, ratios


LONG = """
import os, signal, sys, threading, time
import guarita, numpy
detector = guarita.Detector(sys.argv[1])
picture = numpy.zeros((480, 640, 3), "uint8")
sent = []
def interrupt():
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
calls = {
    "batch": lambda: detector.detect_batch([picture] * 2000),
    "provider": lambda: guarita.LocalProvider(detector, workers=1).detect([picture] * 2000),
}
threading.Timer(0.5, interrupt).start()
try:
    calls[sys.argv[2]]()
except KeyboardInterrupt:
    print(time.monotonic() - sent[0], flush=True)
    os._exit(0)
"""


@pytest.mark.parametrize("call", ["batch", "provider"])
def test_ctrl_c_in_a_long_call(model: str, call: str) -> None:
    took = []
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", LONG, model, call], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 and done.stdout, done.stderr
        took.append(float(done.stdout))
        if took[-1] < 0.2:
            break
    print(f"Ctrl-C in a call of {call}: {min(took) * 1e3:.0f} ms")
    assert min(took) < 0.2


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no SIGALRM on this system")
def test_an_exception_of_a_signal_handler_comes_through(model: str) -> None:
    class Over(Exception):
        pass

    def handler(*_: object) -> None:
        raise Over

    old = signal.signal(signal.SIGALRM, handler)
    try:
        with guarita.Detector(model) as detector:
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with pytest.raises(Over):
                detector.detect_batch([np.zeros((480, 640, 3), np.uint8)] * 500)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def test_it_works_beside_a_host_that_uses_onnxruntime(model: str) -> None:
    script = """
import sys
first, model = sys.argv[1:]
if first == "theirs":
    import onnxruntime
    theirs = onnxruntime.InferenceSession(model)
import guarita, numpy
assert first == "theirs" or "onnxruntime" not in sys.modules
ours = guarita.Detector(model)
picture = numpy.zeros((300, 300, 3), "uint8")
ours.detect(picture)
if first == "ours":
    assert "onnxruntime" not in sys.modules, "the package was imported"
    import onnxruntime
    theirs = onnxruntime.InferenceSession(model)
for _ in range(3):
    theirs.run(None, {theirs.get_inputs()[0].name: numpy.zeros((1, 300, 300, 3), "float32")})
    ours.detect(picture)
print(ours.report["onnxruntime"])
"""
    pytest.importorskip("onnxruntime")
    for first in ("ours", "theirs"):
        environment = {k: v for k, v in os.environ.items() if k not in ("GUARITA_ONNXRUNTIME", "ORT_DYLIB_PATH")}
        done = subprocess.run(
            [sys.executable, "-c", script, first, model], capture_output=True, text=True, timeout=120, env=environment
        )
        assert done.returncode == 0, done.stderr
        assert "site-packages" in done.stdout


def test_without_onnxruntime_the_error_says_what_to_install(model: str, tmp_path: pathlib.Path) -> None:
    script = """
import sys, guarita
sys.path_importer_cache.clear()
sys.meta_path.insert(0, type("Hidden", (), {"find_spec": lambda self, name, path, target=None: (_ for _ in ()).throw(
    ImportError(name)) if name == "onnxruntime" else None})())
try:
    guarita.Detector(sys.argv[1])
except guarita.RuntimeUnavailable as error:
    print(error.advice, error)
"""
    environment = {k: v for k, v in os.environ.items() if k not in ("GUARITA_ONNXRUNTIME", "ORT_DYLIB_PATH")}
    done = subprocess.run(
        [sys.executable, "-c", script, model], capture_output=True, text=True, timeout=60, env=environment, cwd=tmp_path
    )
    assert done.stdout.startswith("FixHost"), done.stdout + done.stderr
    assert "pip install onnxruntime" in done.stdout


def test_nothing_is_fetched_or_imported_at_import() -> None:
    script = """
import socket, sys
def refuse(*_a, **_k): raise AssertionError("network")
socket.socket.connect = refuse
import guarita
heavy = {"onnxruntime", "cv2", "PIL", "asyncio", "torch", "supervision"} & set(sys.modules)
print(sorted(heavy))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
