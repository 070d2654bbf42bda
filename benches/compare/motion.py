#!/usr/bin/env python3
"""Compares this library's background model with OpenCV's BackgroundSubtractorMOG2: every mask pixel, and the time.

The library is reached through a small program (--ours) that reads one JSON object per line and answers one per line;
frames and masks go through files. Two parts: `identity` (the same frames on both sides, mask by mask; each side has a
core to itself) and `time` (the same frames, one thread, turn by turn, the other side waiting). The clips are vtest.avi
of the assets folder, where there is one, and clips that are made here: textured objects that move and cast shadows,
noise, flicker, swaying, steps of the light. The last line of the output sums up both parts.

Exit status: 0 when the comparison ran, whatever it found; 1 when something is broken.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from common import Broken, Program, Refused, cpu_model, progress, progress_done, scratch_folder, table, title

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PARTS = ("identity", "time")
BATCH = 8 << 20  # mask pixels handed over at once
COLORS = {1: "gray", 3: "bgr"}
SIZES = {(640, 360): "640x360", (1920, 1080): "1080p"}
GOAL = 1_000_000_000

Frames = Iterator[np.ndarray]


# ------------------------------------------------------------------------------------------------------- the clips


class Clip:
    """Frames of one size, in colour, the same every time they are asked for."""

    def __init__(self, name: str, width: int, height: int, count: int, frames: Callable[[], Frames], every: bool = True):
        self.name, self.width, self.height, self.count = name, width, height, count
        self.frames = frames
        self.every = every  # all settings, or only those marked `brief`


def vtest(path: pathlib.Path, size: tuple[int, int] | None = None) -> Frames:
    video = cv2.VideoCapture(str(path))
    while True:
        ok, frame = video.read()
        if not ok:
            return
        yield frame if size is None else cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def generated(width: int, height: int, seed: int) -> Frames:
    """A street that does not exist, for ever."""
    rng = np.random.default_rng(seed)

    def texture(w: int, h: int) -> np.ndarray:
        coarse = rng.integers(0, 256, (max(h // 24, 2), max(w // 24, 2), 3), dtype=np.uint8)
        fine = rng.integers(0, 40, (h, w, 3), dtype=np.uint8)
        return cv2.add(cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC) // 4 * 3, fine)

    still, other, third = texture(width, height), texture(width, height), texture(width, height)
    for _ in range(6):  # black, where no colour can be a shadow, and white
        x, y = int(rng.integers(width)), int(rng.integers(height))
        color = int(rng.integers(2)) * 255
        still[y : y + height // 8 + 1, x : x + width // 10 + 1] = color
    trait = rng.integers(0, 16, (height, width))
    flicker, seldom = trait < 3, trait == 3
    objects = []
    for _ in range(6):
        w, h = int(rng.integers(2, width // 5 + 4)), int(rng.integers(2, height // 4 + 4))
        place, speed = rng.uniform(0, [width, height]), rng.normal(0, [width / 90, height / 150])
        objects.append((place, speed, texture(w, h)))
    f, level, gain = 0, 0, 16
    while True:
        if f % 45 == 44:
            level, gain = int(rng.integers(-20, 30)), int(rng.integers(12, 18))
        frame = still.copy()
        if f % 2:
            frame[flicker] = other[flicker]
        if f % 7 == 3:
            frame[seldom] = third[seldom]
        # A tree in the wind: the right third swings by a pixel or two.
        right = width - width // 3
        frame[:, right:] = np.roll(frame[:, right:], int(2 * np.sin(f / 3)), axis=1)
        for place, speed, picture in objects:
            h, w = picture.shape[:2]
            x, y = (int(v) for v in (place + f * speed) % [width, height])
            below = frame[y + h // 2 : y + h + h // 3, x + w // 3 : x + w + w // 2]
            np.multiply(below, 0.62, out=below, casting="unsafe")
            if f // 60 % 3 != 2 or w % 2:  # some objects stop being there for a while
                here = frame[y : y + h, x : x + w]
                here[:] = picture[: here.shape[0], : here.shape[1]]
        light = np.clip(np.arange(256) * gain // 16 + level, 0, 255).astype(np.uint8)
        frame = cv2.LUT(frame, light)
        spread = 1 + f // 100 % 3 * 3
        noise = rng.integers(0, 2 * spread + 1, frame.shape, dtype=np.uint8)
        yield cv2.subtract(cv2.add(frame, noise), np.full_like(frame, spread))
        f += 1


def identity_clips(video: pathlib.Path | None, quick: bool) -> list[Clip]:
    made = lambda w, h, count, seed, every=True: Clip(
        f"made {w}x{h}", w, h, count, lambda: generated(w, h, seed), every
    )
    clips = []
    if video:
        clips.append(Clip("vtest 768x576", 768, 576, 40 if quick else 795, lambda: vtest(video)))
    if quick:
        return [*clips, made(640, 360, 40, 1), made(333, 217, 60, 2)]
    return [*clips, made(640, 360, 320, 1), made(1920, 1080, 60, 2, False), made(333, 217, 300, 3), made(101, 67, 600, 4),
            made(1283, 3, 300, 5), made(7, 5, 2000, 6)]  # fmt: skip


# ---------------------------------------------------------------------------------------------------- the settings


def mixed(f: int) -> float | None:
    return 1.0 if f % 97 == 96 else (None, 0.01, 0.0, 0.5, 0.001, 0.05, None, 0.2)[f % 8]


RATES: dict[str, Callable[[int], float | None]] = {
    "auto": lambda f: None,
    "0": lambda f: None if f < 40 else 0.0,
    "0.01": lambda f: 0.01,
    "1": lambda f: 1.0,
    "mixed": mixed,
}


class Setting:
    """Parameters and rates that a clip is seen with."""

    def __init__(self, rate: str, known: bool = False, brief: bool = False, others: bool = False, **config):
        self.rate, self.known, self.config = rate, known, config
        self.brief = brief  # also where memory is dear
        self.others = others  # also with the other kernels
        # Every frame at rate 1 is a first frame: a few say it all, and do not swell the count.
        self.most = 60 if rate == "1" else sys.maxsize

    @property
    def name(self) -> str:
        words = [f"rate {self.rate}"] + (["known foreground"] if self.known else [])
        return ", ".join(words + [f"{key} {value}" for key, value in self.config.items()])

    def opencv(self) -> cv2.BackgroundSubtractorMOG2:
        model = cv2.createBackgroundSubtractorMOG2()
        for key, value in self.config.items():
            getattr(model, SETTERS[key])(value)
        return model


SETTERS = {
    "history": "setHistory",
    "mixtures": "setNMixtures",
    "var_threshold": "setVarThreshold",
    "var_threshold_gen": "setVarThresholdGen",
    "background_ratio": "setBackgroundRatio",
    "var_init": "setVarInit",
    "var_min": "setVarMin",
    "var_max": "setVarMax",
    "complexity_reduction": "setComplexityReductionThreshold",
    "detect_shadows": "setDetectShadows",
    "shadow_value": "setShadowValue",
    "shadow_threshold": "setShadowThreshold",
}
OFF = {"detect_shadows": False}
SETTINGS = [
    Setting("auto", brief=True, others=True),
    Setting("auto", brief=True, **OFF),
    Setting("0"),
    Setting("0", **OFF),
    Setting("0.01", brief=True, others=True),
    Setting("0.01", **OFF),
    Setting("1"),
    Setting("1", **OFF),
    Setting("mixed", brief=True),
    Setting("mixed", known=True, others=True, **OFF),
    Setting("auto", known=True),
    Setting("0.01", mixtures=3, history=60, var_threshold=9.0, background_ratio=0.7, var_min=8.0, shadow_threshold=0.7),
]


# -------------------------------------------------------------------------------------------------------- identity


class Tally:
    """What was compared, and where the first difference is."""

    def __init__(self):
        self.pixels: dict[str, int] = {}  # by kernel
        self.differ: dict[str, int] = {}
        self.rows: list[dict] = []

    def total(self) -> tuple[int, int]:
        return sum(self.differ.values()), sum(self.pixels.values())


def grouped(frames: Frames, count: int, size: int) -> Iterator[list[np.ndarray]]:
    batch = []
    for k, frame in enumerate(frames):
        if k == count:
            break
        batch.append(frame)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def compare_clip(ours: Program, clip: Clip, channels: int, kernels: list[str], folder: pathlib.Path, tally: Tally) -> None:
    """Both sides work on the same batch at the same time; then their masks are compared."""
    settings = [s for s in SETTINGS if clip.every or s.brief]
    peers = [s.opencv() for s in settings]
    tasks = []  # setting, kernel, number of the model
    for at, setting in enumerate(settings):
        for kernel in kernels if setting.others else kernels[:1]:
            tasks.append((at, kernel, len(tasks)))
            ours.call("open", model=tasks[-1][2], kernel=kernel, config=setting.config)
    rng = np.random.default_rng(clip.width * 31 + channels)
    pixels = clip.width * clip.height
    row = {"clip": clip.name, "color": COLORS[channels], "settings": len(settings), "frames": 0, "first": None,
           "pixels": {k: 0 for k in kernels}, "differ": {k: 0 for k in kernels}}  # fmt: skip
    files = {name: folder / name for name in ("frames", "known", "masks")}
    for batch in grouped(clip.frames(), clip.count, max(BATCH // pixels, 1)):
        start, count = row["frames"], len(batch)
        progress(f"identity: {clip.name} {COLORS[channels]}, frame {start + count} of {clip.count}")
        if channels == 1:
            batch = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in batch]
        frames = np.stack(batch)
        known = np.where(rng.random((count, clip.height, clip.width), np.float32) < 0.1, 255, 0).astype(np.uint8)
        known[:, :: clip.height // 8 + 1] *= 3  # any number but 0 counts
        frames.tofile(files["frames"])
        known.tofile(files["known"])
        active = [min(count, max(s.most - start, 0)) for s in settings]
        rates = [[RATES[s.rate](start + k) for k in range(n)] for s, n in zip(settings, active)]
        ours.call("load", file=str(files["frames"]), width=clip.width, height=clip.height, channels=channels, frames=count,
                  known=str(files["known"]))  # fmt: skip
        work = [{"model": model, "rates": rates[at], "known": settings[at].known} for at, _, model in tasks]
        ours.send("run", tasks=work, out=str(files["masks"]))
        theirs = [np.empty((n, clip.height, clip.width), np.uint8) for n in active]
        for at, setting in enumerate(settings):
            for k, rate in enumerate(rates[at]):
                options = {"fgmask": theirs[at][k], "learningRate": -1 if rate is None else rate}
                if setting.known:
                    options["knownForegroundMask"] = known[k]
                peers[at].apply(frames[k], **options)
        ours.answer("run")
        mine, used = np.fromfile(files["masks"], np.uint8), 0
        for at, kernel, _ in tasks:
            wanted = theirs[at]
            got = mine[used : used + wanted.size].reshape(wanted.shape)
            used += wanted.size
            row["pixels"][kernel] += wanted.size
            if not np.array_equal(wanted, got):
                wrong = np.argwhere(wanted != got)
                row["differ"][kernel] += len(wrong)
                if row["first"] is None:
                    k, y, x = (int(v) for v in wrong[0])
                    row["first"] = {"setting": settings[at].name, "kernel": kernel, "frame": start + k, "x": x, "y": y,
                                    "opencv": int(wanted[k, y, x]), "ours": int(got[k, y, x])}  # fmt: skip
        if used != mine.size:
            raise Broken(f"{mine.size} mask pixels came back in place of {used}")
        row["frames"] += count
    ours.call("close")
    if row["frames"] < clip.count:
        raise Broken(f"{clip.name} has only {row['frames']} frames")
    for kernel in kernels:
        tally.pixels[kernel] = tally.pixels.get(kernel, 0) + row["pixels"][kernel]
        tally.differ[kernel] = tally.differ.get(kernel, 0) + row["differ"][kernel]
    tally.rows.append(row)


def identity(ours: Program, clips: list[Clip], kernels: list[str], folder: pathlib.Path) -> Tally:
    title(f"1. Masks: {len(SETTINGS)} settings, with the kernel {kernels[0]}" + (
        f"; some also with {', '.join(kernels[1:])}" if len(kernels) > 1 else ""))  # fmt: skip
    tally = Tally()
    started = time.monotonic()
    for clip in clips:
        for channels in COLORS:
            compare_clip(ours, clip, channels, kernels, folder, tally)
    progress_done()
    rows = []
    for r in tally.rows:
        first = r["first"]
        where = "-"
        if first:
            where = (f"{first['setting']}, {first['kernel']}: frame {first['frame']}, x {first['x']}, y {first['y']}, "
                     f"OpenCV {first['opencv']}, ours {first['ours']}")  # fmt: skip
        rows.append([r["clip"], r["color"], str(r["frames"]), str(r["settings"]),
                     *(f"{r['pixels'][k]:,}" for k in kernels), str(sum(r["differ"].values())), where])  # fmt: skip
    table(["clip", "", "frames", "settings", *(f"pixels, {k}" for k in kernels), "differ", "the first"], rows)
    for setting in SETTINGS:
        marks = [word for word, on in (("all kernels", setting.others), ("first 60 frames", setting.rate == "1"),
                                       ("not on 1080p", not setting.brief)) if on]  # fmt: skip
        print(f"  setting: {setting.name}" + (f" ({'; '.join(marks)})" if marks else ""))
    for kernel in kernels:
        print(f"  {kernel}: {tally.differ[kernel]} of {tally.pixels[kernel]:,} mask pixels differ")
    print(f"  {time.monotonic() - started:.0f} s")
    if tally.pixels[kernels[0]] < GOAL:
        print(f"  fewer than {GOAL:,} pixels with {kernels[0]}: not the whole comparison")
    return tally


# ------------------------------------------------------------------------------------------------------------ time


def opencv_times(frames: np.ndarray) -> list[int]:
    model, mask, times = cv2.createBackgroundSubtractorMOG2(), np.empty(frames.shape[1:3], np.uint8), []
    for frame in frames:
        start = time.perf_counter_ns()
        model.apply(frame, mask)
        times.append(time.perf_counter_ns() - start)
    return times


def timed_case(ours: Program, frames: np.ndarray, name: str, kernels: list[str], folder: pathlib.Path, args) -> dict:
    """New models in every pass, so that a frame is the same work each time: the least time of every frame counts."""
    height, width = frames.shape[1:3]
    channels = 1 if frames.ndim == 3 else 3
    file = folder / "frames"
    frames.tofile(file)
    load = {"file": str(file), "width": width, "height": height, "channels": channels, "frames": len(frames)}
    # In a process of its own, which has freed nothing yet that the model could take.
    with Program(args.ours.resolve(), args.timeout) as fresh:
        fresh.call("load", **load)
        state = fresh.call("time", kernel=kernels[0], config={})["state_bytes"]
    ours.call("load", **load)
    samples: dict[str, list[list[int]]] = {side: [] for side in ("opencv", *kernels)}

    def turn(side: str) -> None:
        if side == "opencv":
            samples[side].append(opencv_times(frames))
            return
        samples[side].append(ours.call("time", kernel=side, config={})["ns"])

    for k in range(args.passes):
        progress(f"time: {name} {SIZES[width, height]} {COLORS[channels]}, pass {k + 1} of {args.passes}")
        for side in list(samples) if k % 2 == 0 else list(samples)[::-1]:
            turn(side)
    ours.call("close")
    progress_done()
    warm = len(frames) // 2
    ms = {side: float(np.mean(np.min(passes, axis=0)[warm:])) / 1e6 for side, passes in samples.items()}
    return {"clip": name, "size": SIZES[width, height], "color": COLORS[channels], "frames": len(frames) - warm, "ms": ms,
            "ratio": {k: ms["opencv"] / ms[k] for k in kernels},
            "state_bytes_per_pixel": None if state is None else state / (width * height)}  # fmt: skip


def times(ours: Program, video: pathlib.Path | None, kernels: list[str], folder: pathlib.Path, args) -> list[dict]:
    title(f"2. Time: one thread, {args.passes} passes turn by turn; the least time of every frame, then their mean")
    results = []
    for width, height in SIZES:
        count = (60 if width < 1000 else 24) if args.quick else (160 if width < 1000 else 60)
        sources = {"vtest": lambda: vtest(video, (width, height))} if video else {}
        if not (args.quick and video):
            sources["made"] = lambda: generated(width, height, 1)
        for name, source in sources.items():
            frames = np.stack(next(grouped(source(), count, count)))
            for channels in COLORS:
                if channels == 1:
                    chosen = np.stack([cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in frames])
                else:
                    chosen = frames
                results.append(timed_case(ours, chosen, name, kernels, folder, args))
    rows = []
    for r in results:
        for kernel in kernels:
            size = r["state_bytes_per_pixel"]
            rows.append([r["clip"], r["size"], r["color"], kernel, f"{r['ms']['opencv']:.3f}", f"{r['ms'][kernel]:.3f}",
                         f"{r['ratio'][kernel]:.2f}x", "-" if size is None else f"{size:.0f}"])  # fmt: skip
    table(["clip", "size", "", "kernel", "OpenCV ms", "ours ms", "OpenCV ÷ ours", "state B/pixel"], rows)
    print("  state: what a new process grew by; OpenCV holds 61 bytes a pixel in gray, 101 in colour")
    return results


def summary(results: list[dict], kernel: str) -> str:
    """The ratios of the last line, on vtest where it is there."""
    found = {}
    for r in reversed(results):  # vtest comes before the clip that was made
        found[r["color"], r["size"]] = f"{r['ratio'][kernel]:.2f}x"
    wanted = (("gray", "640x360"), ("gray", "1080p"), ("bgr", "640x360"))
    return ", ".join(f"{color} {size} {found.get((color, size), '-')}" for color, size in wanted)


# ------------------------------------------------------------------------------------------------------------ main


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--ours", type=pathlib.Path, default=REPOSITORY / "target" / "release" / "compare-motion", metavar="PATH",
        help="the program under comparison (default target/release/compare-motion)")  # fmt: skip
    add("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    add("--quick", action="store_true", help="a few frames, half a minute: to see where one stands")
    add("--kernel", help="the kernel of the last line's ratios (default avx2, or the fastest where there is none)")
    add("--passes", type=int, help="passes of the time part (default 5, quick 3)")
    add("--timeout", type=float, default=300, metavar="S", help="seconds to wait for one answer (default 300)")
    add("--record", type=pathlib.Path, nargs="?", metavar="FILE",
        const=REPOSITORY / "benches" / "record" / f"{datetime.date.today()}-compare-motion.json",
        help="also write every figure to FILE as JSON (default benches/record/<date>-compare-motion.json)")  # fmt: skip
    args = parser.parse_args()
    args.passes = args.passes or (3 if args.quick else 5)
    return args


def run(args: argparse.Namespace) -> None:
    program = args.ours.resolve()
    if not program.is_file():
        raise Broken(f"{args.ours} does not exist; build it first or name it with --ours")
    assets = pathlib.Path(os.environ.get("GUARITA_ASSETS") or REPOSITORY / ".." / "shared" / "assets").resolve()
    video = assets / "video" / "vtest.avi"
    cv2.setNumThreads(1)
    versions = {"opencv": cv2.__version__, "numpy": np.__version__, "python": platform.python_version()}
    record = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "versions": versions,
    }
    print(f"compare-motion: {record['cpu']}, {record['cores']} cores; " + ", ".join(map(" ".join, versions.items())))
    if not video.is_file():
        print(f"compare-motion: there is no {video}; the clips made here must do (GUARITA_ASSETS names another folder)")
        video = None

    pixels, ratios = "masks not compared", "not timed"
    with (
        tempfile.TemporaryDirectory(prefix="compare-motion-", dir=scratch_folder()) as temporary,
        Program(program, args.timeout) as ours,
    ):
        folder = pathlib.Path(temporary)
        answer = ours.call("kernels")
        default = answer["default"]
        kernels = [default, *(k for k in answer["kernels"] if k != default)]
        named = args.kernel or ("avx2" if "avx2" in kernels else default)
        if named not in kernels:
            raise Broken(f"no kernel {named} on this machine; there are {', '.join(kernels)}")
        record |= {"kernels": kernels, "default_kernel": default, "summary_kernel": named}
        print(f"  kernels of this machine: {', '.join(kernels)}; the library takes {default} unless told otherwise")
        if "identity" in args.only:
            tally = identity(ours, identity_clips(video, args.quick), kernels, folder)
            record["identity"] = {"pixels": tally.pixels, "differ": tally.differ, "clips": tally.rows}
            differ, total = tally.total()
            pixels = f"{differ} of {total} mask pixels differ"
        if "time" in args.only:
            results = record["time"] = times(ours, video, kernels, folder, args)
            record["load_average"] = os.getloadavg()
            for kernel in kernels:
                print(f"  {kernel}{' (default)' if kernel == default else ''}: {summary(results, kernel)}")
            print(f"  the last line is of the kernel {named}, on {'vtest' if video else 'the clip made here'}")
            ratios = f"{summary(results, named)} OpenCV"
    record["summary"] = f"motion: {ratios}; {pixels}"
    if args.record:
        args.record.parent.mkdir(parents=True, exist_ok=True)
        args.record.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    print(f"\n{record['summary']}")


def main() -> int:
    args = arguments()
    try:
        run(args)
    except (Broken, Refused) as broken:
        progress_done()
        print(f"compare-motion: {broken}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
