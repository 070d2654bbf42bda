#!/usr/bin/env python3
"""Make the tiny ONNX files in fixtures/ and expected.json, which says what each of them must give.

No fixture holds weights. Each valid one has the input and outputs that an exporter of its family
declares, and plants one detection whose score is the brightness (0..1) of channel 0 at the centre
pixel [height / 2, width / 2]. So a test that paints a picture in one colour can tell whether colour
order, range, layout and number type reached the model as they should. Everything else is zero (or,
where a head gives logits, very negative).

  make_fixtures.py            write the files, then run each of them and check the planted answer
  make_fixtures.py --check    write nothing; exit 1 if a committed file differs from what is made

The bytes depend on the versions in requirements.txt.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

MODELS = Path(__file__).resolve().parent
FOLDER = MODELS / "fixtures"
SIDE = 96  # 144 + 36 + 9 = 189 anchors at strides 8, 16 and 32
COCO = json.loads((MODELS / "coco_categories.json").read_text(encoding="utf-8"))
COCO80 = dict(enumerate(COCO.values()))
COCO91 = {int(number) - 1: name for number, name in COCO.items()}
WEIRD = {
    0: "driver's {seat}: left",
    1: 'a "quoted" name',
    2: "caminhão\xa0azul",  # a no-break space, which Python writes as \xa0
    3: "x'y\" \\z, 4: 'no'",  # both kinds of quote, so Python writes backslashes
    4: "}",
}
TYPES = {"f32": TensorProto.FLOAT, "f16": TensorProto.FLOAT16, "u8": TensorProto.UINT8}
NUMPY_TYPES = {"f32": np.float32, "f16": np.float16, "u8": np.uint8}


# ---- the input: what stands in a pixel, and how to get back from it to 0..1 --------------------


@dataclass(frozen=True)
class Pixels:
    """brightness = value * scale + shift; `channel` is the colour that channel 0 holds."""

    channel: str
    scale: float
    shift: float


RGB_UNIT = Pixels("r", 1.0, 0.0)
RGB_BYTES = Pixels("r", 1 / 255, 0.0)
BGR_BYTES = Pixels("b", 1 / 255, 0.0)
BGR_NANODET = Pixels("b", 57.375 / 255, 103.53 / 255)
RGB_IMAGENET = Pixels("r", 0.229, 0.485)


@dataclass(frozen=True)
class Input:
    name: str = "images"
    width: int = SIDE
    height: int = SIDE
    batch: int | str = 1
    layout: str = "nchw"
    dtype: str = "f32"
    pixels: Pixels = RGB_UNIT
    dynamic_size: bool = False  # then width and height are what the metadata says

    def shape(self) -> list[int | str]:
        size = ["height", "width"] if self.dynamic_size else [self.height, self.width]
        return [self.batch, 3, *size] if self.layout == "nchw" else [self.batch, *size, 3]

    def facts(self) -> dict:
        return {
            "width": self.width,
            "height": self.height,
            "layout": self.layout,
            "dtype": self.dtype,
            "batch": self.batch if isinstance(self.batch, int) else "dynamic",
        }


@dataclass(frozen=True)
class Box:
    """A box in pixels of the model's input."""

    x1: float
    y1: float
    x2: float
    y2: float

    @classmethod
    def planted_in(cls, source: Input) -> Box:
        """Off the centre and not square, so that swapped axes or corners show."""
        cx, cy, w, h = source.width / 2 + 8, source.height / 2 - 4, source.width / 4, source.height / 8
        return cls(cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)

    def corners(self) -> list[float]:
        return [float(side) for side in (self.x1, self.y1, self.x2, self.y2)]

    def centre(self) -> list[float]:
        return [(self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2, self.x2 - self.x1, self.y2 - self.y1]

    def cell(self, source: Input, stride: int = 8) -> tuple[int, int, int]:
        """Column, row and row-major index of the grid cell that holds the centre."""
        cx, cy, _, _ = self.centre()
        column, row = int(cx // stride), int(cy // stride)
        return column, row, row * math.ceil(source.width / stride) + column


def grid(source: Input, strides=(8, 16, 32)) -> list[int]:
    return [math.ceil(source.height / s) * math.ceil(source.width / s) for s in strides]


# ---- the graph --------------------------------------------------------------------------------


class Net:
    """A graph in the making."""

    def __init__(self, source: Input):
        self.source = source
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs = [helper.make_tensor_value_info(source.name, TYPES[source.dtype], source.shape())]
        self.outputs: list[onnx.ValueInfoProto] = []
        self.count = 0
        self.score = self.brightness()

    def op(self, kind: str, *inputs: str, output: str = "", **attributes) -> str:
        self.count += 1
        name = output or f"t{self.count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def const(self, value, dtype=np.float32) -> str:
        self.count += 1
        name = f"c{self.count}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def ints(self, *values: int) -> str:
        return self.const(values, np.int64)

    def reshape(self, tensor: str, *shape: int) -> str:
        return self.op("Reshape", tensor, self.ints(*shape))

    def brightness(self) -> str:
        """[batch, 1, 1]: channel 0 of the centre pixel, taken back to 0..1."""
        source = self.source
        if source.dynamic_size:
            size = self.op("Slice", self.op("Shape", source.name), self.ints(2), self.ints(4))
            start = self.op("Concat", self.ints(0), self.op("Div", size, self.ints(2)), axis=0)
            end = self.op("Add", start, self.ints(1))
        else:
            middle = [source.height // 2, source.width // 2]
            first = [0, *middle] if source.layout == "nchw" else [*middle, 0]
            start, end = self.ints(*first), self.ints(*(i + 1 for i in first))
        pixel = self.op("Slice", source.name, start, end, self.ints(1, 2, 3))
        if source.dtype != "f32":
            pixel = self.op("Cast", pixel, to=TensorProto.FLOAT)
        value = self.reshape(pixel, -1, 1, 1)
        if source.pixels.scale != 1:
            value = self.op("Mul", value, self.const(source.pixels.scale))
        if source.pixels.shift:
            value = self.op("Add", value, self.const(source.pixels.shift))
        return value

    def logit(self) -> str:
        p = self.op("Clip", self.score, self.const(1e-6), self.const(1 - 1e-6))
        return self.op("Log", self.op("Div", p, self.op("Sub", self.const(1), p)))

    def plant(self, values, score_at, row: int, count: int | str, order="NC", fill=0.0, score="") -> str:
        """`count` rows of `fill`; row `row` holds `values`, with the score at index `score_at`.

        Order "NC" gives [batch, rows, values], "CN" the transposed. `count` may name a tensor.
        """
        width = len(values)
        along = (1, -1) if order == "CN" else (-1, 1)
        column = (1, width, 1) if order == "CN" else (1, 1, width)
        is_score = np.zeros(width, bool)
        if score_at is not None:
            is_score[score_at] = True
        last = count if isinstance(count, str) else self.const(count, np.int64)
        numbers = self.op("Range", self.const(0, np.int64), last, self.const(1, np.int64))
        here = self.reshape(self.op("Equal", numbers, self.const(row, np.int64)), 1, *along)
        # Where rather than arithmetic: a NaN or an infinity in one value stays out of the others.
        found = self.op(
            "Where",
            self.const(is_score.reshape(column), bool),
            score or self.score,
            self.const(np.reshape(values, column)),
        )
        filling = fill if np.ndim(fill) == 0 else np.reshape(fill, column)
        return self.op("Where", here, found, self.const(filling))

    def give(self, name: str, tensor: str, shape: list, dtype=TensorProto.FLOAT) -> None:
        """Declare an output. The last step also sets its number type."""
        if dtype == TensorProto.FLOAT:
            self.op("Identity", tensor, output=name)
        else:
            self.op("Cast", tensor, output=name, to=dtype)
        self.outputs.append(helper.make_tensor_value_info(name, dtype, shape))

    def model(self, metadata: dict[str, str] | None = None) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, "fixture", self.inputs, self.outputs, self.constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="make_fixtures.py"
        )
        helper.set_model_props(model, metadata or {})
        return model


def encode(model: onnx.ModelProto) -> bytes:
    return model.SerializeToString(deterministic=True)


# ---- the collection ---------------------------------------------------------------------------


@dataclass
class Fixture:
    data: bytes
    entry: dict
    source: Input | None = None
    box: Box | None = None  # only where a detection is planted
    details: dict = field(default_factory=dict)  # what the self-check must know besides


FIXTURES: dict[str, Fixture] = {}


def add(name: str, why: str, data: bytes, source=None, box=None, details=None, **facts) -> None:
    if f"{name}.onnx" in FIXTURES:
        raise ValueError(f"two fixtures named {name}")
    entry = {"file": f"{name}.onnx", "why": why, **facts}
    FIXTURES[entry["file"]] = Fixture(data, entry, source, box, details or {})


def add_valid(
    name, why, net, family, classes, class_id, box=None, metadata=None, names=None, details=None, hints=None, **more
):
    """`hints` are those of a spec file; without them the file must be refused."""
    model = net.model(metadata)
    onnx.checker.check_model(model, full_check=True)
    box = box or Box.planted_in(net.source)
    add(
        name,
        why,
        encode(model),
        net.source,
        box,
        details,
        family=family,
        classes=classes,
        names=None if names is None else {str(key): value for key, value in names.items()},
        input=net.source.facts(),
        score_channel=net.source.pixels.channel,
        planted={"class_id": class_id, "box_input_px": box.corners()},
        **({"hints": hints} if hints else {}),
        **more,
    )


def add_error(name: str, why: str, data: bytes, mentions: list[str], code="ModelInvalid") -> None:
    add(name, why, data, family=None, error={"code": code, "mentions": mentions})


def ultralytics(source: Input, names: dict[int, str], model="YOLOv8n", **more) -> dict[str, str]:
    """The keys that Ultralytics' exporter writes; Python literals where it writes those."""
    values = {
        "description": f"Ultralytics {model} model trained on coco.yaml",
        "author": "Ultralytics",
        "version": "8.4.46",
        "stride": 32,
        "task": "detect",
        "batch": source.batch if isinstance(source.batch, int) else 1,
        "imgsz": [source.height, source.width],
        "names": names,
        "args": {
            "batch": source.batch if isinstance(source.batch, int) else 1,
            "half": source.dtype == "f16",
            "dynamic": isinstance(source.batch, str),
            "simplify": True,
            "opset": 17,
            "nms": False,
        },
        "channels": 3,
        "end2end": False,
    }
    values |= more
    return {key: value if isinstance(value, str) else repr(value) for key, value in values.items()}


def one_hot_scores(classes: int, class_id: int, before: list[float]) -> tuple[list[float], int]:
    return before + [0.0] * classes, len(before) + class_id


def some_names(count: int) -> dict[int, str]:
    return {80: COCO80, 1: {0: "plate"}, 2: {0: "car", 1: "truck"}}[count]


# ---- YOLO of Ultralytics' kind ----------------------------------------------------------------


def v8_net(classes: int, source: Input = Input(), transposed=False, output="output0", fill=0.0) -> Net:
    """[batch, 4 + classes, anchors]: cx, cy, w, h in pixels, then a score per class."""
    net = Net(source)
    box = Box.planted_in(source)
    anchors: int | str = sum(grid(source))
    declared: int | str = anchors
    if source.dynamic_size:
        size = net.op("Slice", net.op("Shape", source.name), net.ints(2), net.ints(4))
        levels = [
            net.op("ReduceProd", net.op("Div", size, net.ints(stride)), axes=[0], keepdims=0) for stride in (8, 16, 32)
        ]
        anchors, declared = net.op("Add", net.op("Add", *levels[:2]), levels[2]), "anchors"
    values, at = one_hot_scores(classes, classes - 1, box.centre())
    order = "NC" if transposed else "CN"
    tensor = net.plant(values, at, box.cell(source)[2], anchors, order, fill)
    shape = [source.batch, 4 + classes, declared]
    if transposed:
        shape[1:] = shape[:0:-1]
    net.give(output, tensor, shape, TYPES["f16" if source.dtype == "f16" else "f32"])
    return net


def add_v8(name, why, classes, source=Input(), names=None, metadata=True, transposed=False, **more):
    names = names or some_names(classes)
    add_valid(
        name,
        why,
        v8_net(classes, source, transposed),
        "yolov8",
        classes,
        classes - 1,
        metadata=ultralytics(source, names, **more) if metadata else None,
        names=names if metadata else None,
        details={"transposed": transposed},
    )


def make_v8() -> None:
    add_v8("v8_nc1", "one class: [1,5,189]", 1)
    add_v8(
        "v8_nc2_8400",
        "[1,6,8400] with two classes is no end-to-end output transposed",
        2,
        Input(width=640, height=640),
    )
    add_v8("v8_nc80", "the common case: [1,84,189]", 80)
    add_v8("v8_nc80_transposed", "[1,189,84]; 80 names prove which axis holds the classes", 80, transposed=True)
    add_v8("v8_fp16", "f16 input and output, as half=True exports", 80, Input(dtype="f16"))
    add_v8("v8_dynamic_batch", "only the batch is symbolic", 80, Input(batch="batch"))
    add_v8(
        "v8_dynamic_all",
        "batch, height, width and anchors are symbolic, as dynamic=True exports; imgsz says the size",
        80,
        Input(batch="batch", dynamic_size=True),
    )
    add_v8("v8_nhwc", "input [1,height,width,3]", 80, Input(layout="nhwc"))
    add_v8("v8_uint8", "u8 input 0..255, the scaling is in the model", 80, Input(dtype="u8", pixels=RGB_BYTES))
    add_v8(
        "v8_weird_names", "names hold braces, quotes, colons, commas, escapes and a non-ASCII letter", 5, names=WEIRD
    )  # fmt: skip
    add_v8("v8_84x84", "64x64 has 84 anchors: [1,84,84], both axes look like 4 + 80", 80, Input(width=64, height=64))
    add_v8("v8_no_metadata_nc80", "[1,84,189] without metadata: 189 is the grid, so 84 is 4 + 80", 80, metadata=False)
    add_v8("v8_fixed_batch4", "the batch is fixed at four", 80, Input(batch=4))
    add_v8("v8_rect", "160 wide, 96 high; imgsz is [height, width]", 80, Input(width=160, height=96))


def make_v5() -> None:
    """[1, 3 * anchors, 5 + classes]: cx, cy, w, h in pixels, objectness, a score per class."""
    source = Input()
    box = Box.planted_in(source)
    row = grid(source)[0] + box.cell(source)[2]  # the second of the three anchor shapes at stride 8
    cases = (
        ("v5_nc80", 80, "output0", "three anchors a cell and objectness; the exporter writes stride and names only"),
        ("v5_nc1", 1, "output0", "[1,567,6] is three anchors a cell with objectness and one class, no end-to-end rows"),
        ("v7_no_metadata_nc2", 2, "output", "[1,567,7] without metadata: 567 is three times the grid; poses have such rows too"),
    )
    for name, classes, output, why in cases:
        net = Net(source)
        values, at = one_hot_scores(classes, classes - 1, [*box.centre(), 1.0])
        net.give(output, net.plant(values, at, row, 3 * sum(grid(source))), [1, 3 * sum(grid(source)), 5 + classes])
        names, bare = some_names(classes), name.startswith("v7")
        metadata = None if bare else {"stride": "32", "names": repr(names)}
        hints = {"labels": list(names.values())} if bare else None
        add_valid(name, why, net, "yolov5", classes, classes - 1, metadata=metadata, names=names, hints=hints)


def make_end_to_end() -> None:
    """[1, 300, 6]: x1, y1, x2, y2 in pixels, score, class; the best first."""
    source = Input()
    box = Box.planted_in(source)

    def net_for(class_id: int) -> Net:
        net = Net(source)
        net.give("output0", net.plant([*box.corners(), 0.0, class_id], 4, 0, 300), [1, 300, 6])
        return net

    family = "yolo-end2end"
    add_valid(
        "e2e_v10_nc80", "metadata says end2end and 80 names", net_for(79), family, 80, 79,
        metadata=ultralytics(source, COCO80, "YOLOv10n", end2end=True), names=COCO80,
    )  # fmt: skip
    add_valid(
        "e2e_no_metadata", "[1,300,6] alone: the file says neither how many classes nor in which order the rows are",
        net_for(79), family, None, 79, hints={"rows": {"order": "score-class"}},
    )  # fmt: skip
    net = Net(source)
    corners = [side / SIDE for side in box.corners()]
    net.give("rows", net.plant([*corners, 0.0, 0.0], 5, 0, 300), [1, 300, 6])
    add_valid(
        "e2e_class_first", "class before score, and class 0: read the other way round the score would be 0 and nothing found",
        net, family, None, 0, hints={"rows": {"order": "class-score", "units": "fractions"}},
    )  # fmt: skip
    two = some_names(2)
    add_valid(
        "e2e_26_nc2", "end2end with two names: 6 is not 4 + 2 here", net_for(1), family, 2, 1,
        metadata=ultralytics(source, two, "YOLO26n", end2end=True), names=two,
    )  # fmt: skip
    exported = ultralytics(source, two)
    exported["args"] = exported["args"].replace("'nms': False", "'nms': True")
    add_valid(
        "e2e_nms_export_nc2", "exported with nms=True: end2end stays False, args say nms; 6 is not 4 + 2", net_for(1),
        family, 2, 1, metadata=exported, names=two,
    )  # fmt: skip
    net = Net(source)
    net.give("rows", net.plant([*box.corners(), 0.0, 0.0], 5, 0, 300), [1, 300, 6])
    add_valid(
        "e2e_foreign_end2end", "another exporter's end2end says that boxes are suppressed, and not in which order rows are",
        net, family, 2, 0, metadata={"names": repr(two), "end2end": "True"}, names=two,
        hints={"rows": {"order": "class-score", "units": "pixels"}},
    )  # fmt: skip
    make_flat(source, box)


def make_flat(source: Input, box: Box) -> None:
    """[n, 7], as many rows as there are boxes in all pictures."""
    family = "yolo-end2end-flat"
    # As YOLOv7 and v9 join them: the number of the picture from the suppression, the class from ArgMax, the score from ReduceMax.
    net = Net(source)
    scores = net.plant([0.0, 0.0, 0.0], 2, 3, 9)
    boxes = net.plant(box.corners(), None, 3, 9)
    per_class = net.op("Transpose", scores, perm=[0, 2, 1])
    most = net.const(9, np.int64)
    kept = net.op("NonMaxSuppression", boxes, per_class, most, net.const(0.5), net.const(0.05))
    picture = net.op("Gather", kept, net.ints(0), axis=1)
    at = net.op("Squeeze", net.op("Gather", kept, net.ints(2), axis=1), net.ints(1))
    best = net.op("ReduceMax", scores, axes=[2], keepdims=1)
    classes = net.op("Cast", net.op("ArgMax", scores, axis=2, keepdims=1), to=TensorProto.FLOAT)
    chosen = [net.op("Gather", net.reshape(tensor, -1, width), at, axis=0) for tensor, width in ((boxes, 4), (classes, 1), (best, 1))]
    row = net.op("Concat", net.op("Cast", picture, to=TensorProto.FLOAT), *chosen, axis=1)
    net.give("output0", row, ["batch", 7])
    add_valid("flat7", "[N,7] = picture, box, class, score, by the nodes that make it; no rows for a dark picture", net, family, None, 2)

    # As YOLO-NAS writes them: score, then class. Its class 0 would be a score of 0 in the other order.
    for name, class_id in (("flat7_score_first", 0), ("flat7_score_first_class2", 2)):
        net = Net(Input(dtype="u8", pixels=RGB_BYTES))
        row = net.plant([0.0, *box.corners(), 0.0, float(class_id)], 5, 0, 1)
        seen = net.op("Greater", net.reshape(net.score, -1), net.const(0.05))
        net.give("graph2_flat_predictions", net.op("Compress", net.reshape(row, 1, 7), seen, axis=0), ["n", 7])
        add_valid(
            name, "[N,7] = picture, box, score, class: nothing in the file says the order", net, family, None, class_id,
            hints={"rows": {"order": "score-class"}},
        )  # fmt: skip


def make_yolox() -> None:
    """[1, anchors, 5 + classes] before decoding: offset in the cell, log of the size, both in strides."""
    source = Input(pixels=BGR_BYTES)
    box = Box.planted_in(source)
    column, row, index = box.cell(source)
    cx, cy, w, h = box.centre()
    raw = [cx / 8 - column, cy / 8 - row, math.log(w / 8), math.log(h / 8), 1.0]
    cases = {
        80: "no metadata; one anchor a cell, objectness, output named `output`",
        1: "[1,189,6]: one anchor a cell, so neither YOLOv5 (567) nor end-to-end rows (300)",
        2: "[1,189,7]: one anchor a cell, so not YOLOv5",
    }
    for classes, why in cases.items():
        net = Net(source)
        values, at = one_hot_scores(classes, classes - 1, raw)
        net.give("output", net.plant(values, at, index, sum(grid(source))), [1, sum(grid(source)), 5 + classes])
        hints = None if classes == 80 else {"labels": list(some_names(classes).values())}
        names = some_names(classes) if hints else None
        add_valid(f"yolox_nc{classes}", why, net, "yolox", classes, classes - 1, names=names, hints=hints)

    # YOLOX exported with decoding, and YOLOv6: the same shape, and boxes in pixels.
    net = Net(source)
    values, at = one_hot_scores(80, 79, [*box.centre(), 1.0])
    layer = net.op("Conv", source.name, net.const(np.zeros((1, 3, 1, 1))))
    nothing = net.op("ReduceMax", layer, keepdims=0)
    one = net.op("Exp", nothing)
    rows = net.op("Mul", net.plant(values, at, index, sum(grid(source))), one)
    net.give("output", rows, [1, sum(grid(source)), 85])
    add_error("yolox_decoded", "[1,189,85] whose boxes are decoded inside", encode(net.model()), ["output", "decod"])


# ---- the other families -----------------------------------------------------------------------


def make_ssd() -> None:
    source = Input(layout="nhwc", pixels=RGB_BYTES)
    box = Box.planted_in(source)
    x1, y1, x2, y2 = (v / SIDE for v in box.corners())
    priors, row = 50, 17
    cases = {
        90: "as converted from TensorFlow: 90 columns, 80 names by COCO id - 1",
        1: "one class, no metadata: scores [1,50,1], boxes [1,50,1,4]",
        2: "two classes, no metadata; neither is a background",
    }
    for classes, why in cases.items():
        net = Net(source)
        values, at = one_hot_scores(classes, classes - 1, [])
        net.give("scores", net.plant(values, at, row, priors), [1, priors, classes])
        boxes = net.plant([y1, x1, y2, x2], None, row, priors)
        net.give("boxes", net.reshape(boxes, 1, priors, 1, 4), [1, priors, 1, 4])
        names = COCO91 if classes == 90 else None
        metadata = {"names": repr(names), "task": "detect", "license": "Apache-2.0"} if names else None
        add_valid(f"ssd_nc{classes}", why, net, "ssd", classes, classes - 1, metadata=metadata, names=names)


def make_pairs() -> None:
    """Scores and boxes, as several exporters write them in several ways."""
    priors, row = 50, 17
    normalised = {"mean": [0, 0, 0], "std": [255, 255, 255]}

    def net_for(values: list[float], columns: list[float], at: int, axes: int, source=Input(name="input")) -> Net:
        net = Net(source)
        net.give("confs", net.plant(columns, at, row, priors), [1, priors, len(columns)])
        boxes = net.plant(values, None, row, priors)
        if axes == 4:
            net.give("boxes", net.reshape(boxes, 1, priors, 1, 4), [1, priors, 1, 4])
        else:
            net.give("boxes", boxes, [1, priors, 4])
        return net

    source = Input(name="input")
    x1, y1, x2, y2 = Box.planted_in(source).corners()
    fractions = [v / SIDE for v in (x1, y1, x2, y2)]
    add_valid(
        "pair_xyxy_4_axes", "[b,N,1,4] as PyTorch's YOLOv4 writes it: left, top, right, bottom", net_for(fractions, [0.0] * 3, 2, 4),
        "ssd", 3, 2, details={"order": [0, 1, 2, 3], "unit": SIDE},
        hints={"ssd": {"boxes": "xyxy", "units": "fractions", "background": False}, "input": normalised},
    )  # fmt: skip
    add_valid(
        "pair_pixels", "boxes in pixels, and column 0 is the background", net_for([x1, y1, x2, y2], [0.0] * 3, 2, 3),
        "ssd", 2, 1, details={"order": [0, 1, 2, 3], "unit": 1, "background": True},
        hints={"ssd": {"boxes": "xyxy", "units": "pixels", "background": True}, "input": normalised},
    )  # fmt: skip


def nanodet_sides() -> list[float]:
    """Logits of the eight bins for left, top, right and bottom: 2, 0.5, 1 and 1 strides.

    The top side lies half way between two bins, so taking the likeliest bin gives a wrong box.
    """
    bins = np.zeros((4, 8))
    for side, likely in enumerate([(2,), (0, 1), (1,), (1,)]):
        bins[side, list(likely)] = 50.0
    return bins.reshape(-1).tolist()


def make_nanodet() -> None:
    sides = nanodet_sides()
    source = Input(name="input.1", pixels=BGR_NANODET)
    column, line, index = Box.planted_in(source).cell(source)

    def box_around(x: float, y: float) -> Box:
        return Box(x - 16, y - 4, x + 8, y + 8)

    # The first NanoDet counts from the middle of a cell, NanoDet-Plus from its top left corner.
    old, plus = box_around((column + 0.5) * 8, (line + 0.5) * 8), box_around(column * 8, line * 8)
    for classes in (80, 1):
        net = Net(source)
        values, at = one_hot_scores(classes, classes - 1, [])
        for name, count, level in zip(("792", "814", "836"), grid(source), range(3)):
            row = index if level == 0 else -1
            net.give(name, net.plant(values, at, row, count), [1, count, classes])
        for name, count, level in zip(("795", "817", "839"), grid(source), range(3)):
            row = index if level == 0 else -1
            net.give(name, net.plant(sides, None, row, count), [1, count, 32])
        add_valid(
            f"nanodet_split_nc{classes}",
            "score maps of strides 8, 16, 32, then distance maps; numbered names; from the middle of a cell",
            net, "nanodet", classes, classes - 1, box=old,
        )  # fmt: skip
    source = Input(name="data", pixels=BGR_NANODET)
    net = Net(source)
    values, at = one_hot_scores(80, 79, [])
    count = sum(grid(source, (8, 16, 32, 64)))
    net.give("output", net.plant(values + sides, at, index, count), [1, count, 112])
    add_valid(
        "nanodet_concat_nc80",
        "NanoDet-Plus: one tensor, strides 8 to 64, scores then distances; from the top left corner of a cell",
        net, "nanodet", 80, 79, box=plus,
    )  # fmt: skip


def make_transformers() -> None:
    source = Input()
    box = Box.planted_in(source)
    relative = [v / SIDE for v in box.centre()]
    cases = {
        80: "[1,300,84], boxes 0..1: the description tells it from a YOLO",
        2: "[1,300,6] that is no end-to-end output: the description says RT-DETR",
    }
    for classes, why in cases.items():
        net = Net(source)
        values, at = one_hot_scores(classes, classes - 1, relative)
        net.give("output0", net.plant(values, at, 137, 300), [1, 300, 4 + classes])
        names = some_names(classes)
        metadata = ultralytics(source, names, "RT-DETR-l")
        add_valid(
            f"rtdetr_ultralytics_nc{classes}", why, net, "rtdetr-ultralytics", classes, classes - 1,
            metadata=metadata, names=names,
        )  # fmt: skip

    net = Net(Input(batch="N"))
    net.inputs.append(helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, ["N", 2]))
    rows = net.plant([79.0], None, 0, 300)
    # The label does not depend on the picture, but needs the batch that the score has.
    labels = net.op("Add", rows, net.op("Mul", net.score, net.const(0)))
    net.give("labels", net.reshape(labels, -1, 300), ["N", 300], TensorProto.INT64)
    sizes = net.op("Cast", "orig_target_sizes", to=TensorProto.FLOAT)
    twice = net.reshape(net.op("Concat", sizes, sizes, axis=1), -1, 1, 4)
    boxes = net.plant([v / SIDE for v in box.corners()], None, 0, 300)
    net.give("boxes", net.op("Mul", boxes, twice), ["N", 300, 4])
    net.give("scores", net.reshape(net.plant([0.0], 0, 0, 300), -1, 300), ["N", 300])
    add_valid(
        "dfine_nc80", "D-FINE and RT-DETR: a second input takes width, height; boxes come in its units", net,
        "rtdetr", None, 79,
    )  # fmt: skip

    # RF-DETR has a column more than classes. COCO: 91, the column is the COCO id.
    for name, columns, class_id, why in (
        ("rfdetr_nc80", 91, 90, "logits of 91 columns, the column is the COCO id"),
        ("rfdetr_nc2", 3, 1, "two classes trained: three columns, the last is never used"),
    ):
        net = Net(Input(name="input", pixels=RGB_IMAGENET))
        net.give("dets", net.plant(relative, None, 137, 300), [1, 300, 4])
        values = [-20.0] * columns
        net.give("labels", net.plant(values, class_id, 137, 300, fill=-20.0, score=net.logit()), [1, 300, columns])
        add_valid(name, why, net, "rfdetr", columns, class_id)
    net = Net(Input(name="input", pixels=RGB_IMAGENET))
    net.give("dets", net.plant(relative, None, 137, 300), [1, 300, 4])
    logits = net.op("Concat", *[net.plant([-20.0], 0 if k in (1, 3) else None, 137, 300, fill=-20.0, score=net.logit()) for k in range(4)], axis=2)
    net.give("labels", logits, [1, 300, 4])
    names = {0: "car", 1: "truck", 2: "bus"}
    add_valid(
        "rfdetr_background", "three names and four columns: the last one is as loud as a class, and is the background", net,
        "rfdetr", 3, 1, metadata={"names": repr(names)}, names=names,
    )  # fmt: skip


# ---- what must be refused ---------------------------------------------------------------------


def make_ambiguous() -> None:
    source = Input()

    def single(shape: list[int], name: str, metadata=None) -> bytes:
        net = Net(source)
        net.give(name, net.op("Expand", net.reshape(net.score, *[1] * len(shape)), net.ints(*shape)), shape)
        model = net.model(metadata)
        onnx.checker.check_model(model, full_check=True)
        return encode(model)

    add_error(
        "ambiguous_yolox_or_v8t",
        "[1,189,85] may be YOLOX, or v8 transposed with 81 classes; nothing in the file decides",
        single([1, 189, 85], "head_out"),
        ["head_out"],
    )
    add_error("unknown_classifier", "[1,1000] is a classifier", single([1, 1000], "logits"), ["logits"])
    three = {0: "a", 1: "b", 2: "c"}
    add_error(
        "names_count_mismatch",
        "three names, but the tensor has 80 classes",
        single([1, 84, 189], "output0", ultralytics(source, three)),
        ["output0", "names"],
    )

    net = Net(source)
    net.give("features", net.op("Expand", net.reshape(net.score, 1, 1, 1, 1), net.ints(1, 64, 12, 12)), [1, 64, 12, 12])
    net.give("embedding", net.op("Expand", net.reshape(net.score, 1, 1), net.ints(1, 128)), [1, 128])
    add_error("unknown_two_outputs", "features and an embedding, no detections", encode(net.model()), ["features"])

    net = Net(Input(name="input"))
    net.give("scores", net.plant([0.0, 0.0], 1, 17, 50), [1, 50, 2])
    net.give("boxes", net.plant([0.1, 0.2, 0.3, 0.4], None, 17, 50), [1, 50, 4])
    add_error(
        "ssd_xyxy_ambiguous",
        "scores [1,50,2] and boxes [1,50,4]: corner order, background column and scaling are unknown",
        encode(net.model()),
        ["boxes"],
    )

    net = Net(source)
    values, at = one_hot_scores(80, 79, Box.planted_in(source).centre())
    net.give("output0", net.plant(values + [0.0] * 32, at, 5, 189, "CN"), [1, 116, 189])
    net.give("output1", net.op("Expand", net.reshape(net.score, 1, 1, 1, 1), net.ints(1, 32, 24, 24)), [1, 32, 24, 24])
    add_error(
        "segment_task",
        "a segmentation model says so in its metadata",
        encode(net.model(ultralytics(source, COCO80, "YOLOv8n-seg", task="segment"))),
        ["segment"],
        "Unsupported",
    )

    net = Net(Input(name="input"))
    net.give("scores", net.plant([0.0, 0.0], 1, 17, 50), [1, 50, 2])
    net.give("boxes", net.reshape(net.plant([0.1, 0.2, 0.3, 0.4], None, 17, 50), 1, 50, 1, 4), [1, 50, 1, 4])
    add_error(
        "pair_4_axes_ambiguous",
        "boxes [1,50,1,4] and channels first: TensorFlow writes yxyx in this shape, PyTorch xyxy",
        encode(net.model()),
        ["boxes", "units", "mean"],
    )
    net = Net(Input(layout="nhwc", pixels=RGB_BYTES))
    net.give("scores", net.plant([0.0] * 91, 1, 17, 50), [1, 50, 91])
    net.give("boxes", net.reshape(net.plant([0.1, 0.2, 0.3, 0.4], None, 17, 50), 1, 50, 1, 4), [1, 50, 1, 4])
    add_error(
        "ssd_names_and_a_column",
        "TensorFlow's 91 columns begin with the background; read without it, every name would be that of its neighbour",
        encode(net.model({"names": repr(COCO91)})),
        ["91", "90"],
    )
    for name, rows, what in (
        ("nameless_pose", 4 + 1 + 51, "17 points of a person read as classes"),
        ("nameless_turned", 4 + 15 + 1, "the angle of a turned box read as a class"),
    ):
        add_error(name, f"[1,{rows},189] without names: {what}", single([1, rows, 189], "output0"), ["output0", "names"])
    for name, task, code in (("task_turned", "obb", "Unsupported"), ("task_of_another", "Instance Segmentation", "Unsupported")):
        metadata = {"task": task, "names": repr(three)}
        add_error(name, f"the task is {task}", single([1, 7, 189], "output0", metadata), [task], code)

    dynamic = v8_net(80, Input(batch="batch", dynamic_size=True)).model()
    add_error(
        "dynamic_no_imgsz",
        "every size is symbolic and no metadata says which one to use",
        encode(dynamic),
        ["images"],
    )


def make_foreign_metadata() -> None:
    """Entries of other exporters that mean something else under Ultralytics' names."""
    cases = {
        "args": {"args": "Namespace(batch=1, simplify=True)"},
        "task": {"task": ""},
        "rest": {"end2end": "maybe", "imgsz": "96x96", "task": "object-detection"},
    }
    for name, more in cases.items():
        names = some_names(2)
        add_valid(
            f"foreign_{name}", f"another exporter's {', '.join(more)} adds nothing", v8_net(2), "yolov8", 2, 1,
            metadata={"names": repr(names), **more}, names=names, details={"transposed": False},
        )  # fmt: skip


def make_unsound() -> None:
    """What a detector cannot say. `run_error`: the call fails; `left_out`: boxes that are left out in each call."""
    source = Input()
    names = {str(key): value for key, value in some_names(2).items()}
    box = Box.planted_in(source)
    _, _, w, h = box.centre()

    def add_run(name: str, why: str, net: Net, **more) -> None:
        add(
            name, why, encode(net.model(ultralytics(source, some_names(2)))), source, family="yolov8", classes=2, names=names,
            input=source.facts(), score_channel="r", **more,
        )  # fmt: skip

    def with_score(score: float) -> Net:
        net = Net(source)
        values = [*box.centre(), 0.0, score]
        net.give("output0", net.plant(values, None, box.cell(source)[2], 189, "CN"), [1, 6, 189])
        return net

    for name, score, shown in (("score_over_one", 12.5, "12.5"), ("score_infinite", math.inf, "inf"), ("score_just_over", 1.2, "1.2")):
        error = {"code": "ModelInvalid", "mentions": ["output0", shown]}
        add_run(name, f"a score of {shown}", with_score(score), run_error=error)
    for name, score, shown in (("score_logit", -6.0, "-6"), ("score_minus_infinite", -math.inf, "-inf")):
        net = Net(source)
        net.give("output0", net.plant([*box.centre(), score, score], None, box.cell(source)[2], 189, "CN"), [1, 6, 189])
        error = {"code": "ModelInvalid", "mentions": ["output0", shown, "sigmoid"]}
        add_run(name, f"a score of {shown}: the model ends before its sigmoid", net, run_error=error)
    add_run("score_rounded", "a score of 1.004, as a quantised sigmoid gives it: 1", with_score(1.004), confidence=1.0)

    def with_boxes(*boxes: list[float]) -> Net:
        """Boxes with the score that is planted; the first one at the usual place."""
        net = Net(source)
        planted = [net.plant([*one, 0.0, 0.0], 5, 5 * k, 189, "CN") for k, one in enumerate(boxes)]
        net.give("output0", net.op("Sum", *planted) if len(planted) > 1 else planted[0], [1, 6, 189])
        return net

    sound = box.centre()
    for name, why, unsound in (
        ("box_turned_over", "a negative width", [sound[0], sound[1], -w, h]),
        ("box_flat", "no height", [sound[0], sound[1], w, 0.0]),
        ("box_without_end", "an infinite width", [sound[0], sound[1], math.inf, h]),
        ("box_nowhere", "a centre that is no number", [math.nan, sound[1], w, h]),
    ):
        add_run(name, f"{why}: left out and counted", with_boxes(unsound), left_out=1)
    net = with_boxes(sound, [sound[0], sound[1], -w, h])
    add_run("box_beside_a_sound_one", "one box is sound, one is left out", net, left_out=1, found=1)
    unsound = [sound[0], sound[1], -w, h]
    error = {"code": "ModelInvalid", "mentions": ["output0", "3 boxes", "area"]}
    add_run("boxes_turned_over", "several boxes, all with a negative width", with_boxes(*[unsound] * 3), run_error=error)
    for name, why, boxes in (
        ("boxes_in_fractions", "fractions where pixels should be", [v / SIDE for v in sound]),
        ("boxes_far_off", "pixels that were multiplied by the size once more", [v * SIDE for v in sound]),
    ):
        error = {"code": "ModelInvalid", "mentions": ["output0", "96×96"]}
        add_run(name, why, with_boxes(boxes), run_error=error)


def make_baked_batch() -> None:
    """The batch axis is free, and the graph takes one picture: for a reshape, and by looking at the first one only."""
    for name, why in (
        ("batch_baked_reshape", "a reshape to a batch of one: ONNX Runtime refuses two pictures"),
        ("batch_baked_first", "only the first picture is looked at: one row of outputs for any number of pictures"),
        ("batch_baked_expand", "only the first picture is looked at, and its outputs are given for every picture"),
    ):
        source = Input(batch="batch")
        net = Net(source)
        if name == "batch_baked_reshape":
            net.score = net.reshape(net.score, 1, 1, 1)
        else:
            net.score = net.op("Slice", net.score, net.ints(0), net.ints(1), net.ints(0))
        values, at = one_hot_scores(80, 79, Box.planted_in(source).centre())
        planted = net.plant(values, at, Box.planted_in(source).cell(source)[2], 189, "CN")
        if name == "batch_baked_expand":
            pictures = net.op("Slice", net.op("Shape", source.name), net.ints(0), net.ints(1), net.ints(0))
            planted = net.op("Expand", planted, net.op("Concat", pictures, net.ints(84, 189), axis=0))
        net.give("output0", planted, ["batch", 84, 189])
        add_valid(
            name, why, net, "yolov8", 80, 79, metadata=ultralytics(source, COCO80), names=COCO80,
            details={"transposed": False, "batch": 1}, batch_refused=True,
        )  # fmt: skip
    # Rows of all pictures in one list, and all of them of the first picture. The class is 2.
    net = Net(Input(batch="batch", dtype="u8", pixels=RGB_BYTES))
    net.score = net.op("Slice", net.score, net.ints(0), net.ints(1), net.ints(0))
    row = net.plant([0.0, *Box.planted_in(Input()).corners(), 0.0, 2.0], 5, 0, 1)
    seen = net.op("Greater", net.reshape(net.score, -1), net.const(0.05))
    net.give("rows", net.op("Compress", net.reshape(row, 1, 7), seen, axis=0), ["n", 7])
    add_valid(
        "batch_baked_flat", "[N,7] with the objects of the first picture only, whatever is in the others", net,
        "yolo-end2end-flat", None, 2, hints={"rows": {"order": "score-class"}}, details={"batch": 1}, batch_refused=True,
    )  # fmt: skip


def make_broken() -> None:
    source = Input()
    names = some_names(2)

    def base() -> onnx.ModelProto:
        return v8_net(2).model(ultralytics(source, names))

    whole = encode(base())
    add_error("broken_truncated", "the first half of a file", whole[: len(whole) // 2], ["broken_truncated.onnx"])
    add_error("broken_empty", "no bytes", b"", ["broken_empty.onnx"])
    text = b"version https://git-lfs.github.com/spec/v1\nThis is a text file, not a model.\n"
    add_error("broken_text", "a text file, as a missed large-file download leaves it", text, ["broken_text.onnx"])

    model = base()
    del model.graph.output[:]
    add_error("broken_no_outputs", "the graph gives nothing", encode(model), ["output"])

    model = base()
    del model.graph.input[:]
    del model.graph.node[:]
    del model.graph.initializer[:]
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 6, 189], np.int64), "shape"))
    model.graph.node.append(helper.make_node("ConstantOfShape", ["shape"], ["output0"]))
    add_error("broken_no_inputs", "the graph takes no picture", encode(model), ["input"])

    for name, location, why in (
        ("broken_external_escape", "../../etc/passwd", "weights in a file outside the model's folder"),
        ("broken_external_absolute", "/etc/passwd", "weights at an absolute path"),
        ("broken_external_missing", "weights.bin", "weights in a file that is not there"),
        ("broken_external_address", "*/_ORT_MEM_ADDR_/*", "a mark that ONNX Runtime takes for an address in memory"),
    ):
        net = Net(source)
        values, at = one_hot_scores(2, 1, Box.planted_in(source).centre())
        planted = net.plant(values, at, 5, 189, "CN")
        net.give("output0", net.op("Add", planted, "stolen"), [1, 6, 189])
        tensor = TensorProto(name="stolen", data_type=TensorProto.FLOAT, dims=[1])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", "4")):
            tensor.external_data.add(key=key, value=value)
        net.constants.append(tensor)
        add_error(name, why, encode(net.model(ultralytics(source, names))), ["external"])

    def with_input_shape(shape: list[int]) -> bytes:
        model = base()
        for dim, value in zip(model.graph.input[0].type.tensor_type.shape.dim, shape):
            dim.dim_value = value
        return encode(model)

    huge = 2_000_000_000
    add_error("broken_absurd_dims", "an input of 48 exabytes", with_input_shape([1, 3, huge, huge]), ["images"])
    add_error("broken_negative_dim", "a negative height", with_input_shape([1, 3, -5, SIDE]), ["images"])
    five = with_input_shape([1, 5, SIDE, SIDE])
    add_error("broken_wrong_channels", "five channels are no picture", five, ["images", "5"])

    model = Net(source)
    values, at = one_hot_scores(2, 1, Box.planted_in(source).centre())
    model.give("output0", model.plant(values, at, 5, 189, "CN"), [1, 1 << 38, 189])
    add_error("broken_absurd_classes", "a claim of 2^38 classes, each of which would take memory", encode(model.model()), ["output0"])

    model = base()
    for entry in model.metadata_props:
        if entry.key == "names":
            entry.value = "{0: 'a', 1: "
    add_error("broken_names_literal", "the names break off in the middle", encode(model), ["names"])

    net = v8_net(2, fill=[0.0] * 4 + [math.nan] * 2)
    add(
        "broken_nan_outputs",
        "opens well, but all scores except the planted one are NaN: no number may be compared in silence",
        encode(net.model(ultralytics(source, names))),
        source,
        family="yolov8",
        classes=2,
        names={str(key): value for key, value in names.items()},
        input=source.facts(),
        score_channel="r",
        run_error={"code": "ModelInvalid", "mentions": ["output0"]},
    )


