"""How programs end that did not end their pipelines, and what a fork leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

#: A pipeline with a camera and a frame on its way; every part of it is there in a script below.
BEGIN = """
import asyncio, os, sys, threading, time
import guarita
from scene import *
detector = guarita.Detector(MODEL, min_confidence=0.1)
provider = guarita.LocalProvider(detector)
came = threading.Event()
"""


def run(script: str, fixtures: Path, expected: int = 0, limit: float = 30.0) -> subprocess.CompletedProcess[str]:
    begin = BEGIN.replace("MODEL", repr(str(fixtures / "v8_nc1.onnx")))
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", begin + script],
        capture_output=True,
        text=True,
        timeout=limit,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    assert done.returncode == expected, (done.returncode, done.stdout, done.stderr)
    assert time.monotonic() - started < limit
    return done


@pytest.mark.parametrize(
    ("script", "code"),
    [
        pytest.param("", 0, id="falls off the end"),
        pytest.param("sys.exit(5)", 5, id="sys.exit"),
        pytest.param("raise ZeroDivisionError", 1, id="an exception"),
        pytest.param("del pipeline, camera; provider.close()", 0, id="lets go"),
        pytest.param("guarita.kept = (pipeline, camera, stream, provider)", 0, id="kept by a module"),
        pytest.param("camera.own = None", 1, id="an attribute that is not there"),
    ],
)
def test_a_pipeline_that_nobody_closed(script: str, code: int, fixtures: Path) -> None:
    body = """
pipeline = guarita.Pipeline(provider, sinks={"own": lambda event: came.set()}, on_result=lambda result: None)
camera = pipeline.add_camera("gate", **PLAIN)
stream = pipeline.events()
push_plates(camera, 20)
assert came.wait(20)
push_plates(camera, 500, begin=100.0)
"""
    done = run(body + script, fixtures, code)
    assert ("Traceback" in done.stderr) == (code == 1), done.stderr


def test_what_waits_is_delivered_at_the_end(fixtures: Path, tmp_path: Path) -> None:
    told = tmp_path / "told.txt"
    script = f"""
def tell(event):
    time.sleep(0.002)
    with open({str(told)!r}, "a") as file: file.write(f"{{event.pts}}\\n")
pipeline = guarita.Pipeline(provider, sinks={{"own": tell}})
push_plates(pipeline.add_camera("gate", **PLAIN), 50)
"""
    run(script, fixtures)
    assert told.read_text().splitlines() == [str(float(k)) for k in range(50)]


@pytest.mark.parametrize(
    "hang",
    [
        pytest.param("time.sleep(600)", id="sleeps"),
        pytest.param("\n    while True: time.sleep(0.001)", id="sleeps again and again"),
        pytest.param("\n    while True: pass", id="computes"),
        pytest.param("threading.Lock().acquire() and threading.Event().wait()", id="waits for an event"),
    ],
)
@pytest.mark.parametrize("how", ["sinks={'own': told}", "on_result=told", "triggers={'own': told}"])
def test_code_of_the_host_that_hangs_does_not_keep_the_process(hang: str, how: str, fixtures: Path) -> None:
    script = f"""
def told(_):
    came.set()
    {hang}
pipeline = guarita.Pipeline(provider, {how})
camera = pipeline.add_camera("gate", **{{**PLAIN, "host_triggers": ["own"] if "triggers" in {how!r} else []}})
push_plates(camera, 3)
assert came.wait(20)
sys.exit(7)
"""
    run(script, fixtures, 7)


def test_a_sink_that_leaves_leaves_nobody(fixtures: Path) -> None:
    script = """
def leaves(event):
    came.set()
    sys.exit(9)
pipeline = guarita.Pipeline(provider, sinks={"own": leaves})
push_plates(pipeline.add_camera("gate", **PLAIN), 1)
assert came.wait(20)
until(lambda: outlet(pipeline, "own")["failed"] == 1)
print("here")
"""
    assert run(script, fixtures).stdout == "here\n"


def test_a_loop_in_a_daemon_thread(fixtures: Path) -> None:
    script = """
pipeline = guarita.Pipeline(provider)
camera = pipeline.add_camera("gate", **PLAIN)
async def main():
    async for event in pipeline.events():
        came.set()
threading.Thread(target=asyncio.run, args=(main(),), daemon=True).start()
def push():
    k = 0
    while True:
        camera.push(PLATE if k % 2 else NOTHING, pts=k / 10)
        k += 1
        time.sleep(0.001)
threading.Thread(target=push, daemon=True).start()
def read():
    for event in pipeline.events(): pass
threading.Thread(target=read, daemon=True).start()
assert came.wait(20)
print("here")
"""
    assert run(script, fixtures).stdout == "here\n"


def test_a_loop_that_ends_by_an_exception(fixtures: Path) -> None:
    script = """
async def main():
    pipeline = guarita.Pipeline(provider)
    camera = pipeline.add_camera("gate", **PLAIN)
    async def read():
        async for event in pipeline.events():
            raise ValueError("on purpose")
    task = asyncio.ensure_future(read())
    await asyncio.sleep(0)
    push_plates(camera, 50)
    await task
