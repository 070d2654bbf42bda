"""What configs look like: keyword arguments, and dicts inside them. Fields that are left out have their defaults.

Times (`_s`) are seconds, as a number or a timedelta; shares are 0..1; areas are polygons of points 0..1 of the picture's width
and height; money is millionths of a dollar.

Made by bindings-python/make_types.py from core/tests/vectors/schema.json; do not edit.
"""

# pyright: reportInvalidTypeForm=false
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Required, TypeAlias

    from ._native import Event, Firing, Frame, FrameResult, JsonLinesSink, Polygon, Scene, WebhookSink


class SupportsArrayInterface(Protocol):
    """What NumPy can read, such as a PIL image."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...


class BatchSink(Protocol):
    """A sink that takes a list of events, or of results, and says how many from its front are durable; None: all."""

    def deliver_batch(self, batch: list[Any], /) -> int | None: ...


Path: TypeAlias = "str | PathLike[str]"
Seconds: TypeAlias = "float | timedelta"
Pts: TypeAlias = "float | timedelta | datetime"
"""Seconds on the camera's own time line, or a moment of the world's, whose seconds since 1970 are taken."""
XYXY: TypeAlias = "tuple[float, float, float, float]"
Area: TypeAlias = "Polygon | Sequence[Sequence[float]]"
Image: TypeAlias = "Frame | NDArray[np.uint8] | bytes | bytearray | memoryview | SupportsArrayInterface"
"""Pixels, the bytes of a JPEG or PNG, or anything with an array interface."""
Sink: TypeAlias = "Callable[[Event], object] | Callable[[FrameResult], object] | BatchSink | JsonLinesSink | WebhookSink"
"""Functions take results of frames where `deliveries` of their outlet is `results`."""
HostTrigger: TypeAlias = "Callable[[Scene], Firing | None]"
Anchor: TypeAlias = Literal["bottom-center", "center", "top-center", "center-left", "center-right"]
BoxUnits: TypeAlias = Literal["pixels", "fractions"]
BreakerState: TypeAlias = Literal["closed", "open", "half_open", "forced_open", "disabled"]
ChannelOrder: TypeAlias = Literal["rgb", "bgr"]
Deliveries: TypeAlias = Literal["events", "results", "all"]
ExecutionProvider: TypeAlias = Literal["cpu", "cuda", "tensorrt", "openvino", "coreml", "directml"]
Family: TypeAlias = Literal["yolov8", "yolov5", "yolo-end2end", "yolo-end2end-flat", "yolox", "ssd", "nanodet", "rtdetr", "rtdetr-ultralytics", "rfdetr", "yunet"]
IgnoreReason: TypeAlias = Literal["sway", "overlay", "weather", "light", "camera", "noise", "still"]
MotionState: TypeAlias = Literal["learning", "stable", "moving", "light_shift", "ir_switch", "camera_moved", "frozen", "obscured"]
OpenReason: TypeAlias = Literal["motion", "linger", "heartbeat"]
PictureWanted: TypeAlias = Literal["none", "crop", "frame"]
PixelFormat: TypeAlias = Literal["gray8", "rgb8", "bgr8", "rgba8", "bgra8", "nv12", "i420"]
Priority: TypeAlias = Literal["low", "normal", "critical"]
QueuePolicy: TypeAlias = Literal["drop_oldest", "drop_newest", "never_drop_critical"]
Resize: TypeAlias = Literal["letterbox", "letterbox-top-left", "stretch"]
RowOrder: TypeAlias = Literal["class-score", "score-class"]
SmallPicture: TypeAlias = Literal["upscale", "refuse"]
SsdBoxes: TypeAlias = Literal["xyxy", "yxyx"]
TensorLayout: TypeAlias = Literal["nchw", "nhwc"]
TextUnit: TypeAlias = Literal["line", "word"]
Want: TypeAlias = Literal["labels", "text", "faces"]
Weekday: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class DecodeLimits(TypedDict, total=False):
    """What a picture may claim before it is refused.

    Fields:
        max_pixels: Width times height; default 64 Mpx (67,108,864).
        max_side: The longer side in pixels; default 16,384.
        max_bytes: Memory for pixels and for the decoder's own tables, in bytes; default 256 MiB.
        max_scans: Scans of a progressive JPEG; default 100. Each one costs a pass over the picture.
        max_input_bytes: Encoded bytes; default 32 MiB.
    """

    max_pixels: int
    """Width times height; default 64 Mpx (67,108,864)."""
    max_side: int
    """The longer side in pixels; default 16,384."""
    max_bytes: int
    """Memory for pixels and for the decoder's own tables, in bytes; default 256 MiB."""
    max_scans: int
    """Scans of a progressive JPEG; default 100. Each one costs a pass over the picture."""
    max_input_bytes: int
    """Encoded bytes; default 32 MiB."""


class BackgroundModelConfig(TypedDict, total=False):
    """The parameters of a `BackgroundModel`; names and defaults are those of OpenCV's `BackgroundSubtractorMOG2`.

    Fields:
        history: Frames that the automatic learning rate looks back on; 1..2147483647, default 500.
        var_threshold: A pixel belongs to a mode that is nearer than this many variances (squared Mahalanobis distance); 0..1000000000, default 16.
        mixtures: Components of the mixture of a pixel; 1..16, default 5.
        background_ratio: The heaviest modes up to this share of the weight are background; 0..1, default 0.9.
        var_threshold_gen: As `var_threshold`, for the mode that learns from the pixel; farther pixels make a new mode; 0..1000000000, default 9.
        var_init: Variance of a new mode, in squared levels; 0..1000000000, default 15.
        var_min: The least variance; 0..`var_max`, default 4.
        var_max: The largest variance; `var_min`..1000000000, default 75.
        complexity_reduction: How fast modes without evidence go: the complexity reduction of Zivkovic 2004; 0..1, default 0.05.
        detect_shadows: Marks darker versions of the background with `shadow_value` in place of 255; default on.
        shadow_value: What shadows are in the mask; default 127.
        shadow_threshold: A shadow keeps at least this share of the brightness (τ of Prati et al. 2003); 0..1, default 0.5.
    """

    history: int
    """Frames that the automatic learning rate looks back on; 1..2147483647, default 500."""
    var_threshold: float
    """A pixel belongs to a mode that is nearer than this many variances (squared Mahalanobis distance); 0..1000000000, default 16."""
    mixtures: int
    """Components of the mixture of a pixel; 1..16, default 5."""
    background_ratio: float
    """The heaviest modes up to this share of the weight are background; 0..1, default 0.9."""
    var_threshold_gen: float
    """As `var_threshold`, for the mode that learns from the pixel; farther pixels make a new mode; 0..1000000000, default 9."""
    var_init: float
    """Variance of a new mode, in squared levels; 0..1000000000, default 15."""
    var_min: float
    """The least variance; 0..`var_max`, default 4."""
    var_max: float
    """The largest variance; `var_min`..1000000000, default 75."""
    complexity_reduction: float
    """How fast modes without evidence go: the complexity reduction of Zivkovic 2004; 0..1, default 0.05."""
    detect_shadows: bool
    """Marks darker versions of the background with `shadow_value` in place of 255; default on."""
    shadow_value: int
    """What shadows are in the mask; default 127."""
    shadow_threshold: float
    """A shadow keeps at least this share of the brightness (τ of Prati et al. 2003); 0..1, default 0.5."""


