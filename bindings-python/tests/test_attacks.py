"""What a hostile or a careless host does: each of these once went wrong."""

from __future__ import annotations

import gc
import itertools
import os
import pathlib
import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import guarita
from scene import PLATE, until

TESTS = pathlib.Path(__file__).resolve().parent


def program(text: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs it in a process of its own, which is ended where it hangs."""
    command = [sys.executable, "-c", text, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=TESTS)


def looked_at(request: guarita.Request) -> list[guarita.Detections]:
    return [guarita.Detections(size=frame.size) for frame in request.frames]


def test_an_array_that_an_object_keeps_is_not_shared() -> None:
    class Keeps:
        def __init__(self) -> None:
            self.array = np.zeros((48, 64), np.uint8)

        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
            return self.array

    keeps = Keeps()
    frame = guarita.Frame(keeps)  # type: ignore[arg-type]
    keeps.array[:] = 9
    assert frame.numpy().max() == 0


def test_a_subclass_cannot_say_whose_the_memory_is() -> None:
    class Liar(np.ndarray[Any, Any]):
        @property
        def base(self) -> Any:
            return None

    memory = bytearray(48 * 64)
    array = np.frombuffer(memory, np.uint8).reshape(48, 64).view(Liar)
    array.flags.writeable = False
    frame = guarita.Frame(array)
    memory[0] = 9
    assert frame.numpy()[0, 0] == 0


def test_lists_that_hold_themselves_twice_and_lists_without_an_end() -> None:
    twice: list[Any] = ["x"]
    for _ in range(40):
        twice = [twice, twice]
    for endless in (twice, itertools.count(), range(10**12)):
        with pytest.raises(guarita.InvalidConfig, match="labels: more than"):
            guarita.check_config("CameraConfig", {"id": "a", "labels": endless})
    with pytest.raises(guarita.InvalidConfig, match="over 1024 corners"):
        guarita.Polygon(itertools.repeat((0.5, 0.5)))


def test_what_a_config_s_value_raises_is_not_lost() -> None:
    class Path:
        def __fspath__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guarita.check_config("CameraConfig", {"id": Path()})


def test_a_value_of_another_type_is_named() -> None:
    with pytest.raises(guarita.InvalidConfig, match="^fps: invalid type"):
        _camera(fps="x")
    with pytest.raises(guarita.InvalidConfig, match="^threads: "):
        with guarita.CallbackProvider(looked_at) as provider:
            guarita.Pipeline(provider, threads=-1)


def _camera(**config: Any) -> None:
    with guarita.CallbackProvider(looked_at) as provider, guarita.Pipeline(provider) as pipeline:
        pipeline.add_camera("a", **config)


def test_a_camera_keeps_its_name() -> None:
    with guarita.CallbackProvider(looked_at) as provider, guarita.Pipeline(provider) as pipeline:
        camera = pipeline.add_camera("a")
        with pytest.raises(guarita.InvalidConfig, match="keeps its name"):
            camera.update(id="b")  # type: ignore[call-arg]
        camera.update(fps=3.0)
        assert camera.config["fps"] == 3.0


def test_equal_polygons_have_one_hash() -> None:
    one, other = (guarita.Polygon([(zero, 0), (1, 0), (1, 1)]) for zero in (0.0, -0.0))
    assert one == other and hash(one) == hash(other)


class OwnError(guarita.Unavailable):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"{host}:{port} is away", context={"port": port})
        self.host = host


def test_errors_of_the_host_s_own_classes_survive_pickling() -> None:
    error = OwnError("gate", 554)
    if sys.version_info >= (3, 11):
        error.add_note("at night")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is OwnError and str(again) == str(error)
    assert (again.host, again.context, again.advice) == ("gate", {"port": 554}, "RetryLater")
    assert getattr(again, "__notes__", None) == getattr(error, "__notes__", None)


def test_numbers_of_other_libraries_exceptions_mean_nothing() -> None:
    class DriverError(Exception):
        number = 10

    def raises(request: guarita.Request) -> list[guarita.Detections]:
        raise DriverError("table is locked")

    with guarita.CallbackProvider(raises) as provider, pytest.raises(guarita.Internal, match="DriverError"):
        provider.detect(PLATE)


class Keeper:
    """Holds what calls it back."""

    held: Any

    def look(self, request: guarita.Request) -> list[guarita.Detections]:
        return looked_at(request)

    def hear(self, news: object) -> None:
        raise ValueError(news)


MADE: dict[str, Callable[[Keeper], object]] = {
    "callback": lambda keeper: guarita.CallbackProvider(keeper.look),
    "breaker": lambda keeper: guarita.CircuitBreaker(listener=keeper.hear),
    "hybrid": lambda keeper: guarita.HybridProvider(
        guarita.CallbackProvider(looked_at), guarita.CallbackProvider(looked_at), listener=keeper.hear
    ),
}


@pytest.mark.parametrize("kind", MADE)
def test_what_holds_and_is_held_is_collected(kind: str) -> None:
    keeper = Keeper()
    keeper.held = MADE[kind](keeper)
    seen = weakref.ref(keeper)
    del keeper
    until(lambda: gc.collect() >= 0 and seen() is None, "the end of what holds itself")


def test_a_provider_that_a_pipeline_has_is_not_collected() -> None:
    keeper = Keeper()
    keeper.held = guarita.CallbackProvider(keeper.look)
    answers: list[guarita.FrameResult] = []
    with guarita.Pipeline(keeper.held, on_result=answers.append) as pipeline:
        del keeper
        gc.collect()
        pipeline.add_camera("a", motion=False).push(PLATE, pts=0.0)
        until(lambda: answers, "an answer")


CLOSED = """
import asyncio, faulthandler, sys, threading
import numpy, guarita
faulthandler.dump_traceback_later(40, exit=True)
picture = numpy.zeros((48, 64, 3), "uint8")
for _ in range(40):
    detector = guarita.Detector(sys.argv[1])
    begun = threading.Event()
    async def ask():
        try:
            while True:
                await asyncio.gather(*(detector.detect_async(picture) for _ in range(5)))
                begun.set()
        except guarita.GuaritaError:
            pass
    def use():
        try:
            while True:
                detector.detect(picture)
        except guarita.GuaritaError:
            pass
    threads = [threading.Thread(target=use) for _ in range(2)]
    threads += [threading.Thread(target=lambda: asyncio.run(ask())) for _ in range(2)]
    for thread in threads:
        thread.start()
    begun.wait(10)
    detector.close()
    for thread in threads:
        thread.join()
print("all ended")
"""


def test_a_detector_is_closed_while_coroutines_ask_it(fixtures: pathlib.Path) -> None:
    done = program(CLOSED, fixtures / "v8_nc1.onnx")
    assert done.returncode == 0 and "all ended" in done.stdout, done.stderr


FORKED = """
import os, guarita, numpy
children = []
def look(request):
    children.append(os.fork())
    return [guarita.Detections(size=frame.size) for frame in request.frames]
with guarita.CallbackProvider(look) as provider:
    provider.detect(numpy.zeros((48, 64), "uint8"))
    print(os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]))
