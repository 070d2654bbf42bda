"""Suites whose cases are single calls: config, errors, geometry, frame, model, detector."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

import guarita

from . import pictures
from .common import Json, codes, detection_json

Case = dict[str, Any]
MODEL = pictures.DATA / "../../../models/fixtures/v8_nc80.onnx"
DOOR: Any = {"name": "door", "area": [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8)]}
RULE: Any = {"name": "any", "when": {"present": {"classes": ["person"]}}}


def provider(**config: Any) -> guarita.Provider:
    def nothing(request: guarita.Request) -> list[guarita.Detections]:
        return [guarita.Detections(size=shown.size) for shown in request.frames]

    return guarita.CallbackProvider(nothing, **config)


def camera(**config: Any) -> object:
    with guarita.Pipeline(provider(wants=["labels", "text", "faces"])) as pipeline:
        return pipeline.add_camera(**config)


def pipeline(**arguments: Any) -> object:
    with guarita.Pipeline(provider(), **arguments) as made:
        return made


def in_folder(make: Callable[[pathlib.Path], object]) -> object:
    with tempfile.TemporaryDirectory() as folder:
        return make(pathlib.Path(folder) / "file")


#: What takes such a config as keyword arguments, or as one of them: it must say the same as `check_config`.
TAKES: dict[str, Callable[[Any], object]] = {
    "BackgroundModelConfig": lambda value: guarita.BackgroundModel(**value),
    "MotionGateConfig": lambda value: guarita.MotionGate(**value),
    "BudgetConfig": lambda value: guarita.Budget(**value),
    "PriceTable": lambda value: guarita.Budget(prices=value),
    "JournalOptions": lambda value: in_folder(lambda path: guarita.Budget(journal=path, journal_options=value)),
    "CircuitBreakerConfig": lambda value: guarita.CircuitBreaker(**value),
    "RetryConfig": lambda value: guarita.RetryPolicy(**value),
    "RateLimitConfig": lambda value: guarita.RateLimit(**value),
    "CallbackProviderConfig": lambda value: provider(**value),
    "HybridConfig": lambda value: guarita.HybridProvider(provider(), provider(), **value),
    "LocalProviderConfig": lambda value: guarita.LocalProvider(guarita.Detector(MODEL), **value),
    "RekognitionConfig": lambda value: guarita.RekognitionProvider(access_key_id="a", secret_access_key="b", **value),
    "TriggerConfig": lambda value: guarita.Trigger(zones=[DOOR], **value),
    "Zone": lambda value: guarita.Trigger(zones=[value], **RULE),
    "Schedule": lambda value: guarita.Trigger(**RULE, schedule=value),
    "CameraConfig": lambda value: camera(**value),
    "Confirmation": lambda value: camera(id="gate", confirmation=value),
    "ResultCacheConfig": lambda value: camera(id="gate", cache=value),
    "PipelineConfig": lambda value: pipeline(**value),
    "OutletConfig": lambda value: pipeline(sinks={"host": print}, outlets={"host": value}),
    "JsonLinesConfig": lambda value: in_folder(lambda path: guarita.JsonLinesSink(path, **value)),
    "WebhookConfig": lambda value: guarita.WebhookSink(**value),
}
#: These open a model or a file, which must fit what is right; what is wrong they find before.
TAKES_WRONG: dict[str, Callable[[Any], object]] = {
    "DetectorConfig": lambda value: guarita.Detector(MODEL, **value),
    "SourceConfig": lambda value: guarita.VideoSource("no/such/video", **value),
}


def config(case: Case) -> Json:
    kind, value = case["type"], case["value"]
    try:
        checked = guarita.check_config(kind, value)
    except guarita.GuaritaError as error:
        take = {**TAKES, **TAKES_WRONG}.get(kind)
        if take is None:
            raise
        try:
            made = take(value)
        except guarita.GuaritaError as other:
            assert other.code == error.code, f"{other.code} {other}, and check_config {error.code} {error}"
            # Its own field begins at what holds the config.
            raise error from None
        raise AssertionError(f"check_config says {error}, and {made!r} takes it") from error
    if kind in TAKES:
        TAKES[kind](value)
    return checked


def errors(case: Case) -> Json:
    op = case["op"]
    if op == "list":
        return [[kind.number, kind.code] for kind in codes()]
    if op == "describe":
        error = getattr(guarita, case["code"])()
        return {"number": error.number, "advice": error.advice}
    if op == "open_frame":
        return guarita.Frame.open(pictures.DATA / case["file"]).size
    if op == "read_model":
        return guarita.ModelSpec.read(pictures.DATA / case["file"]).family
    assert op == "polygon", op
    return guarita.Polygon(case["points"]).area


def geometry(case: Case) -> Json:
    op = case["op"]
    size = tuple(case.get("frame", ()))
    box = guarita.BoundingBox(*case["box"]) if "box" in case else None
    if op == "iou":
        return guarita.BoundingBox(*case["a"]).iou(guarita.BoundingBox(*case["b"]))
    if op == "from_cxcywh":
        return guarita.BoundingBox.from_cxcywh(*case["cxcywh"]).xyxy
    if op == "polygon":
        polygon = guarita.Polygon(case["points"])
        inside = [polygon.contains(*place) for place in case.get("places", ())]
        return {"area": polygon.area, "contains": inside, "corners": len(polygon.points)}
    if box is None:
        raise ValueError(op)
    if op == "clipped":
        return box.clipped(size).xyxy
    if op == "normalized":
        return box.normalized(size).xyxy
    if op == "measures":
        return {"width": box.width, "height": box.height, "area": box.area}
    assert op == "zone", op
    trigger = guarita.Trigger(zones=[case["zone"]], name="any", when={"present": {"zone": case["zone"]["name"]}})
    return trigger.observe([(1, guarita.Detection(box, "person", 0.9))], pts=0, size=size) is not None


def frame(case: Case) -> Json:
    op, options = case["op"], case.get("options", {})
    if op == "decode":
        shown = guarita.Frame(pictures.encoded(case["picture"]), **options)
    elif op == "decode_reduced":
        shown = guarita.Frame.decode_reduced(pictures.encoded(case["picture"]), case["min_width"], **options)
    elif op == "draw":
        shown = pictures.frame(case["picture"])
    elif op == "planes":
        shown = planes(case)
    else:
        assert op == "raw", op
        shown = raw(case)
    return {
        "width": shown.size[0],
        "height": shown.size[1],
        "format": shown.format,
        "pts": shown.pts,
        "encoded_bytes": shown.encoded and len(shown.encoded),
        "pixels": [pictures.pixel(shown, *place) for place in case.get("pixels", ())],
        "row": [plane[case["row"]].ravel().tolist() for plane in shown.planes()] if "row" in case else None,
    }


def raw(case: Case) -> guarita.Frame:
    """A buffer of the host's, whose rows may be padded."""
    width, height, channels = case["width"], case["height"], pictures.CHANNELS.get(case["format"], 1)
    rows = height * 3 // 2 if case["format"] in ("nv12", "i420") else height
    stride = case.get("strides", [width * channels])[0]
    buffer = bytes(k % 251 for k in range(case["bytes"]))
    pixels = np.ndarray((rows, width, channels), np.uint8, buffer, strides=(stride, channels, 1))
    return guarita.Frame(pixels if channels > 1 else pixels[:, :, 0], format=case["format"], pts=case.get("pts", 0))