class MotionGateConfig(TypedDict, total=False):
    """How a `MotionGate` decides.

    Fields:
        working_width: Frames are reduced to this width before anything else, in pixels; 0, 32..16384, default 320. 0 keeps the full size. Narrower frames stay as they are.
        include: Where to look: inside any of these. Empty (the default) is everywhere.
        exclude: Where not to look: inside none of these, whatever `include` says. Default none.
        min_fraction: Opens where at least this share of the region of interest moves, 0..1; default 0.01.
        min_region: Opens also where one connected region has at least this share of the picture, 0..1; default 0.00005, which is a person of 2 % of the picture's height. 1 switches the rule off. Noise, rain and the like raise it by themselves.
        history_s: How far back the background looks: what stands still for about a tenth of this is background; 1..86400, default 120.
        linger_s: The gate stays open this long after the last motion; 0..3600, default 2.
        heartbeat_s: A frame passes at least this often, whatever the gate sees; 0.001..86400, default 60.
    """

    working_width: int
    """Frames are reduced to this width before anything else, in pixels; 0, 32..16384, default 320. 0 keeps the full size. Narrower frames stay as they are."""
    include: Sequence[Area]
    """Where to look: inside any of these. Empty (the default) is everywhere."""
    exclude: Sequence[Area]
    """Where not to look: inside none of these, whatever `include` says. Default none."""
    min_fraction: float
    """Opens where at least this share of the region of interest moves, 0..1; default 0.01."""
    min_region: float
    """Opens also where one connected region has at least this share of the picture, 0..1; default 0.00005, which is a person of 2 % of the picture's height. 1 switches the rule off. Noise, rain and the like raise it by themselves."""
    history_s: float | timedelta
    """How far back the background looks: what stands still for about a tenth of this is background; 1..86400, default 120."""
    linger_s: float | timedelta
    """The gate stays open this long after the last motion; 0..3600, default 2."""
    heartbeat_s: float | timedelta
    """A frame passes at least this often, whatever the gate sees; 0.001..86400, default 60."""


class SourceConfig(TypedDict, total=False):
    """How a `VideoSource` decodes and what it delivers.

    Fields:
        width: Width of the frames in pixels, 2..65,535; default the video's own. With only one of `width` and `height` the other keeps the aspect ratio and is made even.
        height: Height of the frames in pixels, 2..65,535; default the video's own.
        format: The pixel format of the frames; default `I420`: nearly every decoder works in it, so nothing is converted, and a frame has half the bytes of RGB.
        fps: At most so many frames in a second of video; over 0 up to 1000, default every frame. The frames left out are not scaled or copied; those delivered keep their own times.
        max_pixels: Width times height of the video and of the frames; 1..4,294,836,225, default 33,554,432 (a little over 8K).
        max_memory_mib: Memory that the decoder may take, in MiB; 64..1,048,576, default 2048. Kept on Linux only.
        decode_threads: Threads that decode; 1..64, default 1, which serves many sources side by side best.
        timeout_s: How long to wait for the next frame, in seconds; 0.1..3600, default 30. With a small `fps` all the video between two frames is decoded in this time.
        camera: The name that frames carry as `FrameMeta.camera`; default empty.
        ffmpeg: The `ffmpeg` program; default: found as `VideoSource` says.
    """

    width: int | None
    """Width of the frames in pixels, 2..65,535; default the video's own. With only one of `width` and `height` the other keeps the aspect ratio and is made even."""
    height: int | None
    """Height of the frames in pixels, 2..65,535; default the video's own."""
    format: PixelFormat
    """The pixel format of the frames; default `I420`: nearly every decoder works in it, so nothing is converted, and a frame has half the bytes of RGB."""
    fps: float | None
    """At most so many frames in a second of video; over 0 up to 1000, default every frame. The frames left out are not scaled or copied; those delivered keep their own times."""
    max_pixels: int
    """Width times height of the video and of the frames; 1..4,294,836,225, default 33,554,432 (a little over 8K)."""
    max_memory_mib: int
    """Memory that the decoder may take, in MiB; 64..1,048,576, default 2048. Kept on Linux only."""
    decode_threads: int
    """Threads that decode; 1..64, default 1, which serves many sources side by side best."""
    timeout_s: float | timedelta
    """How long to wait for the next frame, in seconds; 0.1..3600, default 30. With a small `fps` all the video between two frames is decoded in this time."""
    camera: str
    """The name that frames carry as `FrameMeta.camera`; default empty."""
    ffmpeg: Path | None
    """The `ffmpeg` program; default: found as `VideoSource` says."""


class InputHints(TypedDict, total=False):
    """The part of `ModelHints` about the input.

    Fields:
        width: Width in pixels, for a model whose width is free.
        height: Height in pixels, for a model whose height is free.
        layout: Where the channels stand.
        color: Channel order.
        resize: How a frame is fitted in.
        pad: The level 0..255 around the frame.
        mean: Subtracted from each level (0 to 255), a value for each channel of the tensor.
        std: Divides the result.
    """

    width: int | None
    """Width in pixels, for a model whose width is free."""
    height: int | None
    """Height in pixels, for a model whose height is free."""
    layout: TensorLayout | None
    """Where the channels stand."""
    color: ChannelOrder | None
    """Channel order."""
    resize: Resize | None
    """How a frame is fitted in."""
    pad: int | None
    """The level 0..255 around the frame."""
    mean: Sequence[float] | None
    """Subtracted from each level (0 to 255), a value for each channel of the tensor."""
    std: Sequence[float] | None
    """Divides the result."""


class SsdHints(TypedDict, total=False):
    """The part of `ModelHints` about SSD outputs.

    Fields:
        boxes: The order of a box's four numbers.
        units: Their unit.
        background: Whether column 0 of the scores is the background.
    """

    boxes: SsdBoxes | None
    """The order of a box's four numbers."""
    units: BoxUnits | None
    """Their unit."""
    background: bool | None
    """Whether column 0 of the scores is the background."""


class RowHints(TypedDict, total=False):
    """The part of `ModelHints` about the rows of `yolo-end2end` and `yolo-end2end-flat`.

    Fields:
        order: What stands behind the corners of the box.
        units: The unit of the corners; pixels of the input unless said otherwise.
    """

    order: RowOrder | None
    """What stands behind the corners of the box."""
    units: BoxUnits | None
    """The unit of the corners; pixels of the input unless said otherwise."""


class ModelHints(TypedDict, total=False):
    """What a person knows about a model and its file does not say.

    Fields:
        family: What the outputs mean.
        labels: The names of the classes in order, or one of `coco80` and `coco90`.
        input: What the input wants.
        ssd: How an SSD writes boxes and scores.
        rows: How a model that suppresses doubles itself writes its rows.
    """

    family: Family | None
    """What the outputs mean."""
    labels: str | Sequence[str]
    """The names of the classes in order, or one of `coco80` and `coco90`."""
    input: InputHints
    """What the input wants."""
    ssd: SsdHints
    """How an SSD writes boxes and scores."""
    rows: RowHints
    """How a model that suppresses doubles itself writes its rows."""


