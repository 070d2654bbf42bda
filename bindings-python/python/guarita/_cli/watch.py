"""`watch`: cameras, their events and pictures."""

from __future__ import annotations

import argparse
import math
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, cast

import guarita

from . import setup
from .advice import DEFAULT_MODEL, need_pillow
from .arguments import STATUSES, add_classes, add_provider, provider
from .feed import Feed
from .pictures import Pictures
from .screen import screen
from .session import Session

if TYPE_CHECKING:
    from .arguments import Commands

ABOUT = "watches video files and streams; tells of what it sees"
MORE = """

Each SOURCE is a camera that tells of the classes, or of any object. With
--config cameras have zones, triggers and sinks, which
examples/watch/cameras.toml explains. A table shows how they do: redrawn in its
place on a terminal (with rich), as lines elsewhere. At the end it says what
became of every frame.
"""
EXAMPLES = """\
examples:
  %(prog)s street.mp4 --model model.onnx
  %(prog)s street.mp4 --classes person,car --fps 5 --speed max --out events
  %(prog)s rtsp://camera.example/stream --events events.jsonl
  %(prog)s --config cameras.toml --clips recordings --speed 2x
  %(prog)s street.mp4 --json | jq -r '[.camera, .why] | @tsv'
"""

#: The names of our own sinks.
EVENTS, PICTURES = "--events", "--out"


def add_to(commands: Commands) -> None:
    command = commands.add_parser("watch", help=ABOUT, description=ABOUT + MORE, epilog=EXAMPLES + STATUSES)
    command.add_argument("sources", nargs="*", metavar="SOURCE", help="a video file, or a URL that ffmpeg opens")
    command.add_argument(
        "--model",
        type=Path,
        default=Path(DEFAULT_MODEL),
        metavar="FILE",
        help=f"an ONNX detector (default: {DEFAULT_MODEL}, which `make models` provides in a checkout)",
    )
    command.add_argument(
        "--config",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="TOML with cameras, zones, triggers and sinks; may be given several times",
    )
    command.add_argument(
        "--clips",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="where to look for clips of --config that are not beside it; may be given several times",
    )
    command.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write a PNG for each event there, with zones and boxes (needs Pillow); paths of sinks begin there too",
    )
    command.add_argument("--events", type=Path, metavar="FILE", help="add events to this file, one line of JSON each")
    command.add_argument(
        "--json",
        action="store_true",
        help="one line of JSON for each event on the standard output, all else on the other",
    )
    command.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        metavar="realtime|2x|max",
        help="how fast files go by; max: as fast as frames are looked at, so that none is dropped (default: realtime)",
    )
    command.add_argument("--seconds", type=_seconds, metavar="N", help="stop after so many seconds of video")
    command.add_argument(
        "--confidence", type=float, metavar="SHARE", help="leave out what is less sure; 0..1 (default: 0.5)"
    )
    add_classes(command)
    command.add_argument(
        "--fps", type=float, metavar="N", help="frames to look at in a second of each SOURCE; 0: all (default: 1)"
    )
    command.add_argument(
        "--threads", type=_threads, metavar="N", help="threads that compute (default: one for each processor)"
    )
    add_provider(command)
    command.add_argument("--no-table", action="store_true", help="do not show how the cameras do meanwhile")
    command.set_defaults(run=run, parser=command, many="sources")


def _speed(text: str) -> float | None:
    if text == "realtime":
        return 1.0
    if text in ("max", "fastest"):
        return None
    try:
        times = float(text.removesuffix("x")) if text.endswith("x") else math.nan
    except ValueError:
        times = math.nan
    # NaN is in no range.
    if not 0.01 <= times <= 1000:
        raise argparse.ArgumentTypeError("write realtime, max, or 0.01x to 1000x")
    return times


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.001 <= seconds <= 1e9:
        raise argparse.ArgumentTypeError(f"{text} must be a number that lies in 0.001..1000000000")
    return seconds


def _threads(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"{text} must be a whole number that lies in 1..256")
    return int(text)


def run(given: argparse.Namespace) -> int:
    settings = setup.settings(given)
    if given.out is not None:
        need_pillow("--out")
        given.out.mkdir(parents=True, exist_ok=True)
    # JSON lines and a table that is redrawn do not go together on one terminal.
    live = not (given.json and sys.stdout.isatty())
    shown = screen(sys.stderr if given.json else sys.stdout, live=live, wanted=not given.no_table)
    sinks = {setup.outlet_name(one): setup.sink(one, given.out) for one in settings.sinks}
    if given.events is not None:
        sinks[EVENTS] = guarita.JsonLinesSink(given.events)
    pictures = None
    if given.out is not None:
        pictures = Pictures(given.out, {camera.id: camera.config.get("zones", ()) for camera in settings.cameras})
        sinks[PICTURES] = pictures
    threads = guarita.Threads(setup.threads(given, settings))
    # That number is in `threads`.
    config = {key: value for key, value in (settings.pipeline or {}).items() if key != "threads"}
    with (
        guarita.Detector(
            given.model, min_confidence=setup.confidence(settings), execution_provider=provider(given)
        ) as detector,
        guarita.LocalProvider(detector, threads=threads) as local,
        guarita.Pipeline(
            local,
            sinks=sinks,
            outlets={setup.outlet_name(one): one.outlet for one in settings.sinks},
            threads=threads,
            **cast("guarita.types.PipelineConfig", config),
        ) as pipeline,
    ):
        stop = threading.Event()
        feeds: dict[str, Feed] = {}
        for one in settings.cameras:
            feed = Feed(setup.add(pipeline, one), one.source, speed=given.speed, seconds=given.seconds, stop=stop)
            if pictures is not None:
                feed.keep(pictures.recent[one.id], lambda: _is_idle(pipeline, PICTURES))
            feeds[one.id] = feed
        many = f"{len(feeds)} camera{'s' if len(feeds) != 1 else ''}"
        engine = f"{detector.spec.family} on {detector.report['execution_provider']}"
        shown.note(f"{many}, {engine}, {threads.count} threads that compute; Ctrl-C ends it")
        return Session(pipeline, feeds, stop, shown, given.json, pictures).run()


def _is_idle(pipeline: guarita.Pipeline, sink: str) -> bool:
    """Whether it has all events that there are."""
    return not any(one["waiting"] or one["in_hand"] for one in pipeline.stats().outlets if one["name"] == sink)