def planes(case: Case) -> guarita.Frame:
    """Buffers of the host's, one for each plane."""
    buffers = [bytes((k + 10 * p) % 251 for k in range(length)) for p, length in enumerate(case["bytes"])]
    size = (case["width"], case["height"])
    return guarita.Frame.from_planes(buffers, format=case["format"], size=size, strides=case.get("strides"))


def model(case: Case) -> Json:
    spec = guarita.ModelSpec.read(pictures.DATA / case["file"], case.get("hints"))
    return {
        "family": spec.family,
        "classes": spec.classes,
        "label_count": len(spec.labels),
        "labels": {str(number): name for number, name in spec.labels.items()},
        "label_source": spec.label_source,
        "license": spec.license,
        "input_name": spec.input_name,
        "input_size": spec.input_size,
    }


def detector(case: Case) -> Json:
    spec = guarita.ModelSpec.read(pictures.DATA / case["model"], case.get("hints"))
    with guarita.Detector(spec, **case.get("config", {})) as opened:
        frames = [pictures.frame(picture) for picture in case["pictures"]]
        if case.get("batch", False):
            found = opened.detect_batch(frames)
        else:
            found = [opened.detect(shown) for shown in frames]
        report = opened.report
    answer = [{"frame": one.size, "detections": [detection_json(each) for each in one]} for one in found]
    if "report" not in case:
        return answer
    return {"found": answer, "report": {field: report[field] for field in case["report"]}}