asyncio.run(main())
"""
    assert "on purpose" in run(script, fixtures, 1).stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_a_program_that_reads_events(fixtures: Path) -> None:
    script = """
import signal
pipeline = guarita.Pipeline(provider)
camera = pipeline.add_camera("gate", **PLAIN)
threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
for event in pipeline.events(): pass
"""
    assert "KeyboardInterrupt" in run(script, fixtures, -signal.SIGINT).stderr


CHILD = """
def refused(call):
    try:
        call()
    except guarita.InvalidState as error:
        assert "fork" in str(error), error
    else:
        raise AssertionError(call)
async def anext_of():
    await stream.__anext__()
def child():
    for call in (
        pipeline.stats, pipeline.health, pipeline.metrics, pipeline.checkpoint, pipeline.shutdown, pipeline.events,
        pipeline.pause, lambda: pipeline.add_camera("x"), lambda: pipeline.camera("gate"), lambda: pipeline.cameras,
        lambda: pipeline.run_file("x.mp4", "x"), camera.stats, camera.remove, lambda: camera.push(PLATE),
        lambda: camera.update(fps=1), lambda: camera.explain(), lambda: next(stream), lambda: stream.get(0),
        lambda: stream.waiting, lambda: asyncio.run(anext_of()),
    ):
        refused(call)
    repr(pipeline), repr(camera), repr(stream), pipeline.closed
    pipeline.close()
    stream.close()
    # And a new one works.
    with guarita.Pipeline(guarita.LocalProvider(detector)) as own:
        push_plates(own.add_camera("gate", **PLAIN), 2)
    assert own.stats().account.analysed == 4
pipeline = guarita.Pipeline(provider, sinks={"own": lambda event: came.set()})
camera = pipeline.add_camera("gate", **PLAIN)
stream = pipeline.events()
push_plates(camera, 20)
assert came.wait(20)
push_plates(camera, 500, begin=100.0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("end", ["sys.exit(0)", "del pipeline, camera, stream; sys.exit(0)", "os._exit(0)", "pass"])
def test_a_child_of_a_fork_ends_cleanly(end: str, fixtures: Path) -> None:
    script = f"""
pid = os.fork()
if pid == 0:
    with pipeline, stream:
        child()
    {end}
    sys.exit(0)
_, status = os.waitpid(pid, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
push_plates(camera, 5, begin=1000.0)
pipeline.close()
print(pipeline.stats().account.pushed)
"""
    assert run(CHILD + script, fixtures, limit=60).stdout == "1050\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_multiprocessing_forks_while_frames_are_on_their_way(fixtures: Path) -> None:
    script = """
import multiprocessing
workers = [multiprocessing.get_context("fork").Process(target=child) for _ in range(4)]
for worker in workers: worker.start()
for worker in workers:
    worker.join(40)
    assert worker.exitcode == 0, worker.exitcode
pipeline.close()
"""
    run(CHILD + script, fixtures, limit=90)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_recording_of_before_the_fork(fixtures: Path, repository: Path) -> None:
    ffmpeg = os.environ.get("GUARITA_FFMPEG") or str(repository / ".ffmpeg")
    if not Path(ffmpeg).exists():
        pytest.skip("no ffmpeg: set GUARITA_FFMPEG")
    script = f"""
import subprocess, tempfile
clip = os.path.join(tempfile.mkdtemp(), "clip.avi")
subprocess.run([{ffmpeg!r}, "-v", "error", "-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=20", "-c:v", "mjpeg", clip], check=True)
source = guarita.VideoSource(clip, ffmpeg={ffmpeg!r})
next(source)
pid = os.fork()
if pid == 0:
    for call in (lambda: next(source), lambda: source.closed):
        try:
            call()
        except guarita.InvalidState as error:
            assert "fork" in str(error)
        else:
            raise AssertionError
    source.close()
    with guarita.VideoSource(clip, ffmpeg={ffmpeg!r}) as own:
        assert len(list(own)) == 500
    sys.exit(0)
_, status = os.waitpid(pid, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
print(1 + len(list(source)))
"""
    assert run(script, fixtures, limit=60).stdout == "500\n"


#: A model that takes a while, so that the process ends in the middle of it.
ASYNC = """
detector = guarita.Detector(SLOW)
async def looks():
    under_way = [asyncio.ensure_future(detector.detect_async(PLATE)) for _ in range(40)]
    await under_way[0]
    sys.exit(4)
asyncio.run(looks())
"""
THREADS = """
detector = guarita.Detector(SLOW)
def looks():
    while True:
        detector.detect(PLATE)
        came.set()
for _ in range(4):
    threading.Thread(target=looks, daemon=True).start()
assert came.wait(20)
sys.exit(4)
"""


@pytest.mark.parametrize("script", [pytest.param(ASYNC, id="async"), pytest.param(THREADS, id="threads")])
def test_looks_in_flight_when_the_process_ends(script: str, model: str, fixtures: Path) -> None:
    for _ in range(10):
        assert run(script.replace("SLOW", repr(model)), fixtures, expected=4).stderr == ""
