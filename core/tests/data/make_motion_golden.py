#!/usr/bin/env python3
"""Makes motion_golden.json: what OpenCV's BackgroundSubtractorMOG2 makes of frames that motion_golden.rs can draw too.

usage: make_motion_golden.py [--check]

Needs opencv-python-headless on x86-64: another processor may round differently. --check only compares.

The frames are a function of a seed, in integers only: pixels that stay, flicker, switch, drift or take any of seven
levels, under noise, a moving square and its shadow, and steps of the light, cut to levels `step` apart. A case names its
pictures (width, height, channels, frames; more than one entry is a change of size midway), the parameters that are not
the defaults, the rates (taken in turn, null is automatic) and whether known foreground is given on three frames of four.
Kept of the masks: the SHA-256 of all of them, one after the other, and how often 0, anything else, and 255 occur.
"""

import hashlib
import json
import pathlib
import sys

import cv2
import numpy as np

HERE = pathlib.Path(__file__).parent
LEVELS = 7


def mix(seed: int, at: np.ndarray) -> np.ndarray:
    """A well-mixed 32-bit number for every number in `at`."""
    h = at.astype(np.uint32) * np.uint32(0x9E3779B1) ^ np.uint32(seed * 0x85EBCA77 & 0xFFFFFFFF)
    h = (h ^ h >> np.uint32(15)) * np.uint32(0x2C1B3C6D)
    h = (h ^ h >> np.uint32(12)) * np.uint32(0x297A2D39)
    return h ^ h >> np.uint32(15)


