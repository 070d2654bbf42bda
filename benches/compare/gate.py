#!/usr/bin/env python3
"""Measures this library's motion gate on scenes whose truth is known, beside two gates as they are usually built.

The library is reached through a small program (--ours) that reads one JSON object per line and answers one per line. It
draws the scenes, runs the gate, and does the accounting of everybody's decisions; luma frames come here through files.
The peers see the same frames:

  MOG2             OpenCV's BackgroundSubtractorMOG2 with its defaults on the full picture, shadows left out, an
                   opening of 3x3; it opens where 1 % moves, or one contour is as large as our smallest region.
  running average  a small picture, its contrast stretched, compared with the average of those before.

Footage, scenes of what real cameras show, is judged second by second and at four rates, with two peers more:

  MOG2, KNN regions  BackgroundSubtractorMOG2 (500, 16, shadows) and KNN (500, 400, shadows) on gray of at most 640
                     pixels, foreground 255 only, an opening of 3x3, and our own two thresholds.

Everybody stays open for the same time after each frame with motion, and nobody's decisions count while gates learn. An
opening is false where no object that moves was seen within that time. Parts: `events`, `recall`, `fps`, `openings` (of
MOG2: how many do we share), `cost`, `footage`. The last lines say which goals are met.

Exit status: 0 when the comparison ran, whatever it found; 1 when something is broken.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import math
import os
import pathlib
import platform
import sys
import tempfile
import time
from collections.abc import Iterator

import cv2
import numpy as np

from common import Broken, Program, Refused, cpu_model, progress, progress_done, scratch_folder, table, title

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PARTS = ("events", "recall", "fps", "openings", "cost", "footage")
SIDES = ("ours", "MOG2", "running average")
RATES = (15, 1)  # frames a second at which everybody is measured
OUR_RATES = (30, 15, 5, 1)
FOOTAGE_RATES = (1, 2, 5, 15)
BATCH = 60  # frames handed over at once
LEARNING_S = 10
QUICK = ("quiet-day", "quiet-night", "light-steps", "infrared", "nudge", "rain", "covered", "far-person", "small-41")
SHEET = ("quiet-day", "quiet-night", "light-steps", "lamp", "infrared", "lightning", "rain", "snow", "nudge", "covered",
         "wind", "car-leaves", "far-person", "small-41")  # fmt: skip


# ------------------------------------------------------------------------------------------------------- the peers


class Mog2:
    """The usual flow: the full picture, MOG2, an opening, contours."""

    name = "MOG2"

    def __init__(self, config: dict):
        self.model = cv2.createBackgroundSubtractorMOG2()
        self.kernel = np.ones((3, 3), np.uint8)
        self.min_region = config["min_region"]

    def moves(self, luma: np.ndarray) -> bool:
        mask = self.model.apply(luma)
        mask = cv2.threshold(mask, 254, 255, cv2.THRESH_BINARY)[1]
        mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, self.kernel)
        changed = cv2.countNonZero(mask)
        if changed == 0:
            return False
        if changed >= 0.01 * mask.size:
            return True
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        return any(cv2.contourArea(contour) >= self.min_region * mask.size for contour in contours)


class RunningAverage:
    """A small picture compared with the average of those before."""

    name = "running average"

    def __init__(self, _: dict):
        self.average: np.ndarray | None = None
        self.stretch: list[np.ndarray] = []
        self.moving = 0
        self.calibrating = True

    def moves(self, luma: np.ndarray) -> bool:
        height, width = luma.shape
        small = cv2.resize(luma, (round(width * 100 / height), 100), interpolation=cv2.INTER_NEAREST)
        self.stretch = [*self.stretch[-49:], np.percentile(small, (4, 96))]
        low, high = np.mean(self.stretch, axis=0)
        if low < high:
            small = ((np.clip(small, low, high) - low) * (255 / (high - low))).astype(np.uint8)
        small = cv2.GaussianBlur(small, (3, 3), 1)
        if self.average is None:
            self.average = small.astype(np.float32)
        changed = cv2.threshold(cv2.absdiff(small, cv2.convertScaleAbs(self.average)), 30, 255, cv2.THRESH_BINARY)[1]
        changed = cv2.dilate(changed, None)
        contours, _ = cv2.findContours(changed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        areas = [cv2.contourArea(contour) for contour in contours]
        boxes = sum(area > 10 for area in areas)
        share = sum(areas) / small.size
        if share < 0.05 and boxes <= 4:
            self.calibrating = False
        elif share > 0.8:
            self.calibrating = True
        self.moving = self.moving + 1 if boxes else 0
        if not boxes or self.moving >= 10:
            cv2.accumulateWeighted(small, self.average, 0.2 if self.calibrating else 0.01)
        return boxes > 0


PEERS = (Mog2, RunningAverage)


class Regions:
    """A subtractor of OpenCV's with the thresholds of our gate."""

    def __init__(self, config: dict):
        self.model = self.subtractor()
        self.kernel = np.ones((3, 3), np.uint8)
        self.min_fraction, self.min_region = config["min_fraction"], config["min_region"]

    def moves(self, luma: np.ndarray) -> bool:
        if luma.shape[1] > 640:
            size = (640, round(luma.shape[0] * 640 / luma.shape[1]))
            luma = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
        mask = cv2.threshold(self.model.apply(luma), 254, 255, cv2.THRESH_BINARY)[1]
        mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, self.kernel)
        if cv2.countNonZero(mask) > self.min_fraction * mask.size:
            return True
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        return bool((stats[1:, cv2.CC_STAT_AREA] >= max(2, self.min_region * mask.size)).any())