"""


def test_a_child_that_comes_back_from_a_callable_ends() -> None:
    done = program(FORKED)
    assert done.stdout == "1\n" and "forked inside of a callable" in done.stderr, done


INTERRUPTED = """
import os, signal, sys, threading, time
first = threading.Thread(target=lambda: __import__("guarita"))
first.start()
first.join()
import guarita, numpy
call = sys.argv[1]
def wait(request):
    time.sleep(20)
    return [guarita.Detections(size=frame.size) for frame in request.frames]
pipeline = guarita.Pipeline(guarita.CallbackProvider(wait))
pipeline.add_camera("a", motion=False).push(numpy.zeros((48, 64), "uint8"))
calls = {
    "shutdown": lambda: pipeline.shutdown(15),
    "open": lambda: guarita.Frame.open(sys.argv[2]),
    "batch": lambda: detector.detect_batch([picture] * 200_000),
}
picture = guarita.Frame(numpy.zeros((48, 64), "uint8"))
detector = guarita.Detector(sys.argv[3])
detector.detect(picture), detector.detect(picture)
def interrupt():
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
begun = time.monotonic()
try:
    calls[call]()
except KeyboardInterrupt:
    print("interrupted" if time.monotonic() - begun < 8 else "late", flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("call", ["shutdown", "open", "batch"])
def test_ctrl_c_ends_a_wait_whoever_imported_guarita(call: str, tmp_path: pathlib.Path, fixtures: pathlib.Path) -> None:
    pipe = tmp_path / "picture.jpg"
    os.mkfifo(pipe)
    done = program(INTERRUPTED, call, pipe, fixtures / "v8_nc1.onnx")
    assert done.stdout == "interrupted\n", done
