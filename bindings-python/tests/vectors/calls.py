"""Cases that are single calls: configs, errors, geometry, frames, models, detectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import guarita

from .common import Case, Json, contents, error_json, frame

Box = guarita.BoundingBox


def provider(**config: Any) -> guarita.Provider:
    """One that is never asked."""
    return guarita.CallbackProvider(lambda request: [], **config)


def camera(**config: Any) -> None:
    with guarita.Pipeline(provider(wants=["labels", "text", "faces"])) as pipeline:
        pipeline.add_camera(**config)


def pipeline(outlet: Any = None, **config: Any) -> None:
    host: Any = {"sinks": {"host": print}, "outlets": {"host": outlet or {}}}
    guarita.Pipeline(provider(), **host, **config).close()


#: What takes more than plain data.
MAKES: dict[str, Callable[..., object]] = {
    "CallbackProvider": provider,
    "Camera": camera,
    "HybridProvider": lambda **config: guarita.HybridProvider(provider(), provider(), **config),
    "LocalProvider": lambda model, **config: guarita.LocalProvider(guarita.Detector(model), **config),
    "Pipeline": pipeline,
}


def make(case: Case) -> None:
    """The object that takes a config."""
    noun = case["noun"]
    MAKES.get(noun, getattr(guarita, noun))(*case["arguments"], **case["fields"])


def codes(case: Case) -> Json:
    kinds = guarita.GuaritaError.__subclasses__()
    return sorted([kind.number, kind.code] for kind in kinds if kind.__name__ in guarita.__all__)


def polygon(case: Case) -> Json:
    shape = guarita.Polygon(case["points"])
    inside = [shape.contains(*place) for place in case["places"]]
    return {"area": shape.area, "contains": inside, "corners": len(shape.points)}


def zone(case: Case) -> Json:
    rule: Any = {"name": "any", "when": {"present": {"zone": case["zone"]["name"]}}}
    someone = guarita.Detection(case["box"], "person", 0.9)
    scene = guarita.Trigger(zones=[case["zone"]], **rule).observe([(1, someone)], pts=0, size=tuple(case["frame"]))
    return scene is not None


def planes(case: Case) -> guarita.Frame:
    buffers = [contents(file) for file in case["planes"]]
    size = (case["width"], case["height"])
    return guarita.Frame.from_planes(buffers, format=case["format"], size=size, strides=case["strides"])


def frame_json(case: Case, shown: guarita.Frame) -> Json:
    pixels = [np.atleast_1d(shown.numpy()[y, x]).tolist() for x, y in case.get("pixels", ())]
    row = [plane[case["row"]].ravel().tolist() for plane in shown.planes()] if "row" in case else None
    kept = shown.encoded and len(shown.encoded)
    about = {"size": shown.size, "format": shown.format, "pts": shown.pts, "encoded_bytes": kept}
    return {**about, "pixels": pixels, "row": row}


def detect(case: Case) -> Json:
    spec = guarita.ModelSpec.read(case["model"], case["hints"])
    with guarita.Detector(spec, **case["config"]) as detector:
        frames = [frame(picture) for picture in case["pictures"]]
        found = detector.detect_batch(frames) if case["batch"] else [detector.detect(each) for each in frames]
        report = {field: detector.report[field] for field in case["report"]}
    return {"found": [one.to_dict() for one in found], "report": report}


CALLS: dict[str, Callable[[Case], Json]] = {
    "check": lambda case: guarita.check_config(case["type"], case["value"]),
    "make": make,
    "list": codes,
    "describe": lambda case: error_json(getattr(guarita, case["code"])()),
    "iou": lambda case: Box(*case["a"]).iou(Box(*case["b"])),
    "clipped": lambda case: Box(*case["box"]).clipped(tuple(case["frame"])).xyxy,
    "normalized": lambda case: Box(*case["box"]).normalized(tuple(case["frame"])).xyxy,
    "from_cxcywh": lambda case: Box.from_cxcywh(*case["cxcywh"]).xyxy,
    "measures": lambda case: {name: getattr(Box(*case["box"]), name) for name in ("width", "height", "area")},
    "polygon": polygon,
    "zone": zone,
    "decode": lambda case: frame_json(case, guarita.Frame(contents(case["picture"]["encoded"]), **case["options"])),
    "decode_reduced": lambda case: frame_json(
        case, guarita.Frame.decode_reduced(contents(case["picture"]["encoded"]), case["min_width"], **case["options"])
    ),
    "draw": lambda case: frame_json(case, frame(case["picture"])),
    "open": lambda case: frame_json(case, guarita.Frame.open(case["file"])),
    "planes": lambda case: frame_json(case, planes(case)),
    "read": lambda case: guarita.ModelSpec.read(case["file"], case["hints"]).to_dict(),
    "detect": detect,
}
