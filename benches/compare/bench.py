#!/usr/bin/env python3
"""`make bench`: the criterion benches of guarita beside OpenCV and numpy doing the same work, and the ratios.

usage: bench.py [--rounds N] [--record FILE]

Both sides work turn by turn, N rounds (default 3); the minimum of each side counts, since these machines are shared.
Only ratios mean anything; milliseconds are printed to check them.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time

import cv2
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
JPEG = ROOT / "target" / "bench-1080p.jpg"


def picture(width: int, height: int) -> np.ndarray:
    """A picture with edges, gradients and noise, the same in every run."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=-1).astype(np.uint8)
    for _ in range(200):
        corner = rng.integers(0, [width, height])
        size = rng.integers(10, 300, 2)
        color = [int(c) for c in rng.integers(0, 256, 3)]
        cv2.rectangle(base, tuple(map(int, corner)), tuple(map(int, corner + size)), color, -1)
    return cv2.GaussianBlur(cv2.add(base, rng.integers(0, 12, base.shape, dtype=np.uint8)), (3, 3), 0)


def letterbox(image: np.ndarray) -> np.ndarray:
    """What a competent user writes: cv2.resize, copyMakeBorder, transpose, float32, divide."""
    height, width = image.shape[:2]
    gain = min(640 / width, 640 / height)
    size = (round(width * gain), round(height * gain))
    if size != (width, height):
        image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    dw, dh = (640 - size[0]) / 2, (640 - size[1]) / 2
    left, right, top, bottom = round(dw - 0.1), round(dw + 0.1), round(dh - 0.1), round(dh + 0.1)
    image = cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(114, 114, 114))
    planes = np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1))
    return (planes.astype(np.float32) / 255.0)[None]


def output() -> np.ndarray:
    """[1, 84, 8400] with 150 candidates in 30 places, as benches/detect.rs builds it."""
    rng = np.random.default_rng(1)
    out = (rng.random((84, 8400), dtype=np.float32) * 0.2).astype(np.float32)
    for k in range(150):
        place, copy, anchor = k // 5, k % 5, k * 53 + 11
        out[:4, anchor] = (place % 6 * 100 + 50 + copy * 3, place // 6 * 120 + 60, 60, 80)
        out[4 + place % 80, anchor] = 0.5 + 0.003 * k
    return out[None]


def postprocess(out: np.ndarray) -> int:
    """Transpose, best class, threshold, class-aware suppression: straight numpy and OpenCV."""
    rows = out[0].T
    scores = rows[:, 4:]
    classes = scores.argmax(1)
    best = scores[np.arange(len(scores)), classes]
    keep = best > 0.25
    boxes, best, classes = rows[keep, :4], best[keep], classes[keep]
    corner = boxes.copy()
    corner[:, :2] -= boxes[:, 2:] / 2
    kept = cv2.dnn.NMSBoxesBatched(corner.tolist(), best.tolist(), classes.tolist(), 0.25, 0.45)
    return len(kept)


def best_ms(work, seconds: float = 1.0) -> float:
    """The fastest of as many runs as fit."""
    work()
    fastest, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        fastest = min(fastest, time.perf_counter() - start)
    return fastest * 1e3


def ours() -> dict[str, float]:
    """One run of the criterion benches: the fastest iteration of each, in milliseconds."""
    command = ["cargo", "bench", "--quiet", "-p", "guarita-benches", "--bench", "detect", "--"]
    command += ["--warm-up-time", "0.5", "--measurement-time", "1.5", "--noplot"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    found = {}
    for sample in (ROOT / "target" / "criterion").rglob("new/sample.json"):
        data = json.loads(sample.read_text())
        name = "/".join(sample.relative_to(ROOT / "target" / "criterion").parts[:-2])
        found[name] = min(t / n for t, n in zip(data["times"], data["iters"])) / 1e6
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--record", type=pathlib.Path, help="also write the figures as JSON")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    full = picture(1920, 1080)
    JPEG.parent.mkdir(exist_ok=True)
    JPEG.write_bytes(cv2.imencode(".jpg", full, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())
    encoded = np.frombuffer(JPEG.read_bytes(), np.uint8)
    nv12 = np.random.default_rng(2).integers(0, 256, (1620, 1920), dtype=np.uint8)
    out = output()
    assert postprocess(out) == 30
    portrait, square, hd = picture(810, 1080), picture(640, 640), picture(1280, 720)
    work = {
        "letterbox_640_f32_nchw/bgr_1080p": lambda: letterbox(full),
        "letterbox_640_f32_nchw/nv12_1080p": lambda: letterbox(cv2.cvtColor(nv12, cv2.COLOR_YUV2BGR_NV12)),
        "letterbox_640_f32_nchw/bgr_720p": lambda: letterbox(hd),
        "letterbox_640_f32_nchw/bgr_810x1080": lambda: letterbox(portrait),
        "letterbox_640_f32_nchw/bgr_640x640": lambda: letterbox(square),
        "postprocess_8400x84_150_candidates": lambda: postprocess(out),
        "jpeg_decode_1080p": lambda: cv2.imdecode(encoded, cv2.IMREAD_COLOR),
        "jpeg_reduced_2_1080p": lambda: cv2.imdecode(encoded, cv2.IMREAD_REDUCED_GRAYSCALE_2),
        "jpeg_reduced_4_1080p": lambda: cv2.imdecode(encoded, cv2.IMREAD_REDUCED_GRAYSCALE_4),
        "jpeg_reduced_8_1080p": lambda: cv2.imdecode(encoded, cv2.IMREAD_REDUCED_GRAYSCALE_8),
    }
    mine, theirs = {}, {}
    for k in range(options.rounds):
        print(f"round {k + 1} of {options.rounds}", file=sys.stderr, flush=True)
        for name, ms in ours().items():
            mine[name] = min(ms, mine.get(name, ms))
        for name, run in work.items():
            ms = best_ms(run, 0.7)
            theirs[name] = min(ms, theirs.get(name, ms))
    print(f"{'':<40} {'guarita ms':>11} {'peer ms':>9} {'peer ÷ guarita':>15}")
    rows = {}
    for name, peer_ms in theirs.items():
        rows[name] = {"guarita_ms": round(mine[name], 4), "peer_ms": round(peer_ms, 4), "ratio": round(peer_ms / mine[name], 2)}
        print(f"{name:<40} {mine[name]:>11.3f} {peer_ms:>9.3f} {peer_ms / mine[name]:>14.2f}x")
    print(f"peer: OpenCV {cv2.__version__}, numpy {np.__version__}, one thread")
    if options.record:
        versions = {"opencv": cv2.__version__, "numpy": np.__version__}
        options.record.write_text(json.dumps({"date": time.strftime("%Y-%m-%d"), "versions": versions, "bench": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
