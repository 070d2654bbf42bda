"""`manage.py watch`: cameras or recordings through a pipeline, and their events into the database."""

from __future__ import annotations

import queue
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import guarita
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from detections.cameras import CameraSource, read
from detections.writer import Events, Writer


class Command(BaseCommand):
    help = "Watches cameras or recordings and stores their events. Ctrl-C ends it when what was seen is stored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", nargs="?", help="a recording, or an address such as rtsp://…")
        parser.add_argument("--camera", default="camera", help="the name of the camera of SOURCE")
        parser.add_argument("--cameras", type=Path, help="a TOML or JSON file with cameras, in place of SOURCE")
        parser.add_argument(
            "--model", default=settings.GUARITA_MODEL, help="an ONNX file; default MODEL of the environment"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        if (options["source"] is None) == (options["cameras"] is None):
            raise CommandError("give a SOURCE, or --cameras FILE")
        try:
            if options["cameras"]:
                cameras = read(options["cameras"])
            else:
                cameras = [CameraSource(options["camera"], options["source"])]
            provider = guarita.LocalProvider(guarita.Detector(options["model"]))
        except (OSError, ValueError, guarita.GuaritaError) as error:
            raise CommandError(str(error)) from error

        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: stop.set())

        events: Events = queue.Queue(maxsize=1000)
        writer = Writer(events, self.stderr.write)
        # The database is this thread's affair alone; the pipeline has threads of its own.
        work = Work(cameras, provider, events, stop, lambda line: self.stderr.write(f"{line}, {writer.new} stored"))
        work.start()
        try:
            writer.run()
        finally:
            stop.set()
            while work.is_alive():  # only where the database failed is anything left, and nobody can store it
                try:
                    events.get(timeout=0.1)
                except queue.Empty:
                    pass
        self.stdout.write(f"{writer.taken} events, {writer.new} of them new; {work.account}")
        if work.faults:
            raise CommandError("; ".join(work.faults))


class Work(threading.Thread):
    """The cameras through a pipeline, until all end or `stop` is set; then `None` into `events`."""

    def __init__(
        self,
        cameras: list[CameraSource],
        provider: guarita.Provider,
        events: Events,
        stop: threading.Event,
        progress: Any,
    ) -> None:
        super().__init__(name="watch")
        self._cameras, self._provider, self._events = cameras, provider, events
        self._stop_asked, self._progress = stop, progress
        self.faults: list[str] = []
        self.account = ""

    def run(self) -> None:
        try:
            # A sink that waits for room holds up no camera; more than `capacity` events behind it are dropped and counted.
            sinks = {"database": self._events.put}
            with guarita.Pipeline(self._provider, sinks=sinks, outlets={"database": {"capacity": 100_000}}) as pipeline:
                with ThreadPoolExecutor(len(self._cameras)) as pool:
                    list(pool.map(lambda camera: self._watch(pipeline, camera), self._cameras))
                report = pipeline.shutdown(60)
            self.account = f"{report.account.pushed} frames, {report.account.analysed} looked at"
            for outlet in report.outlets:
                if outlet["dropped"] or outlet["failed"]:
                    self.faults.append(f"events were lost: {outlet}")
            if not report.drained:
                self.faults.append(f"not everything had ended after a minute: {report.hanging}")
        except Exception as error:
            self.faults.append(str(error))
        finally:
            self._events.put(None)

    def _watch(self, pipeline: guarita.Pipeline, camera: CameraSource) -> None:
        try:
            if camera.is_stream:
                self._stream(pipeline, camera)
            else:
                self._recording(pipeline, camera)
        except guarita.GuaritaError as error:
            self.faults.append(f"{camera.id}: {error}")

    def _recording(self, pipeline: guarita.Pipeline, camera: CameraSource) -> None:
        def progress(chunk: guarita.ChunkReport) -> bool:
            of = f" of {chunk.duration:.0f}" if chunk.duration else ""
            self._progress(f"{camera.id}: {chunk.end:.0f}{of} s at {chunk.speed:.1f}x")
            return not self._stop_asked.is_set()

        epoch = int(camera.recorded_at.timestamp()) if camera.recorded_at else None
        summary = pipeline.run_file(
            camera.source, camera.id, chunk=5, progress=progress, **{"epoch_s": epoch, **camera.config}
        )
        if summary.error is not None:
            self.faults.append(f"{camera.id}: {summary.error}")

    def _stream(self, pipeline: guarita.Pipeline, camera: CameraSource) -> None:
        entry = pipeline.add_camera(camera.id, **camera.config)
        with guarita.VideoSource(camera.source, camera=camera.id, fps=camera.config.get("fps", 1) or None) as video:
            for frame in video:
                if self._stop_asked.is_set():
                    return
                entry.push(frame)
