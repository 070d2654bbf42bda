"""The camera's side: decodes, asks the motion gate, and sends only the frames that it opens for.

python -m visionqueue.edge rtsp://camera/stream --camera lobby --priority critical
python -m visionqueue.edge recording.mp4 --camera lobby
python -m visionqueue.edge folder-of-jpegs/ --camera lobby
"""

import argparse
import base64
import io
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import guarita
from kombu.exceptions import OperationalError
from PIL import Image

from .app import PRIORITIES, event_id, send


def frames(source: str, fps: float, width: int) -> Iterator[guarita.Frame]:
    """The frames of a folder of JPEGs, `fps` of them in a second, or of a video, at most so many."""
    if Path(source).is_dir():
        paths = sorted(Path(source).glob("*.jp*g"))
        if not paths:
            raise guarita.NotFound(f"{source} has no *.jpg or *.jpeg")
        for number, path in enumerate(paths):
            yield guarita.Frame(path.read_bytes(), pts=number / fps, keep_encoded=True)
    else:
        with guarita.VideoSource(source, fps=fps, width=width, format="rgb8") as video:
            yield from video


def encoded(frame: guarita.Frame, quality: int) -> bytes:
    """The frame as a JPEG: as it came, where it came as one."""
    if frame.encoded is not None:
        return frame.encoded
    out = io.BytesIO()
    Image.fromarray(frame.numpy()).save(out, "JPEG", quality=quality)
    return out.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Sends the frames of a camera in which something moves to the workers."
    )
    parser.add_argument("source", help="a video, an address such as rtsp://…, or a folder of JPEGs")
    parser.add_argument("--camera", required=True, help="the camera's name")
    parser.add_argument("--priority", choices=PRIORITIES, default="normal")
    parser.add_argument("--fps", type=float, default=2.0, help="frames to look at in a second (2)")
    parser.add_argument("--width", type=int, default=640, help="width of the frames that are sent, for videos (640)")
    parser.add_argument("--quality", type=int, default=85, help="quality of the JPEGs, for videos (85)")
    parser.add_argument("--epoch", type=float, help="seconds since 1970 at the start (streams: now; files: 0)")
    parser.add_argument(
        "--heartbeat", type=float, default=60.0, help="sends a frame at least so often, in seconds (60)"
    )
    options = parser.parse_args()
    # A file has the same ids each time it is sent, and is stored once. A stream begins at zero each time it is opened, and
    # its frames must not be taken for those of yesterday.
    epoch = options.epoch if options.epoch is not None else time.time() if "://" in options.source else 0.0

    stopped = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)

    gate = guarita.MotionGate(heartbeat_s=options.heartbeat)
    seen = sent = unsent = size = 0
    for frame in frames(options.source, options.fps, options.width):
        if stopped:
            break
        seen += 1
        if not gate.observe(frame):
            continue
        jpeg = encoded(frame, options.quality)
        pts = epoch + frame.pts
        try:
            send(
                "detect",
                priority=PRIORITIES[options.priority],
                event_id=event_id(options.camera, pts),
                camera=options.camera,
                pts=pts,
                jpeg=base64.b64encode(jpeg).decode(),
            )
            sent += 1
            size += len(jpeg)
        except OperationalError as error:
            unsent += 1
            print(f"{options.camera}: the frame at {frame.pts:.2f} s is lost: {error}", file=sys.stderr, flush=True)
    print(f"{options.camera}: {seen} frames, {sent} sent with {size / 1024:.0f} KiB, {unsent} lost", flush=True)
    return 1 if unsent else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except guarita.GuaritaError as error:
        sys.exit(f"{error.code}: {error}")
