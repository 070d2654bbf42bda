#!/usr/bin/env python3
"""What the Python face costs beside what is behind it, and beside the usual ways.

Four parts: what a call costs beside a call that does nothing; a frame handed over to a pipeline in this process beside
`multiprocessing.Queue` and Celery; a whole detection beside the same model with ONNX Runtime's own Python, NumPy and OpenCV
(and Ultralytics, where it is installed); and how much of its speed a Python thread keeps meanwhile. Each pair takes turns in
one run, and the minimum counts.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import multiprocessing
import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import cv2
import numpy as np
import onnxruntime

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import peer as p  # noqa: E402
from common import cpu_model, table, title  # noqa: E402

import guarita  # noqa: E402

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PARTS = ("call", "handover", "detect", "free")


def best(work: Callable[[], object], calls: int, rounds: int) -> float:
    """The least time of a call in seconds, over rounds of so many calls."""
    least = float("inf")
    for _ in range(rounds):
        begun = time.perf_counter()
        for _ in range(calls):
            work()
        least = min(least, (time.perf_counter() - begun) / calls)
    return least


def picture() -> np.ndarray:
    """1080p in which something is to be found, where OpenCV has drawn it; BGR, read-only."""
    rng = np.random.default_rng(11)
    image = cv2.resize(rng.integers(0, 256, (27, 48, 3), dtype=np.uint8), (1920, 1080), interpolation=cv2.INTER_CUBIC)
    image.flags.writeable = False
    return image


# ------------------------------------------------------------------------------------------------------- one call


def run_call(rounds: int) -> dict:
    title(f"1. A call with a 1080p array beside one that does nothing (minimum of {rounds} rounds)")
    array = picture()
    calls = 20_000
    nothing = best(lambda: id(array), calls, rounds)
    frame = best(lambda: guarita.Frame(array), calls, rounds)
    # A detector whose model does next to nothing: what the call costs around what the core says that it did.
    model = REPOSITORY / "models" / "fixtures" / "rfdetr_nc80.onnx"
    around, found = run_around(model, rounds)
    rows = [
        ["nothing: id(array)", f"{nothing * 1e6:.3f}", ""],
        ["guarita.Frame(array), read-only", f"{frame * 1e6:.3f}", f"{(frame - nothing) * 1e6:.3f}"],
        [f"detector.detect(array) around the core, {found} detections", f"{around * 1e6:.3f}", f"{around * 1e6:.3f}"],
    ]
    table(["us", "call", "over nothing"], rows)
    return {"nothing_us": nothing * 1e6, "frame_us": (frame - nothing) * 1e6, "detect_us": around * 1e6, "found": found}


def run_around(model: pathlib.Path, rounds: int) -> tuple[float, int]:
    small = cv2.resize(picture(), (64, 64))
    small.flags.writeable = False
    with guarita.Detector(model, min_confidence=0.0, max_detections=20) as detector:
        around = []
        for _ in range(rounds * 200):
            begun = time.perf_counter()
            found = detector.detect(small)
            took = time.perf_counter() - begun
            around.append(took - found.timing.total)
        return min(around), len(found)


# -------------------------------------------------------------------------------------------------- handing over


def run_handover(rounds: int) -> dict:
    title("2. Handing over the same 1080p frame")
    array = picture()
    found = guarita.Detections(size=(1920, 1080))
    provider = guarita.CallbackProvider(lambda request: [found] * len(request.frames))
    with guarita.Pipeline(provider) as pipeline:
        # Every frame is taken, and gives way to the next one, as when a camera is faster than who looks.
        camera = pipeline.add_camera("gate", fps=0, motion=False, queue={"policy": "drop_oldest"})
        times = itertools.count()
        ours = best(lambda: camera.push(array, pts=next(times) / 1e4), 5_000, rounds)
        account = camera.stats().account
        assert account.failed == 0 and account.pushed == 5_000 * rounds, account
    rows = [["camera.push(array), this process", f"{ours * 1e6:.1f}", "1"]]
    queue = run_queue(array, rounds)
    rows.append(["multiprocessing.Queue, put to get", f"{queue * 1e6:.1f}", f"{queue / ours:.0f}"])
    celery = run_celery(array, rounds)
    if celery is not None:
        rows.append(["Celery, apply_async to the task's begin", f"{celery * 1e6:.1f}", f"{celery / ours:.0f}"])
    table(["us", "a frame", "times ours"], rows)
    return {"ours_us": ours * 1e6, "queue_us": queue * 1e6, "celery_us": celery and celery * 1e6}


def echo(frames: multiprocessing.Queue, times: multiprocessing.Queue) -> None:
    while frames.get() is not None:
        times.put(time.monotonic())


def run_queue(array: np.ndarray, rounds: int) -> float:
    context = multiprocessing.get_context("spawn")
    frames, times = context.Queue(), context.Queue()
    process = context.Process(target=echo, args=(frames, times), daemon=True)
    process.start()
    least = float("inf")
    for _ in range(3 + 5 * rounds):
        begun = time.monotonic()
        frames.put(array)
        least = min(least, times.get(timeout=60) - begun)
    frames.put(None)
    process.join(10)
    return least


def run_celery(array: np.ndarray, rounds: int) -> float | None:
    """A worker in this process on Celery's own broker in memory: what serialising costs, and no network."""
    try:
        import celery
        import kombu.transport.memory
        from celery.contrib.testing.worker import start_worker
    except ImportError:
        print("  Celery is not installed: left out")
        return None
    app = celery.Celery("compare", broker="memory://", backend="cache+memory://")
    app.conf.update(
        task_serializer="pickle", accept_content=["pickle"], worker_log_color=False, task_ignore_result=True
    )
    # By default it looks once a second, and reads no other number from a config.
    kombu.transport.memory.Transport.polling_interval = 0.001
    begun_at: list[float] = []
    arrived = threading.Event()

    @app.task(name="look")
    def look(frame: np.ndarray) -> None:
        begun_at.append(time.monotonic())
        arrived.set()

    least = float("inf")
    with start_worker(app, pool="solo", perform_ping_check=False, loglevel="CRITICAL"):
        for _ in range(3 + 5 * rounds):
            arrived.clear()
            begun = time.monotonic()
            look.apply_async((array,))
            if not arrived.wait(60):
                return None
            least = min(least, begun_at[-1] - begun)
    return least


