"""Recordings: frame by frame, and through a pipeline."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import guarita
from scene import PATIENCE, PLAIN


def damaged(clip: Path, folder: Path) -> Path:
    """Something was written over the middle of it."""
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 5000] = bytes(range(250)) * 20
    path = folder / "damaged.avi"
    path.write_bytes(data)
    return path


@pytest.fixture
def alarm() -> Iterator[None]:
    """A timer's signal is Ctrl-C."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_frames_with_their_times(clip: Path, ffmpeg: str) -> None:
    with guarita.VideoSource(clip, format="rgb8", camera="yard", ffmpeg=ffmpeg) as source:
        assert source.size == (96, 96) and source.frame_rate == 10 and source.program == ffmpeg
        assert source.duration is not None and abs(source.duration - 10) < 0.2
        frames = list(source)
        assert source.closed and next(source, None) is None
    assert [round(frame.pts, 3) for frame in frames] == [k / 10 for k in range(100)]
    assert [frame.seq for frame in frames] == list(range(100)) and {frame.camera for frame in frames} == {"yard"}
    assert frames[5].numpy()[..., 0].mean() < 10 and frames[15].numpy()[..., 0].mean() > 200
    assert frames[0].numpy().shape == (96, 96, 3) and "clip.avi" in repr(source)


def test_a_source_is_closed_early_and_from_elsewhere(clip: Path, ffmpeg: str) -> None:
    source = guarita.VideoSource(clip, ffmpeg=ffmpeg)
    next(source)
    closer = threading.Thread(target=source.close)
    closer.start()
    closer.join(PATIENCE)
    assert source.closed and list(source) == []
    source.close()