def make_all() -> dict[str, bytes]:
    for make in (
        make_v8, make_v5, make_end_to_end, make_yolox, make_ssd, make_pairs, make_nanodet, make_transformers,
        make_foreign_metadata, make_unsound, make_baked_batch, make_ambiguous, make_broken,
    ):  # fmt: skip
        make()
    entries = sorted((fixture.entry for fixture in FIXTURES.values()), key=lambda entry: entry["file"])
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    files = {name: fixture.data for name, fixture in FIXTURES.items()}
    files["expected.json"] = f"[\n{lines}\n]\n".encode()
    return files


# ---- the self-check: feed a colour, decode with numpy, compare ---------------------------------

COLOURS = [(200, 90, 30), (40, 220, 160), (250, 10, 120), (90, 60, 240)]  # red, green, blue


def feed(source: Input, batch: int) -> np.ndarray:
    """What the preprocessing of the family makes of flat pictures, one colour each."""
    colours = np.array(COLOURS[:batch], np.float64)
    if source.pixels is RGB_UNIT:
        values = colours / 255
    elif source.pixels is RGB_BYTES:
        values = colours
    elif source.pixels is BGR_BYTES:
        values = colours[:, ::-1]
    elif source.pixels is BGR_NANODET:
        values = (colours[:, ::-1] - [103.53, 116.28, 123.675]) / [57.375, 57.12, 58.395]
    else:
        values = (colours / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    picture = np.broadcast_to(values[:, None, None], (batch, source.height, source.width, 3))
    if source.layout == "nchw":
        picture = picture.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(picture.astype(NUMPY_TYPES[source.dtype]))


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def cells(source: Input, strides) -> tuple[np.ndarray, np.ndarray]:
    """Column and row of every cell, and its stride."""
    places, sizes = [], []
    for stride in strides:
        rows, columns = math.ceil(source.height / stride), math.ceil(source.width / stride)
        y, x = np.divmod(np.arange(rows * columns), columns)
        places.append(np.stack([x, y], 1))
        sizes.append(np.full((rows * columns, 1), stride))
    return np.concatenate(places), np.concatenate(sizes)


def from_centre(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)


def from_sides(points: np.ndarray, stride: np.ndarray, logits: np.ndarray) -> np.ndarray:
    sides = softmax(logits.reshape(-1, 4, 8)) @ np.arange(8) * stride
    return np.concatenate([points - sides[:, :2], points + sides[:, 2:]], 1)


def decode(fixture: Fixture, outputs: list[np.ndarray], picture: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes in input pixels and a score per class, of one picture of the batch."""
    source, family = fixture.source, fixture.entry["family"]
    size = np.array([source.width, source.height] * 2)
    one = [o[picture].astype(np.float64) if o.ndim and len(o) > picture else o for o in outputs]
    if family == "yolov8":
        rows = one[0] if fixture.details["transposed"] else one[0].T
        return from_centre(rows[:, :4]), rows[:, 4:]
    if family == "yolov5":
        return from_centre(one[0][:, :4]), one[0][:, 4:5] * one[0][:, 5:]
    if family == "yolox":
        places, stride = cells(source, (8, 16, 32))
        rows = one[0]
        boxes = np.concatenate([(rows[:, :2] + places) * stride, np.exp(rows[:, 2:4]) * stride], 1)
        return from_centre(boxes), rows[:, 4:5] * rows[:, 5:]
    if family in ("yolo-end2end", "yolo-end2end-flat"):
        rows = one[0] if family == "yolo-end2end" else outputs[0][:, 1:]
        told = entry_hints(fixture).get("rows", {})
        class_first = told.get("order", "score-class" if family == "yolo-end2end" else "class-score") == "class-score"
        classes, scores = (rows[:, 4], rows[:, 5:6]) if class_first else (rows[:, 5], rows[:, 4:5])
        unit = size if told.get("units") == "fractions" else 1
        return rows[:, :4] * unit, np.eye(100)[classes.astype(int)] * scores
    if family == "ssd":
        details = fixture.details
        boxes = one[1].reshape(-1, 4)[:, details.get("order", [1, 0, 3, 2])] * details.get("unit", size)
        return boxes, one[0][:, 1 if details.get("background") else 0 :]
    if family == "nanodet" and len(outputs) == 6:
        places, stride = cells(source, (8, 16, 32))
        return from_sides((places + 0.5) * stride, stride, np.concatenate(one[3:])), np.concatenate(one[:3])
    if family == "nanodet":
        places, stride = cells(source, (8, 16, 32, 64))
        return from_sides(places * stride, stride, one[0][:, 80:]), one[0][:, :80]
    if family == "rtdetr-ultralytics":
        return from_centre(one[0][:, :4] * size), one[0][:, 4:]
    if family == "rtdetr":
        return one[1] * size / [1000, 500, 1000, 500], np.eye(100)[one[0].astype(int)] * one[2][:, None]
    if family == "rfdetr":
        return from_centre(one[0] * size), 1 / (1 + np.exp(-one[1][:, : fixture.entry["classes"]]))
    raise ValueError(family)


def entry_hints(fixture: Fixture) -> dict:
    return fixture.entry.get("hints", {})


def run(fixture: Fixture, batch: int) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(fixture.data, providers=["CPUExecutionProvider"])
    feeds = {fixture.source.name: feed(fixture.source, batch)}
    if len(session.get_inputs()) == 2:
        feeds["orig_target_sizes"] = np.array([[1000, 500]] * batch, np.int64)
    outputs = session.run(None, feeds)
    for declared, real in zip(session.get_outputs(), outputs):
        fits = [isinstance(d, str) or d is None or d == r for d, r in zip(declared.shape, real.shape, strict=True)]
        if not all(fits):
            raise AssertionError(f"output {declared.name}: declared {declared.shape}, got {real.shape}")
    return outputs


def verify(fixture: Fixture) -> None:
    entry, source = fixture.entry, fixture.source
    batch = source.batch if isinstance(source.batch, int) else fixture.details.get("batch", 3)
    outputs = run(fixture, batch)
    if "planted" not in entry:
        # What is wrong in them is what they are for.
        assert entry["file"] != "broken_nan_outputs.onnx" or np.isnan(outputs[0][:, 4:]).any()
        return
    planted = entry["planted"]
    for picture in range(batch):
        boxes, scores = decode(fixture, outputs, picture)
        wanted = COLOURS[picture]["rgb".index(entry["score_channel"])] / 255
        found = np.argwhere(scores > 0.01)
        assert len(found) == 1, f"{len(found)} detections, one was planted"
        row, class_id = found[0]
        tolerance = 1e-3 if source.dtype == "f16" else 1e-5
        assert class_id == planted["class_id"], f"class {class_id}"
        assert abs(scores[row, class_id] - wanted) < tolerance, f"score {scores[row, class_id]}, not {wanted}"
        assert np.allclose(boxes[row], planted["box_input_px"], atol=1e-3), f"box {boxes[row]}"


def verify_all() -> int:
    failures = runnable = 0
    for name, fixture in FIXTURES.items():
        if fixture.source is None:
            continue
        runnable += 1
        try:
            verify(fixture)
        except Exception as error:  # whatever it is, name the file and go on
            failures += 1
            print(f"{name}: {error}", file=sys.stderr)
    print(f"{runnable} fixtures run in ONNX Runtime {onnxruntime.__version__}, {failures} wrong")
    return failures


def compare(files: dict[str, bytes]) -> int:
    here = {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.is_file()}
    different = sorted(name for name in here.keys() | files.keys() if here.get(name) != files.get(name))
    for name in different:
        state = "is missing" if name not in here else "is not made here" if name not in files else "differs"
        print(f"fixtures/{name} {state}", file=sys.stderr)
    return len(different)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    options = parser.parse_args()
    files = make_all()
    if options.check:
        wrong = compare(files)
    else:
        wrong = 0
        FOLDER.mkdir(exist_ok=True)
        for name, data in files.items():
            (FOLDER / name).write_bytes(data)
    wrong += verify_all()
    print(f"{len(files)} files, {sum(map(len, files.values())) / 1000:.0f} kB")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
