#!/usr/bin/env python3
"""Measures how many 1080p cameras at one picture a second this library's pipeline sustains, beside a flow as it is usually
written in Python: OpenCV's MOG2 on whole frames, multiprocessing.Queue, ONNX Runtime.

The library is reached through a small program (--ours) that reads one JSON object per line and answers one per line. It
draws the cameras' pictures; OpenCV writes them as JPEG, and both sides work on the same files.

  handover  what it takes until another process has a frame, through multiprocessing.Queue: 6.2 MB of pixels, and a JPEG.
  flow      the Python flow: one process hands JPEGs to a worker for each core; a worker decodes, runs MOG2, and asks the
            detector where more than 0.2 % of the pixels move. It runs as fast as it can: frames a second are cameras.
  ours      the pipeline in real time, with more cameras until one of the limits is met.
  overload  as many cameras at ten pictures a second: how evenly what can be done is shared (Jain's index), what critical
            cameras lose, and whether memory grows.

All processes of a side share the same cores (--cores). Both sides use one thread a core, inference included.

Exit status: 0 when the comparison ran, whatever it found; 1 when something is broken.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import multiprocessing
import os
import pathlib
import resource
import statistics
import sys
import tempfile
import time

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import cv2
import numpy as np
import onnxruntime

from common import Broken, Program, Refused, cpu_model, progress, progress_done, scratch_folder, table, title
from peer import Peer

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PARTS = ("handover", "flow", "ours", "overload")
QUALITY = 85
# What a flow as usual calls motion: this share of the pixels, shadows not counted.
MOVING = 0.002
SHADOW = 200  # MOG2 says 127 for a shadow and 255 for what moves
# What the pipeline has to keep to.
MOST_AGE_MS, MOST_CPU, MOST_RSS_GB = 1000, 90, 1.5
# MOG2's model: 5 modes of a weight, a variance and a mean of 3 for every pixel, as float32.
MODEL_GB = 1920 * 1080 * 5 * 5 * 4 / 1e9

mp = multiprocessing.get_context("spawn")


@dataclasses.dataclass
class Cameras:
    """Which picture a camera shows when."""

    folder: pathlib.Path
    plan: dict

    def picture(self, camera: int, second: int) -> tuple[int, int]:
        street, start = self.plan["cameras"][camera]
        course = self.plan["course"]
        return street, course[(second + start) % len(course)]

    def read(self) -> list[list[bytes]]:
        pictures = range(self.plan["still"] + self.plan["walk"])
        path = lambda street, picture: self.folder / f"{street:02}-{picture:02}.jpg"  # noqa: E731
        return [[path(street, k).read_bytes() for k in pictures] for street in range(self.plan["streets"])]


def draw(ours: Program, folder: pathlib.Path, most: int, seed: int) -> Cameras:
    """All streets as JPEG files in the folder, 4:2:0 as cameras send them."""
    cameras = Cameras(folder, ours.call("plan", cameras=most))
    plan, raw = cameras.plan, folder / "raw"
    shape = (plan["still"] + plan["walk"], plan["height"], plan["width"], 3)
    sizes = []
    for street in range(plan["streets"]):
        progress(f"drawing street {street + 1} of {plan['streets']}")
        ours.call("draw", street=street, seed=seed, out=str(raw))
        for k, picture in enumerate(np.fromfile(raw, np.uint8).reshape(shape)):
            data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
            (folder / f"{street:02}-{k:02}.jpg").write_bytes(data)
            sizes.append(len(data))
    raw.unlink()
    progress_done()
    print(f"  {plan['streets']} streets, {len(sizes)} JPEGs of {min(sizes) // 1000}..{max(sizes) // 1000} kB at quality {QUALITY}; "
          f"{100 * plan['walk'] / len(plan['course']):.0f} % of what a camera shows has somebody in it")  # fmt: skip
    return cameras


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


# ------------------------------------------------------------------------------------------------------- handover


def receiver(queue, back, count: int) -> None:
    for _ in range(count):
        item = queue.get()
        back.send((time.perf_counter(), len(item)))
    back.send(cpu_seconds())


def handover(item, count: int) -> dict:
    """Median microseconds from `put` until `get` has returned in another process, one item at a time."""
    queue, (here, there) = mp.Queue(), mp.Pipe()
    process = mp.Process(target=receiver, args=(queue, there, count), daemon=True)
    process.start()
    whole, call = [], []
    for k in range(count):
        start = time.perf_counter()  # the same clock in all processes of a machine
        queue.put(item)
        called = time.perf_counter()
        if not here.poll(60):
            raise Broken("multiprocessing.Queue did not hand an item over within a minute")
        got, _ = here.recv()
        if k >= count // 10:
            whole.append(1e6 * (got - start))
            call.append(1e6 * (called - start))
    here.recv()
    process.join()
    return {"median_us": statistics.median(whole), "least_us": min(whole), "p99_us": float(np.percentile(whole, 99)),
            "put_us": statistics.median(call)}  # fmt: skip


def run_handover(cameras: Cameras) -> dict:
    title("multiprocessing.Queue: until another process has a frame")
    jpeg = cameras.read()[0][0]
    frame = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    figures = {"bgr": handover(frame, 200), "jpeg": handover(jpeg, 400)}
    sizes = {"bgr": frame.nbytes, "jpeg": len(jpeg)}
    table(["", "bytes", "median us", "least", "p99", "in put"],
          [[name, str(sizes[name]), *(f"{one[key]:.0f}" for key in ("median_us", "least_us", "p99_us", "put_us"))]
           for name, one in figures.items()])  # fmt: skip
    return figures


# ----------------------------------------------------------------------------------------------------------- flow


def producer(cameras: Cameras, queues: list, back, count: int, warm: int, stop) -> None:
    """Hands over what the cameras show, second by second, as fast as the workers take it."""
    pictures = cameras.read()
    second, cpu = 0, 0.0
    while not stop.is_set():
        if second == warm:
            cpu = cpu_seconds()
        for camera in range(count):
            # The first seconds show the empty street, so that the models know it before anything counts.
            street, picture = cameras.picture(camera, second - warm)
            if second < warm:
                picture %= cameras.plan["still"]
            queues[camera % len(queues)].put((camera, second, pictures[street][picture]))
        second += 1
    back.send((cpu_seconds() - cpu) / max(1, (second - warm) * count))
    for queue in queues:
        queue.put(None)


def worker(queue, back, model: str, warm: int, seconds: float, ready) -> None:
    """Decode, MOG2, detector: until the time is over."""
    cv2.setNumThreads(1)
    peer, models = Peer(model, confidence=0.5), {}
    frames = opened = objects = walks = 0
    stages = dict.fromkeys(("wait", "decode", "mog2", "detect"), 0.0)
    began = cpu = None
    while True:
        start = time.perf_counter()
        item = queue.get()
        if item is None:
            break
        camera, second, data = item
        got = time.perf_counter()
        if began is None and second >= warm:
            ready.wait()
            began, cpu, start, got = time.perf_counter(), cpu_seconds(), time.perf_counter(), time.perf_counter()
        frame = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        decoded = time.perf_counter()
        if camera not in models:
            models[camera] = cv2.createBackgroundSubtractorMOG2()
        mask = models[camera].apply(frame)
        moving = cv2.countNonZero(cv2.threshold(mask, SHADOW, 255, cv2.THRESH_BINARY)[1]) / mask.size
        seen = time.perf_counter()
        found = peer.detect(frame) if moving > MOVING else None
        end = time.perf_counter()
        if began is None:
            continue
        if end - began > seconds:
            break
        frames += 1
        opened += found is not None
        objects += len(found) if found is not None else 0
        for name, took in zip(stages, (got - start, decoded - got, seen - decoded, end - seen)):
            stages[name] += took
    took = time.perf_counter() - began
    back.send({"frames": frames, "opened": opened, "objects": objects, "seconds": took, "cpu": cpu_seconds() - cpu,
               "stages": stages, "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9})  # fmt: skip
    while queue.get() is not None:
        pass


def run_flow(cameras: Cameras, model: pathlib.Path, cores: int, count: int, seconds: float) -> dict:
    title(f"the Python flow: {cores} workers, {count} cameras, {seconds:.0f} s")
    # MOG2 counts its second picture half, the third a third, and so on: after 12 it has settled on what stands still.
    warm = 12
    queues = [mp.Queue(maxsize=8) for _ in range(cores)]
    ends, ready, stop = [mp.Pipe(duplex=False) for _ in range(cores)], mp.Barrier(cores), mp.Event()
    workers = [mp.Process(target=worker, args=(queue, end[1], str(model), warm, seconds, ready), daemon=True)
               for queue, end in zip(queues, ends)]  # fmt: skip
    spent = mp.Pipe(duplex=False)
    source = mp.Process(target=producer, args=(cameras, queues, spent[1], count, warm, stop), daemon=True)
    for process in [*workers, source]:
        process.start()
    for _, there in [*ends, spent]:
        there.close()  # so that a process that dies is heard of

    def answer(end, within: float):
        try:
            if end.poll(within):
                return end.recv()
        except EOFError:
            pass
        raise Broken("a process of the Python flow ended, or does not answer")

    answers = [answer(end, 60 + 5 * seconds + 10 * count) for end, _ in ends]
    stop.set()
    cpu_source = answer(spent[0], 60)
    for process in [*workers, source]:
        process.join(30)
    fps = sum(one["frames"] / one["seconds"] for one in answers)
    frames = sum(one["frames"] for one in answers)
    cpu = sum(one["cpu"] for one in answers) / frames + cpu_source
    stage = {name: 1e3 * sum(one["stages"][name] for one in answers) / frames for name in answers[0]["stages"]}
    opened = sum(one["opened"] for one in answers)
    figures = {
        "cameras": fps,
        # Where others use the cores too, the wall clock says less than it might.
        "cameras_by_cpu": cores / cpu,
        "cpu_ms": 1e3 * cpu,
        "frames": frames,
        "open_percent": 100 * opened / frames,
        "detect_ms": 1e3 * sum(one["stages"]["detect"] for one in answers) / max(opened, 1),
        "ms": stage,
        "rss_gb": sum(one["rss"] for one in answers),
        "model_gb": MODEL_GB,
    }
    table(["a frame", "ms"], [[name, f"{ms:.2f}"] for name, ms in stage.items()])
    print(f"  {fps:.1f} frames a second are {fps:.0f} cameras ({cores / cpu:.0f} by the processor time of all three processes); "
          f"{figures['open_percent']:.1f} % of {frames} frames open, {figures['detect_ms']:.0f} ms each")  # fmt: skip
    if fps < 0.8 * cores / cpu:
        print("  others used the cores meanwhile: the wall clock says too little, and all figures want a quiet machine")
    print(f"  MOG2 keeps {MODEL_GB:.2f} GB a camera: {fps * MODEL_GB:.0f} GB for {fps:.0f} cameras "
          f"({figures['rss_gb']:.1f} GB for the {count} here)")  # fmt: skip
    return figures


# ----------------------------------------------------------------------------------------------------------- ours


def run_ours(cameras: Cameras, model: pathlib.Path, args: argparse.Namespace) -> dict:
    """The most cameras of a list that keep to the limits, by halving; each try in a new process, whose memory counts."""
    title(f"the pipeline: {args.cores} threads, {args.seconds:.0f} s")
    counts = [count for count in (50, 100, 150, 200, 250, 300, 350, 400, 450, 500, 600) if count <= args.most]
    tried, best, low, high = [], None, 0, len(counts) - 1
    while low <= high:
        middle = (low + high) // 2
        progress(f"{counts[middle]} cameras")
        with Program(args.ours, timeout=120 + 3 * args.seconds) as ours:
            figures = ours.call("run", folder=str(cameras.folder), model=str(model), cameras=counts[middle],
                                threads=args.cores, seconds=args.seconds, warm_up=15.0, rate=1)["figures"]  # fmt: skip
        progress_done()
        fits = (figures["lost"] == 0 and figures["p99_age_ms"] <= MOST_AGE_MS and figures["cpu_percent"] <= MOST_CPU
                and figures["rss_gb"] <= MOST_RSS_GB)  # fmt: skip
        tried.append({"cameras": counts[middle], "fits": fits, **figures})
        if fits:
            best, low = tried[-1], middle + 1
        else:
            high = middle - 1
    tried.sort(key=lambda one: one["cameras"])
    keys = ["p50_age_ms", "p99_age_ms", "jain", "rss_gb", "cpu_percent", "hand_over_us", "lost"]
    table(["cameras", *keys, "fits"], [[str(one["cameras"]), *(f"{one[key]:.4g}" for key in keys), "yes" if one["fits"] else "NO"]
                                       for one in tried])  # fmt: skip
    if best is None:
        raise Refused(f"it keeps to the limits with none of {counts}")
    return {"best": best, "tried": tried}


# ------------------------------------------------------------------------------------------------------- overload


def run_overload(cameras: Cameras, model: pathlib.Path, args: argparse.Namespace, count: int) -> dict:
    """Ten times the frames that the cores can do: who loses, and what it costs."""
    title(f"ten times the load: {count} cameras at 10 pictures a second, {args.cores} threads, {args.seconds:.0f} s")
    progress(f"{count} cameras")
    with Program(args.ours, timeout=120 + 3 * args.seconds) as ours:
        figures = ours.call("run", folder=str(cameras.folder), model=str(model), cameras=count, threads=args.cores,
                            seconds=args.seconds, warm_up=15.0, rate=10)["figures"]  # fmt: skip
    progress_done()
    keys = ["pushed", "lost", "critical_pushed", "critical_lost", "jain", "p99_age_ms", "rss_begin_gb", "rss_end_gb"]
    table(keys, [[f"{figures[key]:.6g}" if isinstance(figures[key], int) else f"{figures[key]:.4g}" for key in keys]])
    print(f"  {100 * figures['lost'] / figures['pushed']:.0f} % of the frames gave way; of the critical cameras', "
          f"{figures['critical_lost']} of {figures['critical_pushed']}")  # fmt: skip
    return {"cameras": count, **figures}


# ----------------------------------------------------------------------------------------------------------- main


def summary(record: dict, cores: int) -> str:
    best = record.get("ours", {}).get("best")
    ours = "not measured"
    hand = "-"
    if best:
        # Where there is enough for all, sharing is no art.
        jain = record.get("overload", best)["jain"]
        ours = (f"{best['cameras']} cameras @1fps on {cores} cores, p99 age {best['p99_age_ms']:.0f} ms, "
                f"Jain {jain:.3f}, RSS {best['rss_gb']:.2f} GB")  # fmt: skip
        hand = f"{best['hand_over_us']:.1f} us"
    queue = f"{record['handover']['bgr']['median_us']:.0f} us" if "handover" in record else "-"
    # The larger figure, in the peer's favour: the one by processor time is what cores without anybody else would give.
    flow = record.get("flow")
    flow = f"{max(flow['cameras'], flow['cameras_by_cpu']):.0f} cameras" if flow else "-"
    return f"pipeline: {ours}; hand-over {hand} (multiprocessing.Queue {queue}); python flow {flow}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    listed = lambda text: [word for word in text.split(",") if word]  # noqa: E731
    add("--ours", type=pathlib.Path, default=REPOSITORY / "target" / "release" / "compare-pipeline", metavar="PATH",
        help="the program under comparison (default target/release/compare-pipeline)")  # fmt: skip
    add("--model", type=pathlib.Path, default=REPOSITORY / ".models" / "coco_ssd_mobilenet_v2.onnx", metavar="FILE",
        help="the detector of both sides (default the one of .models)")  # fmt: skip
    add("--parts", type=listed, default=list(PARTS), metavar="PART,…", help=f"of {', '.join(PARTS)}")
    add("--cores", type=int, default=2, help="cores for each side (default 2)")
    add("--seconds", type=float, default=30, help="seconds that count in each run (default 30)")
    add("--flow-cameras", type=int, default=16, help="cameras of the Python flow: memory limits it (default 16)")
    add("--most", type=int, default=400, help="no more cameras than this for the pipeline (default 400)")
    add("--seed", type=int, default=1, help="other streets (default 1)")
    add("--keep", type=pathlib.Path, metavar="FOLDER", help="leave the pictures there")
    add("--record", type=pathlib.Path, nargs="?", metavar="FILE",
        const=REPOSITORY / "benches" / "record" / f"{datetime.date.today()}-compare-pipeline.json",
        help="also write every figure to FILE as JSON (default benches/record/<date>-compare-pipeline.json)")  # fmt: skip
    args = parser.parse_args()
    wrong = set(args.parts) - set(PARTS)
    if wrong:
        parser.error(f"no part {', '.join(sorted(wrong))}; there are {', '.join(PARTS)}")
    return args


def run(args: argparse.Namespace, folder: pathlib.Path) -> dict:
    # Inherited by all processes of both sides.
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < args.cores:
        raise Broken(f"{args.cores} cores are asked for, and {len(allowed)} are there")
    os.sched_setaffinity(0, allowed[: args.cores])
    versions = {"opencv": cv2.__version__, "onnxruntime": onnxruntime.__version__, "numpy": np.__version__}
    record = {"date": str(datetime.date.today()), "cpu": cpu_model(), "cores": args.cores, "versions": versions,
              "load_before": os.getloadavg()[0]}  # fmt: skip
    print(f"{record['cpu']}, {args.cores} cores, load {record['load_before']:.1f} before; "
          + ", ".join(f"{name} {version}" for name, version in versions.items()))  # fmt: skip
    with Program(args.ours, timeout=120 + 3 * args.seconds) as ours:
        cameras = draw(ours, folder, max(args.most, args.flow_cameras), args.seed)
        if "handover" in args.parts:
            record["handover"] = run_handover(cameras)
        if "flow" in args.parts:
            record["flow"] = run_flow(cameras, args.model, args.cores, args.flow_cameras, args.seconds)
        if "ours" in args.parts:
            try:
                record["ours"] = run_ours(cameras, args.model, args)
            except Refused as refused:
                print(f"  {refused}")
        if "overload" in args.parts:
            count = record.get("ours", {}).get("best", {}).get("cameras", 200)
            record["overload"] = run_overload(cameras, args.model, args, count)
    return record


def main() -> int:
    args = arguments()
    try:
        if not args.model.is_file():
            raise Broken(f"there is no model at {args.model}: run `make models`")
        if args.keep:
            args.keep.mkdir(parents=True, exist_ok=True)
            record = run(args, args.keep)
        else:
            with tempfile.TemporaryDirectory(dir=scratch_folder()) as folder:
                record = run(args, pathlib.Path(folder))
    except (Broken, Refused) as broken:
        progress_done()
        print(f"compare-pipeline: {broken}", file=sys.stderr)
        return 1
    record["summary"] = summary(record, args.cores)
    if args.record:
        args.record.parent.mkdir(parents=True, exist_ok=True)
        args.record.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    print(f"\n{record['summary']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