ExecutionProviderChoice: TypeAlias = "ExecutionProvider | Sequence[ExecutionProvider] | Mapping[str, Any]"
"""One, which must be there, or several, of which the first that is there is taken."""


class DetectorConfig(TypedDict, total=False):
    """How a `Detector` runs and what it reports.

    Fields:
        min_confidence: Boxes with a confidence of this or less are dropped; 0..1, default 0.25 (as Ultralytics).
        class_confidence: Thresholds of single classes by name, in place of `min_confidence`; 0..1.
        classes: The only classes to report, by name; empty (the default) means all. Each anchor still stands for its surest class, so that a class that is left out does not turn up as its runner-up.
        iou: Of two boxes of a class that overlap by more than this, the less sure one is dropped; 0..1, default 0.45.
        class_agnostic: Also drops doubles of different classes; default off.
        max_detections: Boxes of one frame; 1..30000, default 300.
        max_batch: Frames of one run, for models that take any number; 1..1024, default 8.
        execution_provider: Who computes; default the processor and nothing else.
        intra_op_threads: Threads of one run inside the engine; 1..1024, default 1. One serves many callers best: they run side by side. More make a single call faster on an idle machine and all calls slower on a busy one.
        spinning: Lets the engine's threads wait in a busy loop; default off, since it takes the processor from everything else.
        onnxruntime: The ONNX Runtime library or its folder; default: found as `runtime` says.
    """

    min_confidence: float
    """Boxes with a confidence of this or less are dropped; 0..1, default 0.25 (as Ultralytics)."""
    class_confidence: Mapping[str, float]
    """Thresholds of single classes by name, in place of `min_confidence`; 0..1."""
    classes: Sequence[str]
    """The only classes to report, by name; empty (the default) means all. Each anchor still stands for its surest class, so that a class that is left out does not turn up as its runner-up."""
    iou: float
    """Of two boxes of a class that overlap by more than this, the less sure one is dropped; 0..1, default 0.45."""
    class_agnostic: bool
    """Also drops doubles of different classes; default off."""
    max_detections: int
    """Boxes of one frame; 1..30000, default 300."""
    max_batch: int
    """Frames of one run, for models that take any number; 1..1024, default 8."""
    execution_provider: ExecutionProviderChoice
    """Who computes; default the processor and nothing else."""
    intra_op_threads: int
    """Threads of one run inside the engine; 1..1024, default 1. One serves many callers best: they run side by side. More make a single call faster on an idle machine and all calls slower on a busy one."""
    spinning: bool
    """Lets the engine's threads wait in a busy loop; default off, since it takes the processor from everything else."""
    onnxruntime: Path | None
    """The ONNX Runtime library or its folder; default: found as `runtime` says."""


class RetryConfig(TypedDict, total=False):
    """How often and when a failed call is made again.

    Fields:
        attempts: Calls in all, the first one included; 1..100, default 3.
        base_s: The first wait is drawn evenly from 0 to this, and doubles with each attempt; 0.001..3600, default 0.05.
        throttle_base_s: The same, where the other side throttled; 0.001..3600, default 1.
        cap_s: No drawn wait is longer; 0.001..3600, default 20.
        retry_after_max_s: The longest wait that the other side may ask for; 0..3600, default 60. Where it asks for more, the call is given up.
        bucket: Tokens for retries, shared by all calls of this policy; 1..1000000, default 500.
        retry_cost: Tokens that a retry takes; 1..1000000, default 5.
        timeout_cost: Tokens that a retry after a timeout takes; 1..1000000, default 10.
    """

    attempts: int
    """Calls in all, the first one included; 1..100, default 3."""
    base_s: float | timedelta
    """The first wait is drawn evenly from 0 to this, and doubles with each attempt; 0.001..3600, default 0.05."""
    throttle_base_s: float | timedelta
    """The same, where the other side throttled; 0.001..3600, default 1."""
    cap_s: float | timedelta
    """No drawn wait is longer; 0.001..3600, default 20."""
    retry_after_max_s: float | timedelta
    """The longest wait that the other side may ask for; 0..3600, default 60. Where it asks for more, the call is given up."""
    bucket: int
    """Tokens for retries, shared by all calls of this policy; 1..1000000, default 500."""
    retry_cost: int
    """Tokens that a retry takes; 1..1000000, default 5."""
    timeout_cost: int
    """Tokens that a retry after a timeout takes; 1..1000000, default 10."""


class RateLimitConfig(TypedDict, total=False):
    """How many calls a key may make.

    Fields:
        per_second: Calls a second in the long run, for each key; 0.000001..1000000, default 10.
        burst: Calls at once after a rest, for each key; 1..1000000, default 10.
        max_keys: Keys that are known at a time; 1..1000000, default 10000.
    """

    per_second: float
    """Calls a second in the long run, for each key; 0.000001..1000000, default 10."""
    burst: int
    """Calls at once after a rest, for each key; 1..1000000, default 10."""
    max_keys: int
    """Keys that are known at a time; 1..1000000, default 10000."""


class Caps(TypedDict, total=False):
    """The most that may be spent in a minute, a day and a month.

    Fields:
        per_minute: In 60 s that begin with the first spend.
        per_day: In a day of the calendar.
        per_month: In a month of the calendar.
    """

    per_minute: int | None
    """In 60 s that begin with the first spend."""
    per_day: int | None
    """In a day of the calendar."""
    per_month: int | None
    """In a month of the calendar."""


class KeyCaps(TypedDict, total=False):
    """Caps for every camera, tenant or API, each by itself, and other ones for those named.

    Fields:
        default: For each one that is not named.
        named: In place of `default`, by name.
    """

    default: Caps
    """For each one that is not named."""
    named: Mapping[str, Caps]
    """In place of `default`, by name."""


class PriceTier(TypedDict, total=False):
    """What an image costs up to some number of images in a month.

    Fields:
        up_to: Images of the month up to which this price holds, counted from the month's first, at least 1; none for the last tier.
        price: For each image, in millionths of a dollar; up to $1000.
    """

    up_to: int | None
    """Images of the month up to which this price holds, counted from the month's first, at least 1; none for the last tier."""
    price: Required[int]
    """For each image, in millionths of a dollar; up to $1000."""


class BudgetConfig(TypedDict, total=False):
    """What may be spent, and what things cost.

    Fields:
        total: For everything together; default no cap.
        camera: For each camera; default no cap.
        tenant: For each tenant; default no cap.
        api: For each API; default no cap. Names are those of `prices`.
        warn_at: The share of a cap from which on a warning is sent, more than 0, up to 1; default 0.8.
        prices: What an image costs; default Rekognition's published prices.
        time_zone: Where days and months begin: a name of the IANA time zone database, such as `America/Sao_Paulo`; default `UTC`.
        max_keys: Cameras, and as well tenants, that are counted each by itself in a month, 1..100000; default 10000. The named ones always are. All further ones are counted together as one that is called `(others)`.
        history_days: Days before today that the report tells apart, 1..400; default 62. The days of this month always are.
    """

    total: Caps
    """For everything together; default no cap."""
    camera: KeyCaps
    """For each camera; default no cap."""
    tenant: KeyCaps
    """For each tenant; default no cap."""
    api: KeyCaps
    """For each API; default no cap. Names are those of `prices`."""
    warn_at: float
    """The share of a cap from which on a warning is sent, more than 0, up to 1; default 0.8."""
    prices: Mapping[str, Sequence[PriceTier]]
    """What an image costs; default Rekognition's published prices."""
    time_zone: str
    """Where days and months begin: a name of the IANA time zone database, such as `America/Sao_Paulo`; default `UTC`."""
    max_keys: int
    """Cameras, and as well tenants, that are counted each by itself in a month, 1..100000; default 10000. The named ones always are. All further ones are counted together as one that is called `(others)`."""
    history_days: int
    """Days before today that the report tells apart, 1..400; default 62. The days of this month always are."""


