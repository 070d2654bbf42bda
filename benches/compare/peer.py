"""Object detection with numpy, OpenCV and ONNX Runtime: the yardstick of `make compare-detect`.

This is a second, independent reading of how each supported detector is fed and decoded. It shares no code with
the Rust library. It is written for speed as far as plain numpy goes, so that its timings are a fair opponent:
nothing loops over anchors, and every picture is converted once.

    peer = Peer(assets / "models" / "yolox_nano.onnx")
    found = peer.detect(cv2.imread("street.jpg"))      # found.boxes, found.scores, found.classes
"""

from __future__ import annotations

import dataclasses
import pathlib

import cv2
import numpy as np
import onnxruntime as ort

MAX_DETECTIONS = 300

# Every detector among the assets: how its family is decoded, and the input size where the file leaves it open.
FAMILIES = {
    "yolox_nano": "yolox",
    "coco_ssd_mobilenet_v2": "ssd",
    "nanodet_m_416": "nanodet",
    "yolov8n_int8_640": "ultralytics",
    "yolo11n_int8_320": "ultralytics",
    "yolo-v9-t-416-license-plates-end2end.int8": "end2end",
    "ultraface_version-RFB-320": "ultraface",
    "face_detection_yunet_2026may": "yunet",
}
OPEN_SIZES = {"yunet": (640, 640)}

NANODET_MEAN = (103.53, 116.28, 123.675)
NANODET_STD = (57.375, 57.12, 58.395)


@dataclasses.dataclass(frozen=True)
class Mapping:
    """How to get from input pixels back to frame pixels: subtract the padding, divide by the scale, clip."""

    scale_x: float
    scale_y: float
    left: int
    top: int
    width: int
    height: int

    def back(self, boxes: np.ndarray) -> np.ndarray:
        out = boxes - np.float32([self.left, self.top, self.left, self.top])
        out /= np.float32([self.scale_x, self.scale_y, self.scale_x, self.scale_y])
        np.clip(out[:, 0::2], 0, self.width, out=out[:, 0::2])
        np.clip(out[:, 1::2], 0, self.height, out=out[:, 1::2])
        return out


@dataclasses.dataclass(frozen=True)
class Found:
    """Parallel arrays, highest score first (or in anchor order where a method says so)."""

    boxes: np.ndarray  # float32 [n, 4], x1 y1 x2 y2
    scores: np.ndarray  # float32 [n]
    classes: np.ndarray  # int64 [n]

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index) -> "Found":
        return Found(self.boxes[index], self.scores[index], self.classes[index])


# ---------------------------------------------------------------------------------------------------- before


def resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    if image.shape[1] == width and image.shape[0] == height:
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def padded(image: np.ndarray, top: int, bottom: int, left: int, right: int, fill: int) -> np.ndarray:
    if top == bottom == left == right == 0:
        return image
    return cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(fill, fill, fill))


def letterbox_centred(image: np.ndarray, width: int, height: int, fill: int) -> tuple[np.ndarray, Mapping]:
    """One gain for both axes, the picture in the middle, odd paddings one pixel larger at the right and bottom."""
    h, w = image.shape[:2]
    gain = min(width / w, height / h)
    new_w, new_h = round(w * gain), round(h * gain)  # Python rounds halves to even
    half_x, half_y = (width - new_w) / 2, (height - new_h) / 2
    left, right = round(half_x - 0.1), round(half_x + 0.1)
    top, bottom = round(half_y - 0.1), round(half_y + 0.1)
    out = padded(resized(image, new_w, new_h), top, bottom, left, right, fill)
    return out, Mapping(gain, gain, left, top, w, h)


def letterbox_corner(image: np.ndarray, width: int, height: int, fill: int) -> tuple[np.ndarray, Mapping]:
    """One gain for both axes, the picture at the top left, sizes truncated."""
    h, w = image.shape[:2]
    gain = min(width / w, height / h)
    new_w, new_h = int(w * gain), int(h * gain)
    out = padded(resized(image, new_w, new_h), 0, height - new_h, 0, width - new_w, fill)
    return out, Mapping(gain, gain, 0, 0, w, h)