class Mog2Regions(Regions):
    name = "MOG2 regions"

    def subtractor(self):
        return cv2.createBackgroundSubtractorMOG2(500, 16, True)


class KnnRegions(Regions):
    name = "KNN regions"

    def subtractor(self):
        return cv2.createBackgroundSubtractorKNN(500, 400, True)


FOOTAGE_PEERS = (Mog2Regions, KnnRegions)


# ------------------------------------------------------------------------------------------------------ the course


class Film:
    """What everybody decided on one film: our decisions by frame rate, whether something moves by rate and side."""

    def __init__(self, name: str, rates: list[int]):
        self.name = name
        self.ours: dict[int, list[dict]] = {rate: [] for rate in rates}
        self.moves: dict[tuple[int, str], list[bool]] = {}
        self.truth: list[dict] = []


def shown(ours: Program, name: str, rates: list[int], measured: list[int], sides: list, config: dict, duration: float,
          shape: tuple[int, int], folder: pathlib.Path) -> Film:  # fmt: skip
    """Runs a scene past everybody. The next frames are drawn while the peers look at these."""
    base = math.lcm(*rates)
    film = Film(name, rates)
    ours.call("open", source=name, fps=base, every=[base // rate for rate in rates])
    peers = [(rate, side.name, side(config)) for rate in measured for side in sides]
    for rate, side, _ in peers:
        film.moves[rate, side] = []
    count = int(duration * base)
    starts = list(range(0, count, BATCH))

    def ask(k: int) -> None:
        file = str(folder / f"luma{k % 2}") if peers else None
        ours.send("step", frames=min(BATCH, count - starts[k]), file=file)

    ask(0)
    for k, start in enumerate(starts):
        answer = ours.answer("step")
        if k + 1 < len(starts):
            ask(k + 1)
        film.truth += answer["truth"]
        for rate, decisions in zip(rates, answer["decisions"]):
            film.ours[rate] += decisions
        if peers:
            frames = np.fromfile(folder / f"luma{k % 2}", np.uint8).reshape(-1, *shape)
            for rate, side, peer in peers:
                every = base // rate
                film.moves[rate, side] += [peer.moves(frames[n]) for n in range(-start % every, len(frames), every)]
    for rate in rates:
        film.moves[rate, "ours"] = [decision["move"] for decision in film.ours[rate]]
    return film


def category(scene: dict, after: bool) -> str:
    if scene["theme"] in ("Far", "Small"):
        return {"Far": "far person", "Small": "small objects"}[scene["theme"]]
    if after:
        return "after disturbances"
    light = "night" if scene["night"] else "day"
    return light if not scene["night"] and scene["noise"] <= 2 else f"{light}, noise {scene['noise']:.0f}"


class Tally:
    """Accounts of all scenes, by frame rate and side."""

    def __init__(self, sides: list[str]):
        self.sides = sides
        self.events: list[dict] = []
        self.quiet: dict[tuple[int, str], int] = {}
        self.kept: dict[tuple[str, int, str], list[int]] = {}

    def add(self, scene: dict, rate: int, side: str, account: dict) -> None:
        for at, event in enumerate(account["events"]):
            self.events.append({"scene": scene["name"], "number": at, "fps": rate, "side": side} | event)
        self.quiet[rate, side] = self.quiet.get((rate, side), 0) + account["false_openings_quiet"]
        for after in (False, True):
            part = account["after" if after else "before"]
            kept = self.kept.setdefault((category(scene, after), rate, side), [0, 0])
            kept[0] += part["kept"]
            kept[1] += part["wanted"]

    def recall(self, side: str, name: str | None = None, rate: int | None = None) -> float | None:
        chosen = [kept for (of, fps, who), kept in self.kept.items()
                  if who == side and name in (None, of) and rate in (None, fps)]  # fmt: skip
        kept, wanted = (sum(part) for part in zip(*chosen)) if chosen else (0, 0)
        return kept / wanted if wanted else None

    def per_event(self, side: str) -> float | None:
        counts = [event["false_openings"] for event in self.events if event["side"] == side]
        return sum(counts) / len(counts) if counts else None


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def print_events(tally: Tally) -> None:
    for rate in RATES:
        title(f"Disturbances at {rate} fps: false openings, seconds open without cause, seconds from its end to calm")
        found: dict[tuple, dict] = {}
        for event in tally.events:
            if event["fps"] == rate:
                found.setdefault((event["scene"], event["number"], event["name"]), {})[event["side"]] = event
        rows = []
        for (scene, _, name), by_side in found.items():
            events = [by_side[side] for side in tally.sides]
            cells = [f"{e['false_openings']} / {e['open_s']:.1f} / {e['recovery_s']:.1f}" for e in events]
            rows.append([f"{scene}: {name}", *cells])
        table(["openings / s open / s to calm", *tally.sides], rows)
        quiet = ", ".join(f"{side} {tally.quiet.get((rate, side), 0)}" for side in tally.sides)
        print(f"  false openings with neither object nor disturbance: {quiet}")


def print_recall(tally: Tally) -> None:
    title("Recall: frames with an object that moves and is half visible, on which the gate is open")
    names = list(dict.fromkeys(name for name, _, _ in tally.kept))
    rows = []
    for name in [*names, None]:
        wanted = sum(kept[1] for (n, _, s), kept in tally.kept.items() if s == "ours" and name in (None, n))
        if wanted:
            cells = [percent(tally.recall(side, name, rate)) for rate in RATES for side in tally.sides]
            rows.append([name or "all", str(wanted), *cells])
    table(["", "frames", *(f"{side}, {rate} fps" for rate in RATES for side in tally.sides)], rows)


# --------------------------------------------------------------------------------------------------------- footage


def judged_seconds(ours: Program, film: Film, scene: str, sides: list[str]) -> list[dict]:
    """Whole seconds by rate and side: busy ones and those kept, empty ones and those opened."""
    rows = []
    for rate in FOOTAGE_RATES:
        for side in sides:
            if side == "ours":
                opened = [d["open"] and d["reason"] != "Heartbeat" for d in film.ours[rate]]
            else:
                opened = ours.call("linger", fps=rate, moves=film.moves[rate, side])["open"]
            seconds = ours.call("seconds", scene=scene, fps=rate, open=opened)["seconds"]
            rows.append({"scene": scene, "fps": rate, "side": side} | seconds)
    return rows


def of_seconds(rows: list[dict], side: str, rate: int | None = None, names: tuple[str, ...] = ("",)) -> dict:
    chosen = [row for row in rows if row["side"] == side and rate in (None, row["fps"]) and row["scene"].startswith(names)]
    total = {key: sum(row[key] for row in chosen) for key in ("busy", "kept", "empty", "opened")}
    return total | {
        "recall": total["kept"] / total["busy"] if total["busy"] else None,
        "false": total["opened"] / total["empty"] if total["empty"] else None,
    }


def print_footage(rows: list[dict], sides: list[str]) -> None:
    def cell(total: dict) -> str:
        recall = "-" if total["recall"] is None else f"{100 * total['recall']:.1f}"
        return f"{recall} / {total['opened']} of {total['empty']}"

    names = list(dict.fromkeys(row["scene"] for row in rows))
    for rate in FOOTAGE_RATES:
        title(f"Footage at {rate} fps: seconds with an object that moves that were kept, % / empty ones that were opened")
        body = [[name, *(cell(of_seconds([r for r in rows if r["scene"] == name], side, rate)) for side in sides)]
                for name in names]  # fmt: skip
        table(["", *sides], [*body, ["all", *(cell(of_seconds(rows, side, rate)) for side in sides)]])


def footage_summary(rows: list[dict]) -> str:
    clock = of_seconds(rows, "ours", None, ("clock", "rec", "logo"))
    walkers = of_seconds(rows, "ours", 5, ("walker", "trees"))
    first, peer = of_seconds(rows, "ours", 1), of_seconds(rows, "MOG2 regions", 1)
    return (f"; clock {clock['opened']}/{clock['empty']} s, sway recall {percent(walkers['recall'])} at "
            f"{walkers['opened']} false, 1 fps recall {percent(first['recall'])} (MOG2 regions {percent(peer['recall'])})")  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- fps


def agreement(ours: Program, film: Film, duration: float) -> dict:
    """Whole seconds on which the gate decides alike at all frame rates."""
    open_at = {}
    for rate in OUR_RATES:
        answer = ours.call("linger", fps=rate, moves=film.moves[rate, "ours"])
        open_at[rate] = [answer["open"][k * rate] for k in range(LEARNING_S, int(duration))]
    return {
        "seconds": int(duration) - LEARNING_S,
        "pairs": {r: sum(a == b for a, b in zip(open_at[r], open_at[15])) for r in OUR_RATES if r != 15},
        "all": sum(len(set(values)) == 1 for values in zip(*open_at.values())),
    }


def print_agreement(rows: list[dict]) -> float:
    title("Frame rates: whole seconds on which the gate decides as it does at 15 fps")
    others = [rate for rate in OUR_RATES if rate != 15]
    total = {"scene": "all", "seconds": sum(r["seconds"] for r in rows), "all": sum(r["all"] for r in rows),
             "pairs": {rate: sum(r["pairs"][rate] for r in rows) for rate in others}}  # fmt: skip
    table(["", "seconds", *(f"{rate} fps" for rate in others), "all rates alike"],
          [[r["scene"], str(r["seconds"]), *(percent(r["pairs"][rate] / r["seconds"]) for rate in others),
            percent(r["all"] / r["seconds"])] for r in [*rows, total]])  # fmt: skip
    return min(total["pairs"].values()) / total["seconds"]


# -------------------------------------------------------------------------------------------------------- openings


def gray_frames(path: pathlib.Path, most: int | None = None) -> Iterator[np.ndarray]:
    video = cv2.VideoCapture(str(path))
    count = 0
    while most is None or count < most:
        ok, frame = video.read()
        if not ok:
            return
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        count += 1


def watched(ours: Program, path: pathlib.Path, fps: float, config: dict, folder: pathlib.Path,
            most: int | None) -> Film:  # fmt: skip
    """A recorded film past our gate and MOG2."""
    film, peer, file = Film("vtest", []), Mog2(config), folder / "gray"
    film.moves = {(0, "ours"): [], (0, "MOG2"): []}
    batch: list[np.ndarray] = []

    def flush() -> None:
        np.stack(batch).tofile(file)
        ours.send("step", frames=len(batch), file=str(file))
        film.moves[0, "MOG2"].extend(peer.moves(frame) for frame in batch)
        decisions = ours.answer("step")["decisions"][0]
        film.moves[0, "ours"].extend(decision["move"] for decision in decisions)
        batch.clear()

    for frame in gray_frames(path, most):
        if not film.moves[0, "ours"] and not batch:
            ours.call("open", source={"width": frame.shape[1], "height": frame.shape[0]}, fps=fps, every=[1])
        batch.append(frame)
        if len(batch) == BATCH:
            progress(f"openings: vtest, frame {len(film.moves[0, 'ours'])}")
            flush()
    if batch:
        flush()
    if not film.moves[0, "ours"]:
        raise Broken(f"no frame could be read from {path}")
    return film


def shared_openings(ours: Program, film: Film, rate: int, fps: float) -> dict:
    """Frames on which MOG2 is open, and those of them on which we are; with and without the time after each move."""
    learnt = int(LEARNING_S * fps)
    row = {"film": film.name}
    for kind in ("open", "moves"):
        pair = [film.moves[rate, side] for side in ("MOG2", "ours")]
        if kind == "open":
            pair = [ours.call("linger", fps=fps, moves=moves)["open"] for moves in pair]
        theirs, mine = (np.array(values[learnt:], bool) for values in pair)
        row |= {"frames": len(theirs), f"MOG2 {kind}": int(theirs.sum()), f"ours {kind}": int(mine.sum()),
                f"both {kind}": int((theirs & mine).sum())}  # fmt: skip
    return row


def print_openings(rows: list[dict]) -> float | None:
    title("Openings of MOG2 on the full picture that are ours too")
    keys = ("frames", *(f"{who} {kind}" for kind in ("open", "moves") for who in ("MOG2", "ours", "both")))
    total = {"film": "all"} | {key: sum(row[key] for row in rows) for key in keys}

    def cells(row: dict, kind: str) -> list[str]:
        share = row[f"both {kind}"] / row[f"MOG2 {kind}"] if row[f"MOG2 {kind}"] else None
        return [str(row[f"MOG2 {kind}"]), str(row[f"ours {kind}"]), percent(share)]

    head = ["", "frames", "MOG2 open", "ours open", "shared", "MOG2 moves", "ours moves", "shared"]
    shown_rows = [*rows, total]
    table(head, [[r["film"], str(r["frames"]), *cells(r, "open"), *cells(r, "moves")] for r in shown_rows])
    return total["both open"] / total["MOG2 open"] if total["MOG2 open"] else None


# ------------------------------------------------------------------------------------------------------------ cost


def cost(ours: Program, video: pathlib.Path | None, config: dict, shape: tuple[int, int], folder: pathlib.Path,
         args) -> dict:  # fmt: skip
    """New gates in every pass; the least time of every frame, then the mean of the second half."""
    count = 30 if args.quick else 60
    if video:
        small = list(gray_frames(video, count))
    else:
        times = [20 + k / 15 for k in range(count)]
        ours.call("pictures", scene="quiet-day", times=times, out=str(folder / "pictures"))
        pictures = np.fromfile(folder / "pictures", np.uint8).reshape(count, -1)
        small = [picture[: shape[0] * shape[1]].reshape(shape) for picture in pictures]
    frames = np.stack([cv2.resize(frame, (1920, 1080), interpolation=cv2.INTER_LINEAR) for frame in small])
    file = folder / "frames"
    frames.tofile(file)
    samples: dict[str, list[list[int]]] = {side: [] for side in ("ours", "ours, BGR", *SIDES[1:])}

    def peer(side) -> list[int]:
        one, times = side(config), []
        for frame in frames:
            start = time.perf_counter_ns()
            one.moves(frame)
            times.append(time.perf_counter_ns() - start)
        return times

    for k in range(args.passes):
        progress(f"cost: pass {k + 1} of {args.passes}")
        for side, bgr in (("ours", False), ("ours, BGR", True)):
            told = ours.call("time", file=str(file), size={"width": 1920, "height": 1080}, fps=15, bgr=bgr)
            samples[side].append(told["ns"])
        for side in PEERS:
            samples[side.name].append(peer(side))
    progress_done()
    ns = {side: float(np.mean(np.min(passes, axis=0)[count // 2 :])) for side, passes in samples.items()}
    title(f"Cost of a 1920x1080 frame, gray where nothing else is said, one thread, {args.passes} passes turn by turn "
          f"({'vtest' if video else 'a scene'}, enlarged)")  # fmt: skip
    table(["", "ns", "÷ ours"], [[side, f"{value:,.0f}", f"{value / ns['ours']:.1f}"] for side, value in ns.items()])
    return ns


# ----------------------------------------------------------------------------------------------------- other output


def write_csv(path: pathlib.Path, films: list[Film], rates: list[int], sides: list[str]) -> None:
    with path.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["scene", "fps", "t", "visible", "disturbance", "state", "reason", "open", "fraction", *sides])
        for film in films:
            base = max(film.ours)
            for rate in rates:
                for k, decision in enumerate(film.ours[rate]):
                    truth = film.truth[k * base // rate]
                    visible = max((o["visible"] for o in truth["objects"] if o["moving"]), default=0)
                    rows.writerow([film.name, rate, f"{truth['t']:.3f}", f"{visible:.2f}", truth["disturbance"] or "",
                                   decision["state"], decision["reason"] or "", int(decision["open"]),
                                   f"{decision['fraction']:.4f}",
                                   *(int(film.moves[rate, side][k]) for side in sides)])  # fmt: skip


def instants(film: Film, scene: dict, rate: int, most: int) -> list[int]:
    """Frames worth a look: in the middle of every object's crossing, and at disturbances."""
    base = max(film.ours)
    truth = film.truth[:: base // rate]
    visible = [any(o["moving"] and o["visible"] >= 0.5 for o in one["objects"]) for one in truth]
    edges = np.flatnonzero(np.diff([False, *visible, False]))
    spans = list(zip(edges[::2], edges[1::2]))
    shares = (0.5,) if len(spans) > 2 else (0.2, 0.4, 0.6, 0.8)
    chosen = [int(a + share * (b - a)) for a, b in spans for share in shares]
    for event in scene["events"]:
        start, end = event["start_s"], event["end_s"]
        chosen += [math.ceil(start * rate), int((start + 0.6 * max(end - start, 0.5)) * rate), int((end + 2) * rate)]
    chosen = sorted({min(k, len(truth) - 1) for k in chosen})
    few = min(most, len(chosen))
    return [chosen[k * (len(chosen) - 1) // max(few - 1, 1)] for k in range(few)]


def draw_sheet(ours: Program, path: pathlib.Path, films: list[Film], scenes: dict, shape: tuple[int, int],
               folder: pathlib.Path) -> None:  # fmt: skip
    """A row a scene: true boxes in green (parked ones in blue), our regions in red, our state."""
    columns, rate, rows = 6, RATES[0], []
    for film in films:
        frames = instants(film, scenes[film.name], rate, columns)
        answer = ours.call("pictures", scene=film.name, times=[k / rate for k in frames], out=str(folder / "pictures"))
        pictures = np.fromfile(folder / "pictures", np.uint8).reshape(len(frames), shape[0] * 3 // 2, shape[1])
        row = np.zeros((shape[0], columns * shape[1], 3), np.uint8)
        for at, (k, picture, truth) in enumerate(zip(frames, pictures, answer["truth"])):
            tile = cv2.cvtColor(picture, cv2.COLOR_YUV2BGR_I420)
            decision = film.ours[rate][k]
            for one in truth["objects"]:
                x1, y1, x2, y2 = (round(v) for v in one["box"])
                cv2.rectangle(tile, (x1, y1), (x2, y2), (0, 255, 0) if one["moving"] else (255, 128, 0), 1)
            for box in decision["regions"]:
                x1, y1, x2, y2 = (round(v) for v in box)
                cv2.rectangle(tile, (x1, y1), (x2, y2), (0, 0, 255), 2)
            words = (f"{film.name} {truth['t']:.1f} s {truth['disturbance'] or ''}",
                     f"{decision['state']} {decision['reason'] or 'shut'} {decision['fraction']:.3f}")  # fmt: skip
            for line, text in enumerate(words):
                for color, width in (((0, 0, 0), 3), ((0, 255, 255), 1)):
                    place = (6, 18 + 20 * line)
                    cv2.putText(tile, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, color, width, cv2.LINE_AA)
            row[:, at * shape[1] : (at + 1) * shape[1]] = tile
        rows.append(cv2.resize(row, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA))
    if not rows or not cv2.imwrite(str(path), np.vstack(rows)):
        raise Broken(f"cannot write {path}")
    print(f"  {path}: {len(rows)} scenes; true objects green, parked ones blue, our regions red")


# ------------------------------------------------------------------------------------------------------------ main


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    listed = lambda text: [word for word in text.split(",") if word]  # noqa: E731
    add("--ours", type=pathlib.Path, default=REPOSITORY / "target" / "release" / "compare-gate", metavar="PATH",
        help="the program under comparison (default target/release/compare-gate)")  # fmt: skip
    add("--parts", type=listed, default=list(PARTS), metavar="PART,…", help=f"of {', '.join(PARTS)}")
    add("--scenes", type=listed, metavar="NAME,…", help="only these scenes (a name that does not exist lists them all)")
    add("--quick", action="store_true", help="a few scenes, a minute: to see where one stands")
    add("--alone", action="store_true", help="without the peers")
    add("--passes", type=int, help="passes of the cost part (default 7, quick 3)")
    add("--seed", type=int, default=0, help="added to the seed of every scene: others of the same kind (default 0)")
    add("--csv", type=pathlib.Path, metavar="FILE", help="also write every decision to FILE")
    add("--sheet", type=pathlib.Path, metavar="FILE", help="also draw chosen instants with boxes to FILE (PNG)")
    add("--timeout", type=float, default=300, metavar="S", help="seconds to wait for one answer (default 300)")
    add("--record", type=pathlib.Path, nargs="?", metavar="FILE",
        const=REPOSITORY / "benches" / "record" / f"{datetime.date.today()}-compare-gate.json",
        help="also write every figure to FILE as JSON (default benches/record/<date>-compare-gate.json)")  # fmt: skip
    args = parser.parse_args()
    wrong = set(args.parts) - set(PARTS)
    if wrong:
        parser.error(f"no part {', '.join(sorted(wrong))}; there are {', '.join(PARTS)}")
    args.passes = args.passes or (3 if args.quick else 7)
    return args


def goals(tally: Tally, fps: float | None, openings: float | None, ns: float | None) -> list[dict]:
    """What the gate is meant to reach; parts that did not run have no say."""
    mine = [event for event in tally.events if event["side"] == "ours"]
    noisiest = max((name for name, _, _ in tally.kept if name.startswith("night")), default=None,
                   key=lambda name: float(name.split()[-1]))  # fmt: skip
    noisy = tally.recall("ours", noisiest) if noisiest else None
    worst = max((event["false_openings"] for event in mine), default=None)
    slowest = max((event["recovery_s"] for event in mine), default=None)
    ms = None if ns is None else ns / 1e6
    return [
        {"goal": name, "value": value, "limit": limit, "met": met}
        for name, value, limit, met in (
            ("recall by day", tally.recall("ours", "day"), "≥ 99 %", lambda v: v >= 0.99),
            ("recall with the most noise", noisy, "≥ 97 %", lambda v: v >= 0.97),
            ("most false openings of an event", worst, "≤ 1", lambda v: v <= 1),
            ("longest recovery, seconds", slowest, "≤ 3", lambda v: v <= 3),
            ("frame rates agree", fps, "≥ 95 %", lambda v: v >= 0.95),
            ("MOG2's openings shared", openings, "≥ 97 %", lambda v: v >= 0.97),
            ("cost, milliseconds (of this machine)", ms, "≤ 0.45", lambda v: v <= 0.45),
        )
    ]


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
    print(f"compare-gate: {record['cpu']}, {record['cores']} cores; " + ", ".join(map(" ".join, versions.items())))
    if not video.is_file():
        print(f"compare-gate: there is no {video}; the scenes must do (GUARITA_ASSETS names another folder)")
        video = None
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="compare-gate-", dir=scratch_folder()) as temporary,
        Program(program, args.timeout) as ours,
    ):
        measure(ours, video, pathlib.Path(temporary), record, args)
    record["seconds"] = time.monotonic() - started
    if args.record:
        args.record.parent.mkdir(parents=True, exist_ok=True)
        args.record.write_text(json.dumps(record, indent=1, ensure_ascii=False, default=float) + "\n")
    print(f"\n{record['summary']}")


def measure(ours: Program, video: pathlib.Path | None, folder: pathlib.Path, record: dict, args) -> None:
    known = ours.call("scenes", seed=args.seed)
    config, shape = known["config"], (known["height"], known["width"])
    scenes = {scene["name"]: scene for scene in known["scenes"]}
    footage = [name for name, scene in scenes.items() if scene["theme"] == "Footage"]
    names = args.scenes or (QUICK if args.quick else list(scenes))
    if missing := [name for name in names if name not in scenes]:
        raise Broken(f"no scene {', '.join(missing)}; there are {', '.join(scenes)}")
    parts = set(args.parts)
    filmed = [name for name in names if name in footage] if "footage" in parts else []
    names = [name for name in names if name not in footage]
    judged = bool(parts & {"events", "recall"}) or args.csv or args.sheet
    wanted = [*PEERS] if judged else [Mog2] if "openings" in parts else []
    peers = [] if args.alone else wanted
    sides = [side for side in SIDES if side == "ours" or side in {peer.name for peer in peers}]
    print(f"  {len(names)} scenes, {len(filmed)} of footage; our gate: {json.dumps(config)}")

    tally, films, alike, openings = Tally(sides), [], [], []
    for k, name in enumerate(names):
        scene = scenes[name]
        if not judged and "fps" not in parts and ("openings" not in parts or scene["theme"] != "Small"):
            continue
        progress(f"scene {k + 1} of {len(names)}: {name}")
        rates = list(OUR_RATES if "fps" in parts else RATES)
        film = shown(ours, name, rates, list(RATES), peers, config, scene["duration_s"], shape, folder)
        films.append(film)
        for rate in RATES if judged else ():
            for side in sides:
                account = ours.call("account", scene=name, fps=rate, moves=film.moves[rate, side])["account"]
                tally.add(scene, rate, side, account)
        if "fps" in parts:
            alike.append({"scene": name} | agreement(ours, film, scene["duration_s"]))
        if "openings" in parts and scene["theme"] == "Small" and peers:
            openings.append(shared_openings(ours, film, 15, 15))
    seconds = []
    footage_sides = ["ours", *(() if args.alone else (peer.name for peer in FOOTAGE_PEERS))]
    for k, name in enumerate(filmed):
        progress(f"footage {k + 1} of {len(filmed)}: {name}")
        rates, peers_of_footage = list(FOOTAGE_RATES), [] if args.alone else [*FOOTAGE_PEERS]
        film = shown(ours, name, rates, rates, peers_of_footage, config, scenes[name]["duration_s"], shape, folder)
        seconds += judged_seconds(ours, film, name, footage_sides)
    progress_done()
    if "openings" in parts and video and not args.alone:
        film = watched(ours, video, 10, config, folder, 300 if args.quick else None)
        openings.append(shared_openings(ours, film, 0, 10))
        progress_done()

    if "events" in parts and tally.events:
        print_events(tally)
    if "recall" in parts and tally.kept:
        print_recall(tally)
    if seconds:
        print_footage(seconds, footage_sides)
    fps = print_agreement(alike) if alike else None
    shared = print_openings(openings) if openings else None
    ns = cost(ours, video, config, shape, folder, args) if "cost" in parts else None
    if args.csv:
        write_csv(args.csv, films, list(RATES), sides)
    if args.sheet:
        chosen = set(args.scenes or SHEET)
        draw_sheet(ours, args.sheet, [film for film in films if film.name in chosen], scenes, shape, folder)

    title("Goals")
    reached = goals(tally, fps, shared, ns["ours"] if ns else None)
    for goal in reached:
        value, met = goal["value"], goal["met"]
        goal["met"] = None if value is None else bool(met(value))
        text = "-" if value is None else percent(value) if "%" in goal["limit"] else f"{value:.2f}"
        verdict = {None: "not measured", True: "met", False: "NOT met"}[goal["met"]]
        print(f"  {goal['goal']}: {text} ({goal['limit']}): {verdict}")
    recall = tally.recall("ours")
    record |= {"config": config, "events": tally.events, "fps": alike, "openings": openings, "cost_ns": ns,
               "goals": reached, "footage": seconds,
               "false_openings_quiet": [{"fps": r, "side": s, "count": n} for (r, s), n in tally.quiet.items()],
               "recall": [{"of": n, "fps": r, "side": s, "kept": kept, "wanted": wanted}
                          for (n, r, s), (kept, wanted) in tally.kept.items()]}  # fmt: skip
    record["summary"] = (f"gate: recall {'-' if recall is None else f'{100 * recall:.1f}'}%, false openings per event "
                         f"{number(tally.per_event('ours'))} (MOG2 {number(tally.per_event('MOG2'))}, "
                         f"running average {number(tally.per_event('running average'))})")  # fmt: skip
    if seconds:
        record["summary"] += footage_summary(seconds)


def main() -> int:
    args = arguments()
    try:
        run(args)
    except (Broken, Refused) as broken:
        progress_done()
        print(f"compare-gate: {broken}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