class FsyncEvery(TypedDict):
    """With the first record so long after the last time: a power cut loses at most what came in such a time.

    Fields:
        seconds: 0.001..86400.
    """

    seconds: float
    """0.001..86400."""


class FsyncSometimes(TypedDict):
    """With the first record so long after the last time: a power cut loses at most what came in such a time."""

    every: FsyncEvery


Fsync: TypeAlias = "Literal['always', 'never'] | FsyncSometimes"


class JournalOptions(TypedDict, total=False):
    """How a `Budget` keeps its journal.

    Fields:
        fsync: Default every second.
        compact_bytes: The journal is written anew, as a snapshot, when it has grown by so many bytes; 4096..1073741824, default 16 MiB.
    """

    fsync: Fsync
    """Default every second."""
    compact_bytes: int
    """The journal is written anew, as a snapshot, when it has grown by so many bytes; 4096..1073741824, default 16 MiB."""


class WindowOfCalls(TypedDict):
    """The last so many calls, 1..100000."""

    calls: int


class TimeWindow(TypedDict):
    """The calls that ended in the last so many seconds.

    Fields:
        seconds: 0.1..3600. Time moves on in twentieths of this: between 95 % and 100 % of the span is looked at.
    """

    seconds: float
    """0.1..3600. Time moves on in twentieths of this: between 95 % and 100 % of the span is looked at."""


class WindowOfTime(TypedDict):
    """The calls that ended in the last so many seconds."""

    time: TimeWindow


BreakerWindow: TypeAlias = "WindowOfCalls | WindowOfTime"


class CircuitBreakerConfig(TypedDict, total=False):
    """When a `CircuitBreaker` opens, and how it closes again.

    Fields:
        consecutive_failures: Opens after so many failures with no success between them; 0..100000, default 5. 0 switches the rule off.
        failure_rate: Opens where at least this share of the window failed; 0..1, default 0.5. 0 switches the rule off.
        slow_call_rate: Opens where at least this share of the window was slow, failed or not; 0..1, default 1. 0 switches the rule off.
        slow_call_s: A call is slow when it takes longer than this; 0.001..86400, default 60.
        window: The calls that the two rates look at; default the last 100.
        minimum_calls: The rates say nothing before the window holds so many calls; 1..100000, default 20. Where it counts calls, it must hold as many.
        open_s: Stays open for this long; 0.001..3600, default 60.
        open_growth: After each probe round that failed, stays open this many times longer; 1..10, default 1 (always the same).
        open_max_s: Growth ends here; `open_s`..86400, default 3600.
        open_jitter: Adds up to this share to each open time, drawn anew each time, so that many breakers do not probe in step; 0..1, default 0.
        half_open_permits: Half open, so many calls are let through; all must succeed; 1..10000, default 1.
        half_open_max_s: Half open with every permit out, and no news of any for this long: the probes count as failed; 0..86400, default 120. 0 waits for ever.
    """

    consecutive_failures: int
    """Opens after so many failures with no success between them; 0..100000, default 5. 0 switches the rule off."""
    failure_rate: float
    """Opens where at least this share of the window failed; 0..1, default 0.5. 0 switches the rule off."""
    slow_call_rate: float
    """Opens where at least this share of the window was slow, failed or not; 0..1, default 1. 0 switches the rule off."""
    slow_call_s: float | timedelta
    """A call is slow when it takes longer than this; 0.001..86400, default 60."""
    window: BreakerWindow
    """The calls that the two rates look at; default the last 100."""
    minimum_calls: int
    """The rates say nothing before the window holds so many calls; 1..100000, default 20. Where it counts calls, it must hold as many."""
    open_s: float | timedelta
    """Stays open for this long; 0.001..3600, default 60."""
    open_growth: float
    """After each probe round that failed, stays open this many times longer; 1..10, default 1 (always the same)."""
    open_max_s: float | timedelta
    """Growth ends here; `open_s`..86400, default 3600."""
    open_jitter: float
    """Adds up to this share to each open time, drawn anew each time, so that many breakers do not probe in step; 0..1, default 0."""
    half_open_permits: int
    """Half open, so many calls are let through; all must succeed; 1..10000, default 1."""
    half_open_max_s: float | timedelta
    """Half open with every permit out, and no news of any for this long: the probes count as failed; 0..86400, default 120. 0 waits for ever."""


class FailurePolicy(TypedDict, total=False):
    """Which failures count for a `CircuitBreaker`.

    Fields:
        throttling_counts: Throttling counts; default true. Set it to false where another limit already slows calls down.
    """

    throttling_counts: bool
    """Throttling counts; default true. Set it to false where another limit already slows calls down."""


class LocalProviderConfig(TypedDict, total=False):
    """How a `LocalProvider` works.

    Fields:
        workers: Threads, which is requests looked at side by side; up to 256. Default 0, which is one for each processor but at most 4, and 2 where a device computes.
        queue: Requests that may wait beside those that are looked at, 0..100000; default 64. One more is `Overloaded`.
        recover_after_s: How long without running out of device memory until the next larger batch is tried again, 1..3600; default 60.
        cpu_fallback: Where even one frame does not fit into the device's memory, opens the model on the processor; default true.
    """

    workers: int
    """Threads, which is requests looked at side by side; up to 256. Default 0, which is one for each processor but at most 4, and 2 where a device computes."""
    queue: int
    """Requests that may wait beside those that are looked at, 0..100000; default 64. One more is `Overloaded`."""
    recover_after_s: float | timedelta
    """How long without running out of device memory until the next larger batch is tried again, 1..3600; default 60."""
    cpu_fallback: bool
    """Where even one frame does not fit into the device's memory, opens the model on the processor; default true."""


class CallbackProviderConfig(TypedDict, total=False):
    """What a `CallbackProvider` says of itself, and how many threads call.

    Fields:
        name: A short name, 1..64 bytes; default `callback`.
        wants: What it can be asked for, each once; default labels.
        max_batch: Frames of one call, 1..4096; default 1. A request of more frames is several calls.
        max_in_flight: Requests taken, waiting or being looked at, before `Overloaded`; 1..100000, default 64.
        workers: Threads, which is calls side by side; 1..256, default 1.
        leaves_machine: Pictures leave the machine; default false.
        labels: The labels that it can find, up to 100000; empty (the default) where it cannot say. A camera that counts another one is refused then.
        price: The price of a frame, up to $1000; default none. Only what leaves the machine has one.
    """

    name: str
    """A short name, 1..64 bytes; default `callback`."""
    wants: Sequence[Want]
    """What it can be asked for, each once; default labels."""
    max_batch: int
    """Frames of one call, 1..4096; default 1. A request of more frames is several calls."""
    max_in_flight: int
    """Requests taken, waiting or being looked at, before `Overloaded`; 1..100000, default 64."""
    workers: int
    """Threads, which is calls side by side; 1..256, default 1."""
    leaves_machine: bool
    """Pictures leave the machine; default false."""
    labels: Sequence[str]
    """The labels that it can find, up to 100000; empty (the default) where it cannot say. A camera that counts another one is refused then."""
    price: int
    """The price of a frame, up to $1000; default none. Only what leaves the machine has one."""