def stretch(image: np.ndarray, width: int, height: int) -> tuple[np.ndarray, Mapping]:
    h, w = image.shape[:2]
    return resized(image, width, height), Mapping(width / w, height / h, 0, 0, w, h)


def planes(image: np.ndarray, rgb: bool, mean=None, divisor=None) -> np.ndarray:
    """Packed BGR bytes to float32 [1, 3, H, W], as (x - mean) / divisor per channel of the result's order."""
    h, w = image.shape[:2]
    out = np.empty((1, 3, h, w), np.float32)
    channels = cv2.split(image)
    for k, plane in enumerate(channels[::-1] if rgb else channels):
        source = plane
        if mean is not None:
            source = np.subtract(source, np.float32(mean[k]), out=out[0, k])
        if divisor is not None:
            source = np.divide(source, np.float32(divisor[k]), out=out[0, k])
        if source is plane:
            out[0, k] = plane
    return out


# ----------------------------------------------------------------------------------------------------- after


def iou_with(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU of one float32 box with each of `others`; 0 where the union has no area."""
    w = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    h = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    inter = np.maximum(w, 0) * np.maximum(h, 0)
    area = (box[2] - box[0]) * (box[3] - box[1])
    areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    union = area + areas - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def nms(found: Found, threshold: float, limit: int = MAX_DETECTIONS) -> np.ndarray:
    """Indices kept by greedy suppression within each class, `found` being sorted: highest score first.

    cv2.dnn.NMSBoxesBatched keeps the same boxes for every model here, but it compares in double precision after
    moving each class by an offset. What is wanted is IoU > threshold on the float32 boxes themselves.
    """
    boxes, classes = found.boxes, found.classes
    waiting = np.arange(len(found))
    keep: list[int] = []
    while waiting.size and len(keep) < limit:
        first, waiting = waiting[0], waiting[1:]
        keep.append(int(first))
        suppressed = iou_with(boxes[first], boxes[waiting]) > threshold
        suppressed &= classes[waiting] == classes[first]
        waiting = waiting[~suppressed]
    return np.array(keep, np.int64)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def corners(cx: np.ndarray, cy: np.ndarray, w: np.ndarray, h: np.ndarray) -> np.ndarray:
    return np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], axis=-1)


def grid(width: int, height: int, stride: int) -> np.ndarray:
    """The cells of one level in row order, float32 [n, 2] as x, y."""
    y, x = np.mgrid[: height // stride, : width // stride]
    return np.stack([x.ravel(), y.ravel()], axis=-1).astype(np.float32)


# ------------------------------------------------------------------------------------------------ the detector


def session(model: pathlib.Path | str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # one model lists its weights as inputs, which is worth 160 warnings
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


class Peer:
    """One open model. Its steps (prepare, run, candidates, select) can be called one by one."""

    def __init__(self, model: pathlib.Path | str, confidence: float = 0.25, iou: float = 0.45):
        self.name = pathlib.Path(model).stem
        self.family = FAMILIES[self.name]
        self.confidence, self.iou = confidence, iou
        self.session = session(model)
        self.input = self.session.get_inputs()[0]
        self.outputs = [o.name for o in self.session.get_outputs()]
        if self.family in OPEN_SIZES:
            self.width, self.height = OPEN_SIZES[self.family]
        elif self.family == "ssd":
            _, self.height, self.width, _ = self.input.shape
        else:
            _, _, self.height, self.width = self.input.shape

        # What decoding needs once per model: the cells of every level and their strides.
        if self.family in ("yolox", "nanodet", "yunet"):
            levels = [(grid(self.width, self.height, s), s) for s in (8, 16, 32)]
            self.cells = np.concatenate([g for g, _ in levels])
            self.strides = np.concatenate([np.full((len(g), 1), s, np.float32) for g, s in levels])
        if self.family == "nanodet":
            self.by_role = nanodet_outputs(self.session)

    def detect(self, image: np.ndarray) -> Found:
        """Detections in frame pixels in a packed BGR picture, highest confidence first."""
        tensor, mapping = self.prepare(image)
        return self.select(self.candidates(self.run(tensor)), mapping)

    def prepare(self, image: np.ndarray) -> tuple[np.ndarray, Mapping]:
        w, h = self.width, self.height
        if self.family in ("ultralytics", "end2end"):
            boxed, mapping = letterbox_centred(image, w, h, 114)
            return planes(boxed, rgb=True, divisor=(255, 255, 255)), mapping
        if self.family == "yolox":
            boxed, mapping = letterbox_corner(image, w, h, 114)
            return planes(boxed, rgb=False), mapping
        if self.family == "ssd":
            whole, mapping = stretch(image, w, h)
            return cv2.cvtColor(whole, cv2.COLOR_BGR2RGB)[None].astype(np.float32), mapping
        if self.family == "nanodet":
            boxed, mapping = letterbox_centred(image, w, h, 0)
            return planes(boxed, rgb=False, mean=NANODET_MEAN, divisor=NANODET_STD), mapping
        if self.family == "ultraface":
            whole, mapping = stretch(image, w, h)
            return planes(whole, rgb=True, mean=(127, 127, 127), divisor=(128, 128, 128)), mapping
        if self.family == "yunet":
            boxed, mapping = letterbox_centred(image, w, h, 0)
            return planes(boxed, rgb=False), mapping
        raise ValueError(self.family)

    def run(self, tensor: np.ndarray) -> list[np.ndarray]:
        return self.session.run(None, {self.input.name: tensor})

    def candidates(self, raw: list[np.ndarray], confidence: float | None = None) -> Found:
        """Every anchor over the threshold with its best class, boxes in input pixels, in anchor order."""
        limit = np.float32(self.confidence if confidence is None else confidence)
        return getattr(self, "_" + self.family)(raw, limit)

    def select(self, found: Found, mapping: Mapping, limit: int = MAX_DETECTIONS) -> Found:
        found = found[np.argsort(-found.scores, kind="stable")]
        if self.family == "end2end":
            found = found[:limit]
        else:
            found = found[nms(found, self.iou, limit)]
        return dataclasses.replace(found, boxes=mapping.back(found.boxes))

    # Each decoder takes the session's outputs and a threshold and answers `candidates`.

    def _ultralytics(self, raw, limit) -> Found:
        head = raw[0][0]  # [4 + classes, anchors]: each row is contiguous
        best = head[4:].max(axis=0)
        at = np.flatnonzero(best > limit)
        cx, cy, w, h = head[:4, at]
        return Found(corners(cx, cy, w, h), best[at], head[4:, at].argmax(axis=0))

    def _end2end(self, raw, limit) -> Found:
        rows = raw[0]
        rows = rows[rows[:, 6] > limit]
        return Found(rows[:, 1:5], rows[:, 6], rows[:, 5].astype(np.int64))

    def _yolox(self, raw, limit) -> Found:
        head = raw[0][0]
        at = np.flatnonzero(head[:, 4] > limit)  # a class score is at most 1: the product is no larger
        rows = head[at]
        scores = rows[:, 5:] * rows[:, 4:5]
        classes = scores.argmax(axis=1)
        best = scores[np.arange(len(rows)), classes]
        over = best > limit
        at, rows, classes, best = at[over], rows[over], classes[over], best[over]
        centre = (rows[:, :2] + self.cells[at]) * self.strides[at]
        size = np.exp(rows[:, 2:4]) * self.strides[at]
        return Found(corners(centre[:, 0], centre[:, 1], size[:, 0], size[:, 1]), best, classes)

    def _ssd(self, raw, limit) -> Found:
        scores = raw[self.outputs.index("scores")][0]
        boxes = raw[self.outputs.index("boxes")][0, :, 0]
        best = scores.max(axis=1)
        at = np.flatnonzero(best > limit)
        size = np.float32([self.width, self.height, self.width, self.height])
        return Found(boxes[at][:, [1, 0, 3, 2]] * size, best[at], scores[at].argmax(axis=1))

    def _nanodet(self, raw, limit) -> Found:
        scores = np.concatenate([raw[k][0] for k in self.by_role["scores"]])
        best = scores.max(axis=1)
        at = np.flatnonzero(best > limit)
        bins = np.concatenate([raw[k][0] for k in self.by_role["boxes"]])[at]
        sides = softmax(bins.reshape(len(at), 4, 8)) @ np.arange(8, dtype=np.float32) * self.strides[at]
        centre = (self.cells[at] + np.float32(0.5)) * self.strides[at]
        boxes = np.concatenate([centre - sides[:, :2], centre + sides[:, 2:]], axis=1)
        return Found(boxes, best[at], scores[at].argmax(axis=1))

    def _ultraface(self, raw, limit) -> Found:
        face = raw[self.outputs.index("scores")][0, :, 1]
        boxes = raw[self.outputs.index("boxes")][0]
        at = np.flatnonzero(face > limit)
        size = np.float32([self.width, self.height, self.width, self.height])
        return Found(boxes[at] * size, face[at], np.zeros(len(at), np.int64))

    def _yunet(self, raw, limit) -> Found:
        def level_rows(role: str) -> np.ndarray:
            return np.concatenate([raw[self.outputs.index(f"{role}_{stride}")][0] for stride in (8, 16, 32)])

        cls, obj = level_rows("cls")[:, 0], level_rows("obj")[:, 0]
        scores = np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1))
        at = np.flatnonzero(scores > limit)
        rows = level_rows("bbox")[at]
        centre = (self.cells[at] + rows[:, :2]) * self.strides[at]
        size = np.exp(rows[:, 2:]) * self.strides[at]
        boxes = corners(centre[:, 0], centre[:, 1], size[:, 0], size[:, 1])
        return Found(boxes, scores[at], np.zeros(len(at), np.int64))


def nanodet_outputs(opened: ort.InferenceSession) -> dict[str, list[int]]:
    """The output numbers of the score and the distribution tensors, each from the finest level to the coarsest."""
    roles: dict[str, list[tuple[int, int]]] = {"scores": [], "boxes": []}
    for k, out in enumerate(opened.get_outputs()):
        _, cells, columns = out.shape
        roles["boxes" if columns == 32 else "scores"].append((-cells, k))
    return {role: [k for _, k in sorted(found)] for role, found in roles.items()}


# --------------------------------------------------------------------------------------------------- class names

# Column k of a 90-column COCO head is COCO id k + 1; ten of those ids were never used.
_UNUSED_COCO_IDS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
COCO90_TO_80 = np.full(90, -1, np.int64)
COCO90_TO_80[[i - 1 for i in range(1, 91) if i not in _UNUSED_COCO_IDS]] = np.arange(80)


# ----------------------------------------------------------------------------------------------- average precision


def iou_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    lo = np.maximum(a[:, None, :2], b[None, :, :2])
    hi = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.prod(np.maximum(hi - lo, 0), axis=2)
    area_a, area_b = (np.prod(x[:, 2:] - x[:, :2], axis=1) for x in (a, b))
    union = area_a[:, None] + area_b[None, :] - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def average_precision(found: list[Found], truth: list[tuple[np.ndarray, np.ndarray]], at: float = 0.5) -> float:
    """Mean over the classes present of the 101-point interpolated AP at one IoU.

    `found` and `truth` hold one entry per picture; a truth is (classes [n], boxes [n, 4]). Within a picture and
    class, detections are taken in order of confidence and each takes the best free true box it overlaps enough.
    """
    present = sorted({int(c) for classes, _ in truth for c in classes})
    points = np.linspace(0, 1, 101)
    averages = []
    for wanted in present:
        scores, hits, total = [], [], 0
        for f, (classes, boxes) in zip(found, truth, strict=True):
            true_boxes = boxes[classes == wanted]
            total += len(true_boxes)
            mine = f[f.classes == wanted]
            mine = mine[np.argsort(-mine.scores, kind="stable")]
            overlap = iou_matrix(mine.boxes.astype(np.float64), true_boxes)
            for k in range(len(mine)):
                hit = False
                if len(true_boxes):
                    best = int(overlap[k].argmax())
                    hit = bool(overlap[k, best] >= at)
                    if hit:
                        overlap[:, best] = -1
                hits.append(hit)
            scores.append(mine.scores)
        order = np.argsort(-np.concatenate(scores), kind="stable")
        right = np.cumsum(np.array(hits, bool)[order])
        recall = right / total
        precision = right / np.arange(1, len(right) + 1)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        where = np.searchsorted(recall, points, side="left")
        averages.append(np.append(envelope, 0.0)[where].mean())
    return float(np.mean(averages)) if averages else float("nan")