def test_what_cannot_be_opened(clip: Path, ffmpeg: str, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    wrong: list[tuple[Any, dict[str, Any], type[guarita.GuaritaError]]] = [
        (tmp_path / "nothing.mp4", {}, guarita.NotFound),
        (text, {}, guarita.DataCorrupt),
        (tmp_path, {}, guarita.InvalidArgument),
        (clip, {"fps": 0}, guarita.InvalidConfig),
        (clip, {"width": -3}, guarita.InvalidConfig),
        (clip, {"speed": 3}, guarita.InvalidConfig),
        (clip, {"max_pixels": 100}, guarita.ResourceExhausted),
        (clip, {"ffmpeg": tmp_path / "no-ffmpeg"}, guarita.RuntimeUnavailable),
    ]
    for path, config, error in wrong:
        with pytest.raises(error):
            guarita.VideoSource(path, **{"ffmpeg": ffmpeg, **config})
    with pytest.raises(TypeError):
        guarita.VideoSource(7)  # type: ignore[arg-type]


def test_a_damaged_file_gives_what_there_is_and_an_error(clip: Path, ffmpeg: str, tmp_path: Path) -> None:
    cut = damaged(clip, tmp_path)
    frames = []
    with pytest.raises(guarita.DataCorrupt):
        for frame in guarita.VideoSource(cut, ffmpeg=ffmpeg):
            frames.append(frame)
    assert 0 < len(frames) < 100


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize("when", ["opening", "reading"])
def test_ctrl_c_ends_the_wait_for_a_frame(when: str, clip: Path, ffmpeg: str, tmp_path: Path, alarm: None) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    data = clip.read_bytes() if when == "reading" else b""

    def write() -> None:
        with open(pipe, "wb") as file:
            try:
                file.write(data[: len(data) // 2])
                file.flush()
                written.set()
                done.wait(PATIENCE)
            except BrokenPipeError:
                written.set()

    written, done = threading.Event(), threading.Event()
    writer = threading.Thread(target=write)
    writer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            if when == "opening":
                signal.setitimer(signal.ITIMER_REAL, 0.5)
            source = guarita.VideoSource(pipe, ffmpeg=ffmpeg)
            # What there is, and then nothing more.
            signal.setitimer(signal.ITIMER_REAL, 2.0)
            begun = time.monotonic()
            for _ in source:
                pass
        if when == "reading":
            assert time.monotonic() - begun < 2.0 + 1.0
            source.close()
    finally:
        done.set()
        writer.join(PATIENCE)


def test_a_recording_goes_through_a_pipeline(pipeline: guarita.Pipeline, clip: Path, ffmpeg: str) -> None:
    chunks: list[guarita.ChunkReport] = []
    threads: set[int] = set()
    stream = pipeline.events()

    def progress(chunk: guarita.ChunkReport) -> None:
        chunks.append(chunk)
        threads.add(threading.get_ident())

    source: Any = {"ffmpeg": ffmpeg, "format": "rgb8"}
    summary = pipeline.run_file(clip, "yard", source=source, chunk=2.5, progress=progress, **PLAIN)
    assert (summary.end, summary.error, summary.chunks) == ("complete", None, 4)
    assert summary.account.outcomes == {"analysed": 100} and summary.account.in_flight == 0
    assert summary.events == 5 and summary.position is not None and round(summary.position, 1) == 9.9
    assert summary.speed > 0 and summary.duration is not None
    assert [chunk.number for chunk in chunks] == [0, 1, 2, 3] and threads == {threading.get_ident()}
    assert sum(chunk.account.pushed for chunk in chunks) == 100 and sum(chunk.events for chunk in chunks) == 5
    assert (round(chunks[1].begin, 1), round(chunks[1].end, 1)) == (2.5, 4.9)
    assert [round(stream.get(PATIENCE).pts) for _ in range(5)] == [1, 3, 5, 7, 9]
    assert pipeline.cameras == [] and summary.to_dict()["end"] == "complete" and chunks[0].to_dict()["number"] == 0


def test_progress_stops_a_run(pipeline: guarita.Pipeline, clip: Path, ffmpeg: str) -> None:
    source: Any = {"ffmpeg": ffmpeg}
    summary = pipeline.run_file(clip, "yard", source=source, chunk=1, progress=lambda chunk: chunk.number < 2, **PLAIN)
    assert summary.end == "stopped" and summary.chunks == 3 and summary.account.balances
    assert 30 <= summary.account.pushed < 60 and summary.account.in_flight == 0

    def broken(chunk: guarita.ChunkReport) -> None:
        raise ZeroDivisionError("on purpose")

    with pytest.raises(ZeroDivisionError, match="on purpose"):
        pipeline.run_file(clip, "yard", source=source, chunk=1, progress=broken, **PLAIN)
    assert pipeline.cameras == []


def test_ctrl_c_ends_a_run_in_the_middle_of_a_chunk(
    pipeline: guarita.Pipeline, clip: Path, ffmpeg: str, alarm: None
) -> None:
    pipeline.pause()  # So that the run waits for room for ever.
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        pipeline.run_file(clip, "yard", source={"ffmpeg": ffmpeg}, **PLAIN)
    assert time.monotonic() - begun < 1.0 + 1.0
    end = time.monotonic() + PATIENCE
    while pipeline.cameras:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert pipeline.stats().account.balances


def test_a_damaged_recording_breaks_off(pipeline: guarita.Pipeline, clip: Path, ffmpeg: str, tmp_path: Path) -> None:
    cut = damaged(clip, tmp_path)
    summary = pipeline.run_file(cut, "yard", source={"ffmpeg": ffmpeg}, **PLAIN)
    assert summary.end == "broken" and isinstance(summary.error, guarita.DataCorrupt)
    assert summary.account.analysed > 0 and summary.account.in_flight == 0
    assert "frames" in str(summary.error) and summary.to_dict()["error"] == str(summary.error)


def test_wrong_runs(pipeline: guarita.Pipeline, clip: Path, ffmpeg: str) -> None:
    pipeline.add_camera("gate")
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("gate", {}, "gate"),
        ("", {}, "id"),
        ("yard", {"chunk": 0}, "chunk_s"),
        ("yard", {"in_flight": 0}, "in_flight"),
        ("yard", {"patience": -1}, "patience_s"),
        ("yard", {"fps": -1}, "fps"),
        ("yard", {"source": {"width": 1}}, "width"),
        ("yard", {"source": {"speed": 1}}, "speed"),
    ]
    for camera, kwargs, word in wrong:
        kwargs["source"] = {"ffmpeg": ffmpeg, **kwargs.get("source", {})}
        with pytest.raises(guarita.InvalidConfig, match=word):
            pipeline.run_file(clip, camera, **kwargs)
    with pytest.raises(guarita.NotFound):
        pipeline.run_file(clip.parent / "nothing.mp4", "yard")
    pipeline.close()
    with pytest.raises(guarita.InvalidState):
        pipeline.run_file(clip, "yard", source={"ffmpeg": ffmpeg})


def test_the_program_of_an_installed_package_is_found(tmp_path: Path) -> None:
    """By a service that is started by its path, with no environment that is active."""
    pytest.importorskip("imageio_ffmpeg")
    script = "import guarita._runtime as runtime; print(runtime.ffmpeg())"
    bare = {"PATH": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", script], env=bare, capture_output=True, text=True, timeout=60)
    assert "imageio_ffmpeg" in found.stdout and Path(found.stdout.strip()).is_file(), found.stderr
    named = {**bare, "GUARITA_FFMPEG": "/somewhere/ffmpeg"}
    found = subprocess.run([sys.executable, "-c", script], env=named, capture_output=True, text=True, timeout=60)
    assert found.stdout.strip() == "None"