class RekognitionConfig(TypedDict, total=False):
    """How a `RekognitionProvider` calls Amazon Rekognition.

    Fields:
        region: The AWS region, such as `eu-west-1`; none (the default) to ask the SDK's chain: `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile, the instance's metadata.
        endpoint: Another address to call, such as that of a VPC endpoint: `https://host[:port]`. `http` is taken only for this machine itself. Default none: Rekognition's own in the region.
        profile: The profile of `~/.aws/config` and `~/.aws/credentials`; none (the default) for `AWS_PROFILE` or `default`.
        retry: How often and when a failed call is made again. The SDK's own retries are off.
        max_in_flight: Requests taken before `Overloaded`, and calls at one time; 1..10000, default 50.
        timeout_s: How long one call may take, retries not included, in seconds; 0.01..600, default 10. That is a picture of the largest size over a line of 6 Mbit/s and two seconds for the answer; a call that is given up may be billed all the same, so this is no place to be impatient: give the request a deadline instead.
        connect_timeout_s: How long a connection may take to be made, in seconds; 0.01..600, default 3.
        credentials_timeout_s: How long credentials and region are looked for, in seconds; 0.01..600, default 10.
        max_per_second: Calls a second, for each of the three APIs by itself; 0.01..100000, default none. A call waits for its turn, unless its deadline comes first.
        max_labels: Labels that an answer may have; 1..1000, default 1000.
        include_labels: Only these labels are asked for, by Rekognition's names (`Person`, `Car`); at most 100, default all.
        text: What is returned of text; default lines.
        label_map: What Rekognition's labels are called here; default COCO's names where there is one.
        encode_threads: Threads that make pictures ready; 1..64, default 2.
        jpeg_quality: Of the JPEG that is sent, 1..100, default 90. Lower ones are tried where it has over 5,242,880 bytes.
        small: What is done with a picture below 80×80 pixels; default upscale.
        seed: Seed of the waits between retries; none (the default) for one that differs between runs.
        price: The price of a picture, where there is no budget that knows it; default $0.001.
    """

    region: str | None
    """The AWS region, such as `eu-west-1`; none (the default) to ask the SDK's chain: `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile, the instance's metadata."""
    endpoint: str | None
    """Another address to call, such as that of a VPC endpoint: `https://host[:port]`. `http` is taken only for this machine itself. Default none: Rekognition's own in the region."""
    profile: str | None
    """The profile of `~/.aws/config` and `~/.aws/credentials`; none (the default) for `AWS_PROFILE` or `default`."""
    retry: RetryConfig
    """How often and when a failed call is made again. The SDK's own retries are off."""
    max_in_flight: int
    """Requests taken before `Overloaded`, and calls at one time; 1..10000, default 50."""
    timeout_s: float | timedelta
    """How long one call may take, retries not included, in seconds; 0.01..600, default 10. That is a picture of the largest size over a line of 6 Mbit/s and two seconds for the answer; a call that is given up may be billed all the same, so this is no place to be impatient: give the request a deadline instead."""
    connect_timeout_s: float | timedelta
    """How long a connection may take to be made, in seconds; 0.01..600, default 3."""
    credentials_timeout_s: float | timedelta
    """How long credentials and region are looked for, in seconds; 0.01..600, default 10."""
    max_per_second: float | None
    """Calls a second, for each of the three APIs by itself; 0.01..100000, default none. A call waits for its turn, unless its deadline comes first."""
    max_labels: int
    """Labels that an answer may have; 1..1000, default 1000."""
    include_labels: Sequence[str]
    """Only these labels are asked for, by Rekognition's names (`Person`, `Car`); at most 100, default all."""
    text: TextUnit
    """What is returned of text; default lines."""
    label_map: Mapping[str, str]
    """What Rekognition's labels are called here; default COCO's names where there is one."""
    encode_threads: int
    """Threads that make pictures ready; 1..64, default 2."""
    jpeg_quality: int
    """Of the JPEG that is sent, 1..100, default 90. Lower ones are tried where it has over 5,242,880 bytes."""
    small: SmallPicture
    """What is done with a picture below 80×80 pixels; default upscale."""
    seed: int | None
    """Seed of the waits between retries; none (the default) for one that differs between runs."""
    price: int
    """The price of a picture, where there is no budget that knows it; default $0.001."""


Escalation = TypedDict(
    "Escalation",
    {
        "from": "float",
        "to": "float",
        "per_minute": "int",
        "window_s": "float | timedelta",
    },
    total=False,
)
"""Which second looks are worth their price. `from`: Below this, a detection is noise; 0..`to`, default 0.3. `to`: Above this, the primary is believed; `from`..1, default 0.6. `per_minute`: Second looks in a minute; 1..1000000, default 60. Up to a tenth of them may come at once. `window_s`: How long candidates wait for each other; more than 0, up to 60, default 0.25. It delays the answers to uncertain requests only."""


class Balance(TypedDict):
    """In turn: of `primary + fallback` requests, so many go to each side.

    Fields:
        fallback: Requests for the fallback, 0..1000000; both together at least 1.
        primary: Requests for the primary, 0..1000000.
    """

    fallback: int
    """Requests for the fallback, 0..1000000; both together at least 1."""
    primary: int
    """Requests for the primary, 0..1000000."""


class InTurn(TypedDict):
    """In turn: of `primary + fallback` requests, so many go to each side. The other one stands in where one fails."""

    balance: Balance


class SecondLook(TypedDict):
    """For a second look where the primary is not sure, most worthwhile first; and where the primary fails."""

    escalate: Escalation


HybridMode: TypeAlias = "Literal['failover', 'overflow'] | InTurn | SecondLook"


class HybridConfig(TypedDict, total=False):
    """How a `HybridProvider` shares work between its two sides.

    Fields:
        mode: When the fallback is asked; default `HybridMode.Failover`.
        fallback_timeout_s: The side that was asked first has failed where it takes longer than this; more than 0, up to 3600, default 5. Its answer still counts as long as the other side has not begun.
        request_timeout_s: A request that nobody has answered ends after this, as if it were its deadline; more than 0, up to 3600, default 60.
        primary_breaker: The primary's breaker; each operation (labels, text, faces) has one of its own with these settings.
        fallback_breaker: The fallback's breaker, likewise.
        failure_policy: Which errors speak against a side, for its breaker and for failing over: those of the network, of memory and of time always do; throttling by default.
    """

    mode: HybridMode
    """When the fallback is asked; default `HybridMode.Failover`."""
    fallback_timeout_s: float | timedelta
    """The side that was asked first has failed where it takes longer than this; more than 0, up to 3600, default 5. Its answer still counts as long as the other side has not begun."""
    request_timeout_s: float | timedelta
    """A request that nobody has answered ends after this, as if it were its deadline; more than 0, up to 3600, default 60."""
    primary_breaker: CircuitBreakerConfig
    """The primary's breaker; each operation (labels, text, faces) has one of its own with these settings."""
    fallback_breaker: CircuitBreakerConfig
    """The fallback's breaker, likewise."""
    failure_policy: FailurePolicy
    """Which errors speak against a side, for its breaker and for failing over: those of the network, of memory and of time always do; throttling by default."""