# ----------------------------------------------------------------------------------------------- a whole detection


def run_detect(model: pathlib.Path, rounds: int) -> dict:
    title(f"3. Pixels to boxes with {model.stem}, 1080p, one thread, turn by turn (minimum of {rounds} rounds)")
    array = picture()
    cv2.setNumThreads(1)
    theirs = p.Peer(model)
    tensor, _ = theirs.prepare(array)
    ways: dict[str, Callable[[], object]] = {}
    with guarita.Detector(model, min_confidence=0.25, iou=0.45) as detector:
        ways["session.run alone"] = lambda: theirs.run(tensor)
        ways["guarita"] = lambda: detector.detect(array, format="bgr8")
        ways["onnxruntime, NumPy, OpenCV"] = lambda: theirs.detect(array)
        ultralytics = run_ultralytics(model)
        if ultralytics is not None:
            ways["ultralytics"] = lambda: ultralytics(array)
        least = dict.fromkeys(ways, float("inf"))
        inside = float("inf")
        for turn in range(rounds * 4):
            for name in list(ways) if turn % 2 else list(ways)[::-1]:
                least[name] = min(least[name], best(ways[name], 2, 1))
            inside = min(inside, detector.detect(array, format="bgr8").timing.inference)
    bare = least["session.run alone"]
    table(
        ["ms", "a picture", "times session.run"], [[n, f"{t * 1e3:.3f}", f"{t / bare:.3f}"] for n, t in least.items()]
    )
    print(f"  (the core's own run of the same model: {inside * 1e3:.3f} ms)")
    return {
        "model": model.stem,
        "ms": {name: t * 1e3 for name, t in least.items()},
        "inference_ms": inside * 1e3,
        "ours": least["guarita"] / bare,
        "plain": least["onnxruntime, NumPy, OpenCV"] / bare,
    }


def run_ultralytics(model: pathlib.Path) -> Callable[[np.ndarray], object] | None:
    if p.FAMILIES[model.stem] != "ultralytics":
        return None
    try:
        import torch
        import ultralytics
    except ImportError:
        print("  Ultralytics is not installed: left out")
        return None
    torch.set_num_threads(1)
    opened = ultralytics.YOLO(str(model), task="detect")
    return lambda array: opened(array, verbose=False)