def frame(case: dict, width: int, height: int, channels: int, f: int) -> np.ndarray:
    seed, step = case["seed"], case["step"]
    pixel = np.arange(width * height, dtype=np.uint32)
    x, y = (pixel % width).astype(np.int64), (pixel // width).astype(np.int64)
    trait = mix(seed, pixel).astype(np.int64)
    now = mix(seed + 1000 + f, pixel).astype(np.int64)
    kind, period = trait % 8, (trait >> 8) % 16 + 3
    choice = np.select(
        [kind < 2, kind == 2, kind == 3, kind == 4, kind == 5, kind == 6],
        [0, now % 2, now % LEVELS, f // period % 3, 0, np.where(now % 8 == 0, 1 + now // 8 % 2, 0)],
        f % 3,
    ).astype(np.int64)
    amplitude = np.array([0, 2, 5, 16])[(trait >> 16) % 4]
    # A light step of 15 frames, then a darker scene.
    light, gain = (18 if 25 <= f < 40 else 0), (12 if f >= 55 else 16)
    side_x, side_y = max(width // 4, 1), max(height // 4, 1)
    in_square = ((x + f * 2 + seed) % width < side_x) & ((y + f) % height < side_y)
    in_shadow = ((x + f * 2 + seed + side_x) % width < side_x) & ((y + f) % height < side_y)
    planes = []
    for c in range(channels):
        value = pixel * np.uint32(channels) + np.uint32(c)
        base = (mix(seed + 1, value * np.uint32(LEVELS) + choice.astype(np.uint32)) & 255).astype(np.int64)
        base = np.where(kind == 5, (base + f) % 256, np.where((kind == 1) & (trait >> 20 & 1 == 1), 0, base))
        noise = mix(seed + 2000 + f, value).astype(np.int64) % (2 * amplitude + 1) - amplitude
        level = (base * gain >> 4) + light * (kind != 1) + noise
        level = np.where(in_square, 255 - level, np.where(in_shadow, level * 5 >> 3, level))
        level = np.clip(level, 0, 255)
        planes.append((level - level % step).astype(np.uint8))
    picture = np.stack(planes, axis=-1).reshape(height, width, channels)
    return picture[:, :, 0] if channels == 1 else picture


def known(seed: int, width: int, height: int, f: int) -> np.ndarray | None:
    """About a fifth of the pixels, and a stripe that is known from the first frame to frame 20."""
    if f % 4 == 3:
        return None
    pixel = np.arange(width * height, dtype=np.uint32)
    h = mix(seed + 3000 + f, pixel)
    stripe = (pixel % width % 5 == 2) & (f < 20)
    return np.where(stripe | (h % 5 == 0), (h >> 8) & 255, 0).astype(np.uint8).reshape(height, width)


def opencv(case: dict) -> cv2.BackgroundSubtractorMOG2:
    config = case["config"]
    setters = {
        "history": "History", "var_threshold": "VarThreshold", "mixtures": "NMixtures",
        "background_ratio": "BackgroundRatio", "var_threshold_gen": "VarThresholdGen", "var_init": "VarInit",
        "var_min": "VarMin", "var_max": "VarMax", "complexity_reduction": "ComplexityReductionThreshold",
        "detect_shadows": "DetectShadows", "shadow_value": "ShadowValue", "shadow_threshold": "ShadowThreshold",
    }  # fmt: skip
    model = cv2.createBackgroundSubtractorMOG2()
    for name, value in config.items():
        getattr(model, "set" + setters[name])(value)
    return model


def masks(case: dict) -> bytes:
    model, out, f = opencv(case), [], 0
    for width, height, channels, frames in case["pictures"]:
        for _ in range(frames):
            rate = case["rates"][f % len(case["rates"])]
            options = {"learningRate": -1 if rate is None else rate}
            mask = known(case["seed"], width, height, f) if case["known"] else None
            if mask is not None:
                options["knownForegroundMask"] = mask
            out.append(model.apply(frame(case, width, height, channels, f), **options).tobytes())
            f += 1
    return b"".join(out)


def cases() -> list[dict]:
    found = []
    mixed = [None, 0.01, 0, 0.5, 0.001, 0.05, None, 0.2]

    def add(name: str, *pictures: tuple[int, int, int, int], rates=(None,), known=False, step=1, **config) -> None:
        found.append({"name": name, "seed": len(found) + 1, "step": step, "pictures": [list(p) for p in pictures],
                      "rates": list(rates), "known": known, "config": config})  # fmt: skip

    for channels, color in ((1, "gray"), (3, "bgr")):
        sizes = (1, 1, 200), (1, 7, 150), (7, 1, 150), (17, 3, 120), (33, 17, 80), (64, 48, 70), (101, 67, 70)
        for width, height, frames in sizes:
            add(f"{color} {width}x{height}", (width, height, channels, frames))
        size = (33, 17, channels, 80)
        for k in (1, 2, 3, 4, 8, 16):
            add(f"{color}, {k} mixtures", size, mixtures=k, complexity_reduction=0.01, rates=(None, 0.04, 0.1))
        for rate in (0.0, 0.001, 0.01, 0.5, 1.0):
            add(f"{color}, rate {rate:g}", size, rates=(rate,))
        add(f"{color}, rates in turn", size, rates=mixed)
        add(f"{color}, rate 1 now and then", size, rates=[0.05] * 19 + [1.0])
        add(f"{color}, rates that round to 1 and to 0", size, rates=[None, 0.1, 0.999999999, 1e-45, 1e-46, 0.02, 0.02])
        for history in (1, 2, 20):
            add(f"{color}, history {history}", size, history=history)
        add(f"{color}, no shadows", size, detect_shadows=False)
        add(f"{color}, no shadows, rates in turn", size, detect_shadows=False, rates=mixed)
        for tau in (0.0, 0.3, 0.7, 0.9, 1.0):
            add(f"{color}, shadow threshold {tau:g}", size, shadow_threshold=tau)
        add(f"{color}, shadow value 1, wide threshold", size, shadow_value=1, var_threshold=100.0)
        add(f"{color}, shadow value 0", size, shadow_value=0)
        add(f"{color}, narrow thresholds", size, var_threshold=1.0, var_threshold_gen=0.5, rates=(None, 0.02))
        add(f"{color}, wide thresholds", size, var_threshold=1e9, var_threshold_gen=1e6, rates=(None, 0.02))
        add(f"{color}, background ratio 0.3", size, background_ratio=0.3)
        add(f"{color}, background ratio 1", size, background_ratio=1.0, rates=(0.03,))
        add(f"{color}, fixed variance", size, var_min=15.0, var_max=15.0)
        add(f"{color}, variance without limits", size, var_init=1.0, var_min=0.0, var_max=1e6, rates=(None, 0.1))
        add(f"{color}, no complexity reduction", size, complexity_reduction=0.0, rates=(0.05,))
        add(f"{color}, strong complexity reduction", size, complexity_reduction=0.5, rates=(0.02, 0.05))
        add(f"{color}, complexity reduction that empties pixels", size, complexity_reduction=1.0, rates=(0.05, 0.5, 0.0, 0.8))
        add(f"{color}, known foreground", (101, 67, channels, 60), known=True)
        add(f"{color}, known foreground, rates in turn", size, known=True, rates=mixed, detect_shadows=False)
        add(f"{color}, known foreground, then rate 0", size, known=True, rates=[None] * 12 + [0.0] * 68)
        # Levels a step apart and rates of one decimal meet the thresholds to the last bit, where a fused multiply-add or
        # another order of the sums gives another mask.
        fixed = {"var_min": 4.0, "var_max": 4.0, "var_init": 4.0, "complexity_reduction": 0.0, "mixtures": 2}
        for step, rate in ((1, 0.1), (2, 0.1), (2, 0.3), (3, 0.2), (3, 0.7), (5, 0.1), (5, 0.9)):
            add(f"{color}, levels {step} apart, rate {rate:g}", (97, 61, channels, 100), rates=(rate,), step=step,
                var_threshold=25.0, var_threshold_gen=100.0, **fixed)  # fmt: skip
        for step, rate, threshold in ((5, 0.9, 4.0), (5, 0.7, 2.5), (2, 0.5, 10.0)):
            add(f"{color}, levels {step} apart, rate {rate:g}, free variance", (97, 61, channels, 100), rates=(rate,),
                step=step, var_threshold=threshold, var_threshold_gen=20.0, var_min=1.0, var_max=1e6, var_init=20.0,
                complexity_reduction=0.0, mixtures=2)  # fmt: skip
        add(f"{color}, many pixels", (160, 120, channels, 120), mixtures=3, rates=(0.07, 0.013, 0.0313))
    add("another size midway", (33, 17, 1, 30), (17, 33, 1, 30), (40, 8, 1, 20), rates=(None, 0.02))
    add("other channels midway", (31, 9, 3, 30), (31, 9, 1, 30), (31, 9, 3, 20), rates=(0.02, None))
    assert len({case["name"] for case in found}) == len(found)
    return found


def main() -> int:
    lines = []
    for case in cases():
        seen = np.frombuffer(masks(case), np.uint8)
        background, foreground = int((seen == 0).sum()), int((seen == 255).sum())
        case["counts"] = [background, seen.size - background - foreground, foreground]
        case["sha256"] = hashlib.sha256(seen.tobytes()).hexdigest()
        lines.append(json.dumps(case))
    text = "[\n" + ",\n".join(lines) + "\n]\n"
    path = HERE / "motion_golden.json"
    if "--check" in sys.argv[1:]:
        same = path.read_text() == text
        print(f"{path.name}: {'as OpenCV' if same else 'NOT as OpenCV'} {cv2.__version__} has it, {len(lines)} cases")
        return 0 if same else 1
    path.write_text(text)
    print(f"{path.name}: {len(lines)} cases, OpenCV {cv2.__version__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