class Zone(TypedDict, total=False):
    """A named area of a camera's picture.

    Fields:
        name: The name, which triggers and events use.
        area: Where it is, in shares of width and height.
        anchor: Which point of an object must lie inside.
    """

    name: Required[str]
    """The name, which triggers and events use."""
    area: Required[Area]
    """Where it is, in shares of width and height."""
    anchor: Anchor
    """Which point of an object must lie inside."""


ScheduleWindow = TypedDict(
    "ScheduleWindow",
    {
        "days": "Sequence[Weekday]",
        "from": "str",
        "to": "str",
    },
    total=False,
)
"""A window of a `Schedule`: so many hours on some days of the week, by what a clock on the wall shows. `days`: The days on which it begins; empty (the default) is every day. `from`: When it begins, 00:00..23:59; default 00:00. `to`: When it is over, 00:00..24:00; default 24:00. Where that is earlier than `from`, it is the next day."""


class Schedule(TypedDict, total=False):
    """The hours in which a trigger may fire: inside any of its windows.

    Fields:
        windows: The windows, 1..64.
        time_zone: The name of a time zone of the IANA, such as `America/Sao_Paulo`, or `UTC`. Default none: that of the machine, as it is when the trigger is made; without a name, a recording may replay to another answer on another machine.
    """

    windows: Required[Sequence[ScheduleWindow]]
    """The windows, 1..64."""
    time_zone: str | None
    """The name of a time zone of the IANA, such as `America/Sao_Paulo`, or `UTC`. Default none: that of the machine, as it is when the trigger is made; without a name, a recording may replay to another answer on another machine."""


class Present(TypedDict, total=False):
    """Such an object is there.

    Fields:
        classes: Of any of these classes.
        min_confidence: At least so sure, 0..1.
        zone: In this zone.
    """

    classes: Sequence[str]
    """Of any of these classes."""
    min_confidence: float | None
    """At least so sure, 0..1."""
    zone: str | None
    """In this zone."""


class Count(TypedDict, total=False):
    """There are many, or few, such objects.

    Fields:
        classes: Of any of these classes, counted together.
        over: More than so many.
        under: Fewer than so many; at least 1.
        zone: In this zone.
    """

    classes: Sequence[str]
    """Of any of these classes, counted together."""
    over: int | None
    """More than so many."""
    under: int | None
    """Fewer than so many; at least 1."""
    zone: str | None
    """In this zone."""


class Crossing(TypedDict, total=False):
    """Such an object comes into the zone: it was seen outside and now is inside, or is seen for the first time and is inside.

    Fields:
        classes: Of any of these classes.
        zone: Into this zone.
    """

    classes: Sequence[str]
    """Of any of these classes."""
    zone: Required[str]
    """Into this zone."""


class Absent(TypedDict, total=False):
    """No such object was there for so long, since the first scene at the earliest.

    Fields:
        classes: Of any of these classes.
        for_s: How long, 0.001..604800 seconds.
        zone: In this zone.
    """

    classes: Sequence[str]
    """Of any of these classes."""
    for_s: Required[float | timedelta]
    """How long, 0.001..604800 seconds."""
    zone: str | None
    """In this zone."""


# `not` is no name in Python, so these are made from a dict.
Condition = TypedDict(
    "Condition",
    {
        "present": Present,
        "count": Count,
        "enter": Crossing,
        "leave": Crossing,
        "absent": Absent,
        "all": "Sequence[Condition]",
        "any": "Sequence[Condition]",
        "not": "Condition",
    },
    total=False,
)
"""What a trigger waits for: exactly one of these keys."""


class TriggerConfig(TypedDict, total=False):
    """When a camera's event is fired.

    Fields:
        name: The name that its events carry, unique among those of a camera; 1..256 bytes.
        when: What it waits for.
        for_s: It fires when the condition has held without a break for so long, 0..86400; default 0: at once. Of a gap longer than `max_gap_s`, nothing counts.
        cooldown_s: The least time between two of its events, 0..604800; default 10. Where the condition begins to hold sooner, it fires at the end of that time if it still holds, and else the event is suppressed and counted.
        max_gap_s: A longer time between two frames counts as not watched, 0.001..86400; default 60. It must be longer than the time between two frames of the camera.
        schedule: When it may fire; default none: at any time. Outside it watches on, and fires when the hours begin where its condition holds then.
        picture: The picture that goes with its events; default none.
    """

    name: Required[str]
    """The name that its events carry, unique among those of a camera; 1..256 bytes."""
    when: Required[Condition]
    """What it waits for."""
    for_s: float | timedelta
    """It fires when the condition has held without a break for so long, 0..86400; default 0: at once. Of a gap longer than `max_gap_s`, nothing counts."""
    cooldown_s: float | timedelta
    """The least time between two of its events, 0..604800; default 10. Where the condition begins to hold sooner, it fires at the end of that time if it still holds, and else the event is suppressed and counted."""
    max_gap_s: float | timedelta
    """A longer time between two frames counts as not watched, 0.001..86400; default 60. It must be longer than the time between two frames of the camera."""
    schedule: Schedule | None
    """When it may fire; default none: at any time. Outside it watches on, and fires when the hours begin where its condition holds then."""
    picture: PictureWanted
    """The picture that goes with its events; default none."""


class Confirmation(TypedDict, total=False):
    """How often something must be found before it is an object for triggers.

    Fields:
        k: In at least so many of the last `n` frames that were looked at, 1..`n`; default 1.
        n: How many frames count, 1..64; default 1.
        min_overlap: How much the boxes of one object overlap from one look to the next, as intersection over union, 0.01..1; default 0.3.
        max_gap_s: Something not seen for longer than this is another object when it is seen again, 0.001..86400; default 5. It must be longer than the time between two frames of the camera, or else nothing is ever seen twice.
    """

    k: int
    """In at least so many of the last `n` frames that were looked at, 1..`n`; default 1."""
    n: int
    """How many frames count, 1..64; default 1."""
    min_overlap: float
    """How much the boxes of one object overlap from one look to the next, as intersection over union, 0.01..1; default 0.3."""
    max_gap_s: float | timedelta
    """Something not seen for longer than this is another object when it is seen again, 0.001..86400; default 5. It must be longer than the time between two frames of the camera, or else nothing is ever seen twice."""


