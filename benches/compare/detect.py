#!/usr/bin/env python3
"""Compares this library's detections, accuracy and overhead with a numpy + OpenCV + ONNX Runtime peer.

The library is reached through a small program (--ours) that reads one JSON object per line and answers one per
line; the peer is peer.py. Four parts: `parity` (the same raw pixels on both sides, detection by detection), `ap`
(AP50 on 64 COCO pictures, each side with its own JPEG decoder), `overhead` (detection compared with the bare
inference) and `decode` (how far the JPEG decoders are apart). The last line of the output sums up the parity.

Exit status: 0 when the comparison ran, whatever it found; 1 when something is broken; 3 when it was skipped
because the assets folder is absent.
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

import cv2
import numpy as np
import onnxruntime as ort

import peer as p
from common import Broken, Program, Refused, cpu_model, progress, progress_done, table, title

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PARTS = ("parity", "ap", "overhead", "decode")
MIN_IOU = 0.99
MAX_DELTA = 1e-3  # of a confidence; also what counts as close to a threshold
AP_GOAL = 0.005
OVERHEAD_MODEL = "yolov8n_int8_640"

# What a model file does not say about itself.
HINTS = {
    "yolox_nano": {"labels": "coco80"},
    "coco_ssd_mobilenet_v2": {"labels": "coco90"},
    "nanodet_m_416": {"labels": "coco80"},
    "yolov8n_int8_640": None,
    "yolo11n_int8_320": None,
    "yolo-v9-t-416-license-plates-end2end.int8": {"labels": ["plate"]},
    "ultraface_version-RFB-320": {
        "family": "ssd",
        "labels": ["face"],
        "input": {"color": "rgb", "resize": "stretch", "mean": [127, 127, 127], "std": [128, 128, 128]},
        "ssd": {"box_order": "xyxy", "units": "fractions", "background": True},
    },
    "face_detection_yunet_2026may": {
        "family": "yunet",
        "labels": ["face"],
        "input": {"width": 640, "height": 640},
    },
}


class Ours(Program):
    """The library behind its JSON lines."""

    def open(self, model: pathlib.Path, confidence: float, iou: float) -> dict:
        hints = HINTS[model.stem]
        return self.call("open", model=str(model), hints=hints, confidence=confidence, iou=iou)

    def detect(self, image: np.ndarray, raw: pathlib.Path) -> tuple[p.Found, list[str]]:
        image.tofile(raw)
        h, w = image.shape[:2]
        return found_from(self.call("detect", file=str(raw), width=w, height=h, format="bgr8"))


def found_from(answer: dict) -> tuple[p.Found, list[str]]:
    """A program's detections, highest confidence first, and the label of each."""
    rows = sorted(answer["detections"], key=lambda d: -d["confidence"])
    boxes = np.array([d["box"] for d in rows], np.float64).reshape(-1, 4)
    scores = np.array([d["confidence"] for d in rows], np.float64)
    classes = np.array([d["class_id"] for d in rows], np.int64)
    return p.Found(boxes, scores, classes), [d.get("label") for d in rows]


# -------------------------------------------------------------------------------------------------------- parity