# ------------------------------------------------------------------------------------------------ beside a thread

BUSY = """
import sys, guarita, numpy
detector = guarita.Detector(sys.argv[1])
array = numpy.zeros((1080, 1920, 3), "uint8")
array.flags.writeable = False
print("ready", flush=True)
while True:
    detector.detect(array)
"""


def run_free(model: pathlib.Path, rounds: int) -> dict:
    """The rate at which a Python thread counts while this process detects, to that while another process does."""
    title("4. What a Python thread keeps of its speed while another one detects")
    count = 0
    stop = threading.Event()

    def spin() -> None:
        nonlocal count
        while not stop.is_set():
            count += 1

    def rate(work: Callable[[], object]) -> float:
        begun, before = time.perf_counter(), count
        while time.perf_counter() - begun < 1.0:
            work()
        return (count - before) / (time.perf_counter() - begun)

    array = picture()
    ratios = []
    with guarita.Detector(model) as detector:
        for _ in range(3):
            detector.detect(array)
        spinner = threading.Thread(target=spin, daemon=True)
        spinner.start()
        for _ in range(rounds):
            other = subprocess.Popen([sys.executable, "-c", BUSY, str(model)], stdout=subprocess.PIPE)
            assert other.stdout is not None
            other.stdout.readline()
            beside = rate(lambda: time.sleep(0.02))
            other.kill()
            other.communicate()
            ratios.append(rate(lambda: detector.detect(array)) / beside)
        stop.set()
        spinner.join()
    middle = min(statistics.median(ratios), 1.0)
    print("  of its speed beside the same work in another process: " + ", ".join(f"{ratio:.2f}" for ratio in ratios))
    return {"ratios": ratios, "percent": middle * 100}


# ------------------------------------------------------------------------------------------------------------ main


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", type=pathlib.Path, default=REPOSITORY / ".models" / "coco_ssd_mobilenet_v2.onnx", metavar="FILE",
        help=f"of the parts detect and free; a model that the peer knows: {', '.join(p.FAMILIES)}")  # fmt: skip
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=f"of {', '.join(PARTS)}")
    add("--rounds", type=int, default=7, help="rounds of each part (default 7)")
    add("--record", nargs="?", type=pathlib.Path, metavar="FILE",
        const=REPOSITORY / "benches" / "record" / f"{datetime.date.today()}-compare-python.json",
        help="also write every figure to FILE as JSON (default benches/record/<date>-compare-python.json)")  # fmt: skip
    args = parser.parse_args()
    if not args.model.is_file():
        print(f"compare-python: there is no model at {args.model}: run `make models`", file=sys.stderr)
        return 1
    versions = {"guarita": guarita.__version__, "onnxruntime": onnxruntime.__version__, "opencv": cv2.__version__,
                "numpy": np.__version__, "python": sys.version.split()[0]}  # fmt: skip
    record: dict = {"date": str(datetime.date.today()), "cpu": cpu_model(), "cores": os.cpu_count(), "versions": versions,
                    "load_before": os.getloadavg()[0]}  # fmt: skip
    print(f"compare-python: {record['cpu']}, {record['cores']} cores, load {record['load_before']:.1f} before; "
          + ", ".join(map(" ".join, versions.items())))  # fmt: skip
    if "call" in args.parts:
        record["call"] = run_call(args.rounds)
    if "handover" in args.parts:
        record["handover"] = run_handover(args.rounds)
    if "detect" in args.parts:
        record["detect"] = run_detect(args.model, args.rounds)
    if "free" in args.parts:
        record["free"] = run_free(args.model, args.rounds)
    figures = []
    if call := record.get("call"):
        figures.append(f"call {call['frame_us']:.2f} us")
    if detect := record.get("detect"):
        figures.append(f"overhead {detect['ours']:.3f} × session.run (plain numpy {detect['plain']:.3f})")
    if free := record.get("free"):
        figures.append(f"GIL free {free['percent']:.0f}%")
    record["summary"] = f"python: {', '.join(figures)}"
    if args.record:
        args.record.parent.mkdir(parents=True, exist_ok=True)
        args.record.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    print(f"\n{record['summary']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