class OutletConfig(TypedDict, total=False):
    """What a sink gets, how that waits for it, in which batches it comes, and how often it is tried.

    Fields:
        deliveries: Which deliveries: `events` (the default), `results` of frames, or `all`.
        capacity: Deliveries that may wait, 1..1000000; default 1024. Where one more comes, the oldest of them is dropped and counted. Events hold their pictures in memory.
        max_batch: The most deliveries that the sink is given at a time, 1..10000; default 100. They are in hand, beside those that wait. A sink that takes fewer, such as a function, gets fewer.
        linger_s: How long the first delivery of a batch waits for the batch to fill, in seconds; 0..3600, default 0. With 0 a batch is what came while the one before was delivered.
        retry: How often and when a batch is tried again where its error's advice is to retry later; default 8 times in about half a minute. Later deliveries wait meanwhile, so that their order stays. A batch that was tried so often is cut in halves; one delivery that was is given up and counted.
    """

    deliveries: Deliveries
    """Which deliveries: `events` (the default), `results` of frames, or `all`."""
    capacity: int
    """Deliveries that may wait, 1..1000000; default 1024. Where one more comes, the oldest of them is dropped and counted. Events hold their pictures in memory."""
    max_batch: int
    """The most deliveries that the sink is given at a time, 1..10000; default 100. They are in hand, beside those that wait. A sink that takes fewer, such as a function, gets fewer."""
    linger_s: float | timedelta
    """How long the first delivery of a batch waits for the batch to fill, in seconds; 0..3600, default 0. With 0 a batch is what came while the one before was delivered."""
    retry: RetryConfig
    """How often and when a batch is tried again where its error's advice is to retry later; default 8 times in about half a minute. Later deliveries wait meanwhile, so that their order stays. A batch that was tried so often is cut in halves; one delivery that was is given up and counted."""


class JsonLinesConfig(TypedDict, total=False):
    """How a `JsonLinesSink` keeps its files.

    Fields:
        max_bytes: The file is put aside before it grows beyond this; 4096..1099511627776 bytes, default 64 MiB. An event that is larger by itself has a file of its own.
        keep: Files put aside that are kept, 0..1000; default 8. Older ones are deleted.
        fsync: When events are made to outlive a power cut; default `always`: once for each batch, before it counts as delivered. With `every` a batch is synced that comes so long after the last time, and one that is not counts as delivered all the same. A crash of the process alone loses nothing in any case.
    """

    max_bytes: int
    """The file is put aside before it grows beyond this; 4096..1099511627776 bytes, default 64 MiB. An event that is larger by itself has a file of its own."""
    keep: int
    """Files put aside that are kept, 0..1000; default 8. Older ones are deleted."""
    fsync: Fsync
    """When events are made to outlive a power cut; default `always`: once for each batch, before it counts as delivered. With `every` a batch is synced that comes so long after the last time, and one that is not counts as delivered all the same. A crash of the process alone loses nothing in any case."""


class WebhookConfig(TypedDict, total=False):
    """Where and how a `WebhookSink` sends events.

    Fields:
        headers: Sent with every event, such as `Authorization`; default none. The headers that the sink sets itself are refused, except `User-Agent`.
        secret: Known to the receiver too: each event is signed with it; 16 bytes or more. Default none, and no signature.
        timeout_s: A delivery that takes longer has failed, whatever it is waiting for; 0.1..600, default 10.
        ca_file: PEM file of the authorities that the receiver's certificate may come from, in place of the system's; for authorities of one's own. Default none: the system's.
    """

    headers: Mapping[str, str]
    """Sent with every event, such as `Authorization`; default none. The headers that the sink sets itself are refused, except `User-Agent`."""
    secret: str | None
    """Known to the receiver too: each event is signed with it; 16 bytes or more. Default none, and no signature."""
    timeout_s: float | timedelta
    """A delivery that takes longer has failed, whatever it is waiting for; 0.1..600, default 10."""
    ca_file: Path | None
    """PEM file of the authorities that the receiver's certificate may come from, in place of the system's; for authorities of one's own. Default none: the system's."""


class LowLight(TypedDict, total=False):
    """Asks for more certainty where the picture is dark: models see people in noise.

    Fields:
        luma: Pictures whose mean luma is below this are dark; 0..255, default 40. 0 switches the rule off.
        min_confidence: The least confidence in a dark picture, where it is more than the usual one; 0..1, default 0.7.
    """

    luma: int
    """Pictures whose mean luma is below this are dark; 0..255, default 40. 0 switches the rule off."""
    min_confidence: float
    """The least confidence in a dark picture, where it is more than the usual one; 0..1, default 0.7."""


class QueueConfig(TypedDict, total=False):
    """How the frames of a camera wait.

    Fields:
        capacity: Frames that wait at each stage; 1..1024, default 2.
        policy: What gives way when more come. Default: `never_drop_critical` for a critical camera, `drop_oldest` for others.
        max_age_s: A frame that waited longer is of no use any more, and no provider sees it; 0.001..86400, default 5.
    """

    capacity: int
    """Frames that wait at each stage; 1..1024, default 2."""
    policy: QueuePolicy | None
    """What gives way when more come. Default: `never_drop_critical` for a critical camera, `drop_oldest` for others."""
    max_age_s: float | timedelta
    """A frame that waited longer is of no use any more, and no provider sees it; 0.001..86400, default 5."""


class LookConfig(TypedDict, total=False):
    """What is looked for in the frames of a camera, and what of that counts.

    Fields:
        want: What to look for. Default labels.
        classes: The labels that count, such as `person`; empty (the default) for all.
        min_confidence: The least confidence of a detection, 0..1; default 0.5.
        class_confidence: The least confidence for single labels, in place of `min_confidence`; 0..1.
        low_light: When a picture is dark, and what confidence it takes then. Default: below luma 40, 0.7.
    """

    want: Want
    """What to look for. Default labels."""
    classes: Sequence[str]
    """The labels that count, such as `person`; empty (the default) for all."""
    min_confidence: float
    """The least confidence of a detection, 0..1; default 0.5."""
    class_confidence: Mapping[str, float]
    """The least confidence for single labels, in place of `min_confidence`; 0..1."""
    low_light: LowLight
    """When a picture is dark, and what confidence it takes then. Default: below luma 40, 0.7."""


class ResultCacheConfig(TypedDict, total=False):
    """How long the result of a picture serves for another one of the same camera.

    Fields:
        capacity: Pictures that are known for each camera; 0..1024, default 8. 0 switches the cache off.
        ttl_s: Results serve for so long after they were worked out; 0.001..86400, default 10.
        near: Where given, a result also serves for a picture of which no part differs by more than so many gray levels, 0..64. The parts are the cells of a grid of 32×18 over the picture (18×32 of an upright one), as far as they lie in the region of interest. Something small that covers a tenth of a cell and stands out by 50 levels changes it by 5: at 2, it is seen. Default none: only the very same picture, bit by bit.
    """

    capacity: int
    """Pictures that are known for each camera; 0..1024, default 8. 0 switches the cache off."""
    ttl_s: float | timedelta
    """Results serve for so long after they were worked out; 0.001..86400, default 10."""
    near: float | None
    """Where given, a result also serves for a picture of which no part differs by more than so many gray levels, 0..64. The parts are the cells of a grid of 32×18 over the picture (18×32 of an upright one), as far as they lie in the region of interest. Something small that covers a tenth of a cell and stands out by 50 levels changes it by 5: at 2, it is seen. Default none: only the very same picture, bit by bit."""