def alike(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of every box of `a` with every box of `b`; boxes without area count as 1 where their corners meet."""
    iou = p.iou_matrix(a.astype(np.float64), b.astype(np.float64))
    flat = np.prod(a[:, 2:] - a[:, :2], axis=1) <= 0
    close = np.abs(a[:, None] - b[None]).max(axis=2, initial=0) < 0.05
    return np.where(flat[:, None] & close, 1.0, iou)


def pair(theirs: p.Found, ours: p.Found) -> tuple[list[tuple[int, int, float]], list[int], list[int]]:
    """Greedy in the peer's order of confidence: (peer, ours, IoU) triples, then what is left on either side.

    A box of the same class is preferred, and a pair needs an IoU of at least a half.
    """
    pairs, free = [], np.ones(len(ours), bool)
    iou = alike(theirs.boxes, ours.boxes)
    for k in range(len(theirs)):
        rank = np.where(free & (iou[k] >= 0.5), iou[k] + (ours.classes == theirs.classes[k]), -1)
        if len(rank) and rank.max() > 0:
            best = int(rank.argmax())
            free[best] = False
            pairs.append((k, best, float(iou[k, best])))
    taken = {k for k, _, _ in pairs}
    return pairs, [k for k in range(len(theirs)) if k not in taken], np.flatnonzero(free).tolist()


class Trace:
    """The peer's candidates for one picture, to say why a detection may be there on one side only."""

    def __init__(self, peer: p.Peer, raw: list[np.ndarray], mapping: p.Mapping):
        self.peer = peer
        below = peer.candidates(raw, max(0.0, peer.confidence - 0.05))
        self.all = below
        self.in_frame = mapping.back(below.boxes)

    def causes(self, box: np.ndarray, class_id: int) -> tuple[list[str], bool]:
        """What may have tipped the balance, and whether it was a close call: a rounding error could decide it."""
        same = np.flatnonzero(self.all.classes == class_id)
        iou = alike(box[None], self.in_frame[same])[0]
        if not len(same) or iou.max() < 0.9:
            nearest = f"the nearest overlaps {iou.max():.3f}" if len(same) else "none of its class"
            return [f"unlike any candidate of the peer ({nearest})"], False
        at = same[iou.argmax()]
        score, causes = float(self.all.scores[at]), []
        if abs(score - self.peer.confidence) <= MAX_DELTA:
            causes.append(f"the peer's score {score:.5f} is close to the threshold")
        if self.peer.family == "end2end":
            return causes, bool(causes)
        rivals = same[(same != at) & (self.all.scores[same] > self.peer.confidence - MAX_DELTA)]
        overlaps = p.iou_with(self.all.boxes[at], self.all.boxes[rivals])
        gap = np.abs(overlaps - self.peer.iou)
        if gap.size and gap.min() <= MAX_DELTA:
            causes.append(f"an NMS IoU of {overlaps[gap.argmin()]:.5f} is close to the threshold")
        near = (overlaps > self.peer.iou - MAX_DELTA) & (np.abs(self.all.scores[rivals] - score) <= MAX_DELTA)
        if near.any():
            delta = np.abs(self.all.scores[rivals] - score)[near].min()
            causes.append(f"an overlapping rival's score is only {delta:.1e} away")
        return causes, bool(causes)


def compare(theirs: p.Found, ours: p.Found, names: list[str], trace: Trace) -> tuple[list[dict], float, float]:
    """The differences of one picture, the largest |Δ confidence| and the smallest IoU among its pairs."""

    def name(found: p.Found, k: int) -> str:
        c = int(found.classes[k])
        return f"{names[c] if 0 <= c < len(names) and names[c] else c} {found.scores[k]:.4f}"

    def note(what: str, found: p.Found, k: int) -> None:
        causes, close = trace.causes(found.boxes[k].astype(np.float64), int(found.classes[k]))
        differences.append({"what": what, "causes": causes, "close_call": close})

    differences: list[dict] = []
    pairs, only_theirs, only_ours = pair(theirs, ours)
    for a, b, iou in pairs:
        if theirs.classes[a] != ours.classes[b]:
            note(f"{name(ours, b)} where the peer has {name(theirs, a)}", theirs, a)
        elif iou < MIN_IOU:
            note(f"{name(ours, b)}: IoU {iou:.4f} with the peer's {name(theirs, a)}", theirs, a)
        elif abs(theirs.scores[a] - ours.scores[b]) > MAX_DELTA:
            note(f"{name(ours, b)}: the peer has {name(theirs, a)}", theirs, a)
    for k in only_theirs:
        note(f"missing: {name(theirs, k)}", theirs, k)
    for k in only_ours:
        note(f"not in the peer: {name(ours, k)}", ours, k)
    deltas = [abs(float(theirs.scores[a] - ours.scores[b])) for a, b, _ in pairs]
    return differences, max(deltas, default=0.0), min((iou for *_, iou in pairs), default=1.0)


def parity_of(ours: Ours, model: pathlib.Path, label: str, pictures: list[pathlib.Path], args, raw) -> dict:
    result = {"model": model.stem, "pictures": len(pictures), "set": label, "detections": 0, "differ": 0}
    result |= {"max_delta_confidence": 0.0, "min_iou": 1.0, "close_calls": 0, "differences": {}}
    try:
        opened = ours.open(model, args.confidence, args.iou)
    except Refused as refused:
        result |= {"refused": str(refused), "differ": len(pictures)}
        return result
    names = opened.get("labels") or []
    result["family"] = opened.get("family")
    peer = p.Peer(model, args.confidence, args.iou)
    for k, path in enumerate(pictures):
        progress(f"parity: {model.stem} {label} {k + 1}/{len(pictures)}")
        image = cv2.imread(str(path))
        if image is None:
            raise Broken(f"OpenCV cannot read {path}")
        tensor, mapping = peer.prepare(image)
        outputs = peer.run(tensor)
        theirs = peer.select(peer.candidates(outputs), mapping)
        try:
            mine, labels = ours.detect(image, raw)
        except Refused as refused:
            differences, delta, iou = [{"what": f"refused: {refused}", "causes": [], "close_call": False}], 0.0, 1.0
        else:
            differences, delta, iou = compare(theirs, mine, names, Trace(peer, outputs, mapping))
            for c, said in zip(mine.classes, labels):
                if 0 <= c < len(names) and said != names[c]:
                    what = f"class {c} is labelled {said!r} but the model's list says {names[c]!r}"
                    differences.append({"what": what, "causes": [], "close_call": False})
        result["detections"] += len(theirs)
        result["max_delta_confidence"] = max(result["max_delta_confidence"], delta)
        result["min_iou"] = min(result["min_iou"], iou)
        if differences:
            result["differ"] += 1
            result["close_calls"] += all(d["close_call"] for d in differences)
            result["differences"][path.name] = differences
    progress_done()
    return result


def parity(ours: Ours, models: list[pathlib.Path], sets: dict, args, folder: pathlib.Path) -> list[dict]:
    title("1. Parity with the peer: the same raw pixels on both sides")
    results = []
    for model in models:
        for label, pictures in [("coco64", sets["coco64"]), *sets["extra"].get(p.FAMILIES[model.stem], [])]:
            results.append(parity_of(ours, model, label, pictures, args, folder / "raw.bin"))
    head = ["model", "pictures", "set", "detections", "differ", "close calls", "max |Δconf|", "min IoU"]
    rows = []
    for r in results:
        tail = [f"{r['max_delta_confidence']:.1e}", f"{r['min_iou']:.5f}"]
        tail = ["-", "-"] if "refused" in r else tail
        rows.append([r["model"], str(r["pictures"]), r["set"], str(r["detections"]), str(r["differ"]),
                     str(r["close_calls"]), *tail])  # fmt: skip
    table(head, rows)
    for r in results:
        if "refused" in r:
            print(f"  {r['model']}: not opened, every picture counts as differing: {r['refused']}")
        for n, (picture, differences) in enumerate(r["differences"].items()):
            if n == args.list:
                print(f"  {r['model']}: and {len(r['differences']) - n} pictures more")
                break
            for k, d in enumerate(differences[:4]):
                why = "; ".join(d["causes"]) or "no close call"
                print(f"  {r['model']} {picture}: {d['what']} ({why})")
                if k == 3 and len(differences) > 4:
                    print(f"  {r['model']} {picture}: and {len(differences) - 4} differences more")
    return results


# ------------------------------------------------------------------------------------------------------ accuracy


def truth_of(path: pathlib.Path, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    label = path.parent.parent / "labels" / f"{path.stem}.txt"
    rows = np.array([line.split() for line in label.read_text().splitlines() if line.strip()], np.float64)
    rows = rows.reshape(-1, 5)
    boxes = np.concatenate([rows[:, 1:3] - rows[:, 3:5] / 2, rows[:, 1:3] + rows[:, 3:5] / 2], axis=1)
    return rows[:, 0].astype(np.int64), boxes * [width, height, width, height]


def contiguous(found: p.Found, family: str) -> p.Found:
    """With the 80 contiguous COCO classes of the labels; detections of a column that has none are dropped."""
    if family != "ssd":
        return found
    classes = p.COCO90_TO_80[found.classes]
    return p.Found(found.boxes, found.scores, classes)[classes >= 0]


def accuracy(ours: Ours, models: list[pathlib.Path], pictures: list[pathlib.Path], args) -> list[dict]:
    title(f"2. AP50 on {len(pictures)} COCO pictures, each side with its own JPEG decoder (confidence over .01)")
    results = []
    for model in models:
        peer = p.Peer(model, 0.01, args.iou)
        row = {"model": model.stem, "pictures": len(pictures), "ours": None, "peer": None}
        try:
            ours.open(model, 0.01, args.iou)
            mine, theirs, truth = [], [], []
            for k, path in enumerate(pictures):
                progress(f"AP50: {model.stem} {k + 1}/{len(pictures)}")
                image = cv2.imread(str(path))
                truth.append(truth_of(path, image.shape[1], image.shape[0]))
                theirs.append(contiguous(peer.detect(image), peer.family))
                answer, _ = found_from(ours.call("detect_jpeg", file=str(path)))
                mine.append(contiguous(answer, peer.family))
            row |= {"ours": p.average_precision(mine, truth), "peer": p.average_precision(theirs, truth)}
        except Refused as refused:
            row["refused"] = str(refused)
        results.append(row)
    progress_done()
    rows = []
    for r in results:
        if "refused" in r:
            rows.append([r["model"], "-", "-", "-", f"refused: {r['refused']}"])
            continue
        gap = r["ours"] - r["peer"]
        verdict = "yes" if abs(gap) <= AP_GOAL else "NO"
        rows.append([r["model"], f"{r['ours']:.4f}", f"{r['peer']:.4f}", f"{gap:+.4f}", verdict])
    table(["model", "ours", "peer", "difference", f"within {AP_GOAL}"], rows)
    return results


# ------------------------------------------------------------------------------------------------------ overhead


def timed(action, runs: int) -> list[int]:
    out = []
    for _ in range(runs):
        start = time.perf_counter_ns()
        action()
        out.append(time.perf_counter_ns() - start)
    return out


def in_turns(name: str, ours_turn, peer_turn, bare_turn, args) -> dict:
    """Rounds of ours, peer, bare; the order turns round every time. All samples in nanoseconds."""
    samples = {"ours_total": [], "ours_inference": [], "peer_total": [], "peer_session_run": []}

    def ours() -> None:
        answer = ours_turn(args.runs)
        samples["ours_total"] += answer["total_ns"]
        samples["ours_inference"] += answer["inference_ns"]

    turns = [
        ours,
        lambda: samples["peer_total"].extend(timed(peer_turn, args.runs)),
        lambda: samples["peer_session_run"].extend(timed(bare_turn, args.runs)),
    ]
    ours_turn(2), timed(peer_turn, 2), timed(bare_turn, 2)  # warm up
    for k in range(args.rounds):
        progress(f"overhead: {name} {k + 1}/{args.rounds}")
        for turn in turns if k % 2 == 0 else turns[::-1]:
            turn()
    progress_done()
    best = {key: min(values) for key, values in samples.items()}
    return {
        "case": name,
        "min_ns": best,
        "median_ns": {key: int(np.median(values)) for key, values in samples.items()},
        "ours_ratio": best["ours_total"] / best["peer_session_run"],
        "peer_ratio": best["peer_total"] / best["peer_session_run"],
        "ours_own_ratio": best["ours_total"] / best["ours_inference"],
        "samples_ns": samples,
    }


def overhead(ours: Ours, model: pathlib.Path, images: pathlib.Path, args, folder: pathlib.Path) -> dict:
    title(f"3. Overhead with {model.stem}: minimum over {args.rounds} rounds of {args.runs} runs a side, turn by turn")
    try:
        ours.open(model, args.confidence, args.iou)
        peer = p.Peer(model, args.confidence, args.iou)

        square = cv2.resize(cv2.imread(str(images / "bus.jpg")), (640, 640), interpolation=cv2.INTER_LINEAR)
        ours.detect(square, folder / "raw.bin")
        tensor, _ = peer.prepare(square)
        cases = [
            in_turns(
                "image in RAM",
                lambda n: ours.call("time", runs=n),
                lambda: peer.detect(square),
                lambda: peer.run(tensor),
                args,
            )
        ]

        large = cv2.resize(cv2.imread(str(images / "zidane.jpg")), (1920, 1080), interpolation=cv2.INTER_LINEAR)
        jpeg = folder / "1080p.jpg"
        cv2.imwrite(str(jpeg), large, [cv2.IMWRITE_JPEG_QUALITY, 90])
        data = np.frombuffer(jpeg.read_bytes(), np.uint8)
        tensor_large, _ = peer.prepare(cv2.imdecode(data, cv2.IMREAD_COLOR))
        cases.append(
            in_turns(
                "1080p JPEG",
                lambda n: ours.call("time_jpeg", file=str(jpeg), runs=n),
                lambda: peer.detect(cv2.imdecode(data, cv2.IMREAD_COLOR)),
                lambda: peer.run(tensor_large),
                args,
            )
        )
    except Refused as refused:
        progress_done()
        print(f"  refused: {refused}")
        return {"refused": str(refused)}
    head = ["ms", "ours total", "ours inference", "peer total", "peer session.run", "ours total / ours inference"]
    rows = []
    for c in cases:
        rows.append([c["case"], *(f"{v / 1e6:.3f}" for v in c["min_ns"].values()), f"{c['ours_own_ratio']:.4f}"])
    table(head, rows)
    for c in cases:
        print(
            f"overhead: {c['case']} → detections = {c['ours_own_ratio']:.3f} × session.run (peer {c['peer_ratio']:.3f}),"
            f" each by its own process; ours by the peer's session.run {c['ours_ratio']:.3f}"
        )
    return {"cases": cases, "opencv_threads": cv2.getNumThreads(), "load_average": os.getloadavg()}


# ------------------------------------------------------------------------------------------------------ decoding


def decoding(ours: Ours, pictures: list[pathlib.Path], folder: pathlib.Path) -> dict:
    title(f"4. JPEG decoders: ours and OpenCV's on {len(pictures)} pictures")
    means, maxima, failed = [], [], {}
    out = folder / "decoded.bin"
    for k, path in enumerate(pictures):
        progress(f"decode: {k + 1}/{len(pictures)}")
        reference = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        try:
            answer = ours.call("decode", file=str(path), out=str(out))
        except Refused as refused:
            failed[path.name] = str(refused)
            continue
        shape = (answer["height"], answer["width"], 3)
        pixels = np.fromfile(out, np.uint8)
        if shape != reference.shape or pixels.size != reference.size:
            failed[path.name] = f"{shape[1]}×{shape[0]} and {pixels.size} bytes, OpenCV has {reference.shape}"
            continue
        gap = cv2.absdiff(pixels.reshape(shape), reference)
        means.append(float(gap.mean()))
        maxima.append(int(gap.max()))
    progress_done()
    result = {"pictures": len(pictures), "compared": len(means), "failed": failed}
    if means:
        result |= {"mean": float(np.mean(means)), "worst_mean": max(means), "max": max(maxima),
                   "identical": maxima.count(0)}  # fmt: skip
        print(
            f"  mean |Δ| {result['mean']:.4f} of 255 (worst picture {result['worst_mean']:.4f}), "
            f"max {result['max']}, {result['identical']} of {len(means)} pictures identical"
        )
    for picture, why in failed.items():
        print(f"  {picture}: {why}")
    return result


# ---------------------------------------------------------------------------------------------------------- main


def jpegs(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(folder.glob("*.jpg"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--ours", type=pathlib.Path, default=REPOSITORY / "target" / "release" / "compare-detect", metavar="PATH",
        help="the program under comparison (default target/release/compare-detect)")  # fmt: skip
    add("--models", nargs="+", metavar="NAME", help="only models whose name contains one of these, in parity and ap")
    add("--pictures", type=int, metavar="N", help="only the first N pictures of every set")
    add("--quick", action="store_true", help="8 pictures and 5 rounds, unless told otherwise")
    add("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    add("--rounds", type=int, help="rounds of the overhead part (default 15)")
    add("--runs", type=int, default=3, help="runs of each side in a round (default 3)")
    add("--ap-models", nargs="+", default=["coco_ssd_mobilenet_v2", "yolox_nano"], metavar="NAME",
        help="models of the ap part (default coco_ssd_mobilenet_v2 yolox_nano)")  # fmt: skip
    add("--confidence", type=float, default=0.25, help="of parity and overhead (default .25)")
    add("--iou", type=float, default=0.45, help="of the suppression (default .45)")
    add("--cv-threads", type=int, default=1, metavar="N",
        help="threads OpenCV may use for the peer (default 1, as many as either side's inference)")  # fmt: skip
    add("--list", type=int, default=20, metavar="N", help="differing pictures listed per model (default 20)")
    add("--timeout", type=float, default=120, metavar="S", help="seconds to wait for one answer (default 120)")
    add("--record", type=pathlib.Path, metavar="FILE", help="also write every figure to FILE as JSON")
    args = parser.parse_args()
    args.pictures = args.pictures or (8 if args.quick else None)
    args.rounds = args.rounds or (5 if args.quick else 15)
    unknown = [m for m in args.ap_models if p.FAMILIES.get(m) not in ("ultralytics", "yolox", "ssd", "nanodet")]
    if unknown:
        parser.error(f"not a COCO model: {' '.join(unknown)}")
    return args


def run(args: argparse.Namespace, assets: pathlib.Path) -> None:
    program = args.ours.resolve()
    if not program.is_file():
        raise Broken(f"{args.ours} does not exist; build it first or name it with --ours")
    wanted = [m for m in p.FAMILIES if not args.models or any(part in m for part in args.models)]
    if not wanted:
        raise Broken(f"no model is called like {' '.join(args.models)}; there are {', '.join(p.FAMILIES)}")
    folder = assets / "models"
    models = [folder / f"{m}.onnx" for m in wanted if (folder / f"{m}.onnx").is_file()]
    for m in wanted:
        if not (folder / f"{m}.onnx").is_file():
            print(f"skipped: the assets have no {m}.onnx")
    images = assets / "images"
    coco = jpegs(images / "coco64" / "images")[: args.pictures]
    if not coco:
        raise Broken("the assets have no images/coco64/images")
    faces = [f for f in (images / n for n in ("astronaut.png", "bus.jpg", "zidane.jpg")) if f.is_file()]
    plates = jpegs(assets / "plates" / "br")[: args.pictures]
    extra = {"ultraface": [("faces", faces)], "yunet": [("faces", faces)], "end2end": [("plates", plates)]}
    sets = {"coco64": coco, "extra": extra}

    cv2.setNumThreads(args.cv_threads)
    versions = {"onnxruntime": ort.__version__, "opencv": cv2.__version__, "numpy": np.__version__,
                "python": platform.python_version()}  # fmt: skip
    record = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "versions": versions,
        "confidence": args.confidence,
        "iou": args.iou,
    }
    print(f"compare-detect: {record['cpu']}, {record['cores']} cores; " + ", ".join(map(" ".join, versions.items())))

    summary = "parity: not run"
    with tempfile.TemporaryDirectory(prefix="compare-detect-") as temporary, Ours(program, args.timeout) as ours:
        scratch = pathlib.Path(temporary)
        if "parity" in args.only:
            results = record["parity"] = parity(ours, models, sets, args, scratch)
            differ = sum(r["differ"] for r in results)
            summary = f"parity: {len(coco)}×{len(models)}, {differ} differ"
            more = sum(r["pictures"] for r in results if r["set"] != "coco64")
            if more:
                print(f"  {more} pictures of plates and faces come on top of {len(coco)}×{len(models)}; theirs count too")
        if "ap" in args.only:
            chosen = [folder / f"{m}.onnx" for m in args.ap_models if m in wanted]
            record["ap50"] = accuracy(ours, [m for m in chosen if m in models], coco, args)
        if "overhead" in args.only and (folder / f"{OVERHEAD_MODEL}.onnx").is_file():
            record["overhead"] = overhead(ours, folder / f"{OVERHEAD_MODEL}.onnx", images, args, scratch)
        if "decode" in args.only:
            record["decode"] = decoding(ours, coco, scratch)
    record["summary"] = summary
    if args.record:
        args.record.parent.mkdir(parents=True, exist_ok=True)
        args.record.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    print(f"\n{summary}")


def main() -> int:
    args = arguments()
    assets = pathlib.Path(os.environ.get("GUARITA_ASSETS") or REPOSITORY / ".." / "shared" / "assets").resolve()
    if not assets.is_dir():
        print(f"compare-detect: skipped: there is no assets folder at {assets}; name one with GUARITA_ASSETS")
        return 3
    try:
        run(args, assets)
    except Broken as broken:
        progress_done()
        print(f"compare-detect: {broken}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