class CameraConfig(TypedDict, total=False):
    """How a pipeline treats one camera.

    Fields:
        fps: Frames to look at in a second, by their presentation time; 0, 0.001..1000, default 1. 0 looks at all of them.
        priority: Who goes first where not all can. Default normal.
        queue: The queues that its frames wait in.
        client: Whom the rate limit counts frames for, beside others of the same name; empty (the default) for the camera itself.
        tenant: Whom a budget counts frames for; empty for nobody.
        motion: How the motion gate decides; default as `MotionGateConfig`. Its `include` and `exclude` are taken from the camera where it has none of its own. None (`false` in JSON and TOML): no gate, every sampled frame is looked at.
        include: Where to look: objects whose anchor lies inside any of these count. Empty (the default) is everywhere.
        exclude: Where not to look: inside none of these, whatever `include` says. Default none.
        anchor: The point of an object that stands for it in `include` and `exclude`. Default the middle of the lower edge.
        look: What to look for, and what of that counts.
        cache: Answers that are used again for the same picture.
        confirmation: In how many of the last frames an object must be seen before it counts.
        zones: Named areas, for triggers and events.
        triggers: What is worth an event.
        host_triggers: Triggers of the host that see this camera, by the names that the pipeline's builder gave them.
        explain: Runs of decisions that `explain` looks back on; 0..1048576, default 4096, of 64 bytes each at most. Frames one after the other that were sampled out, or in which nothing moved, make one run.
        epoch_s: Seconds between 1970 and presentation time 0, for schedules and the times of events of recordings; -9223372035..9223372035. None (the default): the machine's clock when the frame is pushed.
        limits: What an encoded picture may claim before it is refused.
    """

    fps: float
    """Frames to look at in a second, by their presentation time; 0, 0.001..1000, default 1. 0 looks at all of them."""
    priority: Priority
    """Who goes first where not all can. Default normal."""
    queue: QueueConfig
    """The queues that its frames wait in."""
    client: str
    """Whom the rate limit counts frames for, beside others of the same name; empty (the default) for the camera itself."""
    tenant: str
    """Whom a budget counts frames for; empty for nobody."""
    motion: MotionGateConfig | bool | None
    """How the motion gate decides; default as `MotionGateConfig`. Its `include` and `exclude` are taken from the camera where it has none of its own. None (`false` in JSON and TOML): no gate, every sampled frame is looked at."""
    include: Sequence[Area]
    """Where to look: objects whose anchor lies inside any of these count. Empty (the default) is everywhere."""
    exclude: Sequence[Area]
    """Where not to look: inside none of these, whatever `include` says. Default none."""
    anchor: Anchor
    """The point of an object that stands for it in `include` and `exclude`. Default the middle of the lower edge."""
    look: LookConfig
    """What to look for, and what of that counts."""
    cache: ResultCacheConfig
    """Answers that are used again for the same picture."""
    confirmation: Confirmation
    """In how many of the last frames an object must be seen before it counts."""
    zones: Sequence[Zone]
    """Named areas, for triggers and events."""
    triggers: Sequence[TriggerConfig]
    """What is worth an event."""
    host_triggers: Sequence[str]
    """Triggers of the host that see this camera, by the names that the pipeline's builder gave them."""
    explain: int
    """Runs of decisions that `explain` looks back on; 0..1048576, default 4096, of 64 bytes each at most. Frames one after the other that were sampled out, or in which nothing moved, make one run."""
    epoch_s: int | None
    """Seconds between 1970 and presentation time 0, for schedules and the times of events of recordings; -9223372035..9223372035. None (the default): the machine's clock when the frame is pushed."""
    limits: DecodeLimits
    """What an encoded picture may claim before it is refused."""


class PipelineConfig(TypedDict, total=False):
    """How a pipeline works.

    Fields:
        max_bytes: Memory that frames which were pushed may take until they end, in bytes; 1048576..281474976710656, default 512 MiB. Encoded frames count as they came, and each frame as 1 KiB at least.
        max_in_flight: Requests that the provider is given at a time; 0..4096, where 0 (the default) is one more than there are threads where it works on this machine, and 16 where it does not. Never more than it takes.
        max_batch: Frames of a request; 0..1024, where 0 (the default) is as many as the provider looks at in one go.
        batch_wait_s: The longest wait for the rest of a batch; 0..10, default 0.1. It waits only where that gains something.
        provider_timeout_s: A request that is not answered so long after its deadline is given up; 0.01..3600, default 10.
        slow_frame_s: Frames that take longer than this from push to end are told of in the log, with the stage that was slow; 0.001..3600, default 2.
        rate_limit: How many frames a camera, or all cameras of a client, may have looked at; none (the default) for no limit.
    """

    max_bytes: int
    """Memory that frames which were pushed may take until they end, in bytes; 1048576..281474976710656, default 512 MiB. Encoded frames count as they came, and each frame as 1 KiB at least."""
    max_in_flight: int
    """Requests that the provider is given at a time; 0..4096, where 0 (the default) is one more than there are threads where it works on this machine, and 16 where it does not. Never more than it takes."""
    max_batch: int
    """Frames of a request; 0..1024, where 0 (the default) is as many as the provider looks at in one go."""
    batch_wait_s: float | timedelta
    """The longest wait for the rest of a batch; 0..10, default 0.1. It waits only where that gains something."""
    provider_timeout_s: float | timedelta
    """A request that is not answered so long after its deadline is given up; 0.01..3600, default 10."""
    slow_frame_s: float | timedelta
    """Frames that take longer than this from push to end are told of in the log, with the stage that was slow; 0.001..3600, default 2."""
    rate_limit: RateLimitConfig | None
    """How many frames a camera, or all cameras of a client, may have looked at; none (the default) for no limit."""


class RunFileConfig(TypedDict, total=False):
    """How `Pipeline.run_file` goes through a recording.

    Fields:
        camera: The camera that it was recorded by. Its `queue` is not used: the recording waits until there is room. `epoch_s` says when it was recorded.
        source: How it is decoded. Frames that `fps` leaves out here are not even scaled, and are in no account; those that the `fps` of the camera leaves out are.
        chunk_s: Video between two reports; 0.1..86400, default 60.
        in_flight: Frames that are on their way at a time; 1..1024, default 16. They bound the memory, whatever the recording's length.
        patience_s: How long one frame may take before it ends as `Dropped(Stale)`; 0.001..86400, default 86400. Less of it keeps a provider that never answers from holding up everything.
    """

    camera: CameraConfig
    """The camera that it was recorded by. Its `queue` is not used: the recording waits until there is room. `epoch_s` says when it was recorded."""
    source: SourceConfig
    """How it is decoded. Frames that `fps` leaves out here are not even scaled, and are in no account; those that the `fps` of the camera leaves out are."""
    chunk_s: float | timedelta
    """Video between two reports; 0.1..86400, default 60."""
    in_flight: int
    """Frames that are on their way at a time; 1..1024, default 16. They bound the memory, whatever the recording's length."""
    patience_s: float | timedelta
    """How long one frame may take before it ends as `Dropped(Stale)`; 0.001..86400, default 86400. Less of it keeps a provider that never answers from holding up everything."""
