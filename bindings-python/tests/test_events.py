"""Events: streams, sinks and the code of the host's that is told."""

from __future__ import annotations

import asyncio
import datetime
import json
import queue
import signal
import sys
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import guarita
from scene import PATIENCE, PLAIN, PLATE, outlet, push_plates, until


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What `sys.unraisablehook` was told."""
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: told.append(args.exc_value))
    yield told


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(asyncio.ensure_future(main()), 2 * PATIENCE)

    asyncio.run(bounded())


def test_an_event_says_what_happened(provider: guarita.LocalProvider) -> None:
    with guarita.Pipeline(provider) as pipeline:
        with pipeline.events() as stream:
            trigger = {**PLAIN["triggers"][0], "picture": "crop"}
            camera = pipeline.add_camera("gate", **{**PLAIN, "triggers": [trigger], "epoch_s": 1_700_000_000})
            camera.push(PLATE, pts=1.5)
            event = stream.get(PATIENCE)
    assert (event.camera, event.trigger, event.pts, event.zone, event.size) == ("gate", "seen", 1.5, None, (96, 96))
    assert event.time == datetime.datetime(2023, 11, 14, 22, 13, 21, tzinfo=datetime.timezone.utc)
    assert len(event.id) == 32 and int(event.id, 16) and "plate" in event.why
    (found,) = event.objects
    assert found.detection.label == "plate" and found.sightings == 1 and found.since == 1.5 and found.id >= 0
    assert found.to_dict()["label"]["name"] == "plate"
    assert event.picture is not None and event.picture.jpeg.startswith(b"\xff\xd8")
    assert guarita.Frame(event.picture.jpeg).size == (event.picture.region.width, event.picture.region.height)
    told = json.loads(json.dumps(event.to_dict()))
    assert told["id"] == event.id and told["pts_ns"] == 1_500_000_000 and told["picture"]["jpeg_base64"]
    assert "gate" in repr(event)


def test_a_loop_over_events_ends_with_the_pipeline(provider: guarita.LocalProvider) -> None:
    with guarita.Pipeline(provider) as pipeline:
        stream = pipeline.events()
        read: list[float] = []
        reader = threading.Thread(target=lambda: read.extend(event.pts for event in stream))
        reader.start()
        push_plates(pipeline.add_camera("gate", **PLAIN), 50)
    reader.join(PATIENCE)
    assert not reader.is_alive() and read == [float(k) for k in range(50)]
    assert stream.closed and stream.dropped == 0 and list(stream) == []
    with pytest.raises(guarita.Cancelled):
        stream.get(0)


def test_each_stream_has_all_events_from_its_beginning(pipeline: guarita.Pipeline) -> None:
    camera = pipeline.add_camera("gate", **PLAIN)
    early = pipeline.events()
    push_plates(camera, 3)
    until(lambda: early.waiting == 3)
    late, small = pipeline.events(), pipeline.events(capacity=2)
    push_plates(camera, 5, begin=10.0)
    until(lambda: late.waiting == 5 and small.waiting + small.dropped == 5)
    assert early.waiting == 8 and (small.waiting, small.dropped) == (2, 3)
    assert [event.pts for event in (small.get(0), small.get(0))] == [13.0, 14.0]
    with pytest.raises(guarita.DeadlineExceeded):
        small.get(datetime.timedelta(milliseconds=20))
    early.close()
    early.close()
    assert early.closed and early.waiting == 0 and next(early, None) is None
    with pytest.raises(guarita.InvalidState):
        early.get()
    assert late.get().pts == 10.0


def test_wrong_arguments_of_streams(pipeline: guarita.Pipeline) -> None:
    for capacity in (0, 10**7):
        with pytest.raises(guarita.InvalidArgument, match="capacity"):
            pipeline.events(capacity)
    stream = pipeline.events()
    wrong: list[Any] = [-1, float("nan"), "soon"]
    for timeout in wrong:
        with pytest.raises(guarita.InvalidArgument, match="timeout"):
            stream.get(timeout)
    with pytest.raises(guarita.InvalidState, match="loop"):
        next(stream.__anext__().__await__())


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer signals")
def test_ctrl_c_ends_the_wait_for_an_event(pipeline: guarita.Pipeline) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        waits: list[Callable[[], object]] = [
            lambda: next(pipeline.events()),
            lambda: pipeline.events().get(PATIENCE),
        ]
        for wait in waits:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            begun = time.monotonic()
            with pytest.raises(KeyboardInterrupt):
                wait()
            assert time.monotonic() - begun < 2.0
    finally:
        signal.signal(signal.SIGALRM, before)


def test_asyncio_reads_events(provider: guarita.LocalProvider) -> None:
    pipeline = guarita.Pipeline(provider)
    camera = pipeline.add_camera("gate", **PLAIN)
    read: list[float] = []

    async def main() -> None:
        threads = threading.active_count()
        stream = pipeline.events()

        async def consume() -> None:
            async for event in stream:
                read.append(event.pts)

        tasks = [asyncio.ensure_future(consume()) for _ in range(3)]
        for k in range(30):
            push_plates(camera, 1, begin=float(k))
            # So that some events come while all wait, and some do not.
            await asyncio.sleep(0.01 if k % 3 else 0)
        assert threading.active_count() == threads
        await asyncio.get_running_loop().run_in_executor(None, pipeline.close)
        await asyncio.gather(*tasks)
        assert stream.closed

    run(main)
    assert sorted(read) == [float(k) for k in range(30)]


def test_a_waiter_that_is_cancelled_loses_no_event(pipeline: guarita.Pipeline) -> None:
    camera = pipeline.add_camera("gate", **PLAIN)

    async def main() -> None:
        stream = pipeline.events()
        # Before it comes.
        for _ in range(20):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(stream.__anext__(), 0.001)
        push_plates(camera, 1)
        assert (await asyncio.wait_for(stream.__anext__(), PATIENCE)).pts == 0.0

        async def read() -> guarita.Event:
            return await stream.__anext__()

        for k in range(1, 21):
            # In the moment in which it comes: the future is done already, and its task has not gone on.
            task = asyncio.ensure_future(read())
            await asyncio.sleep(0)
            push_plates(camera, 1, begin=float(k))
            until(lambda: stream.waiting == 1)
            time.sleep(0.002)
            asyncio.get_running_loop().call_soon(task.cancel)
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await asyncio.wait_for(stream.__anext__(), PATIENCE)).pts == float(k)
        stream.close()
        with pytest.raises(StopAsyncIteration):
            await stream.__anext__()

    run(main)


def test_one_stream_in_loops_one_after_the_other(pipeline: guarita.Pipeline) -> None:
    camera = pipeline.add_camera("gate", **PLAIN)
    stream = pipeline.events()

    async def main() -> None:
        # Left behind when its loop ends.
        waiting = asyncio.ensure_future(stream.__anext__())
        await asyncio.sleep(0)
        del waiting
        push_plates(camera, 1)

    async def rest() -> None:
        push_plates(camera, 1, begin=10.0)
        read = [(await asyncio.wait_for(stream.__anext__(), PATIENCE)).pts]
        if read == [0.0]:
            read.append((await asyncio.wait_for(stream.__anext__(), PATIENCE)).pts)
        assert read[-1] == 10.0

    run(main)
    run(rest)


def test_sinks_of_the_host(provider: guarita.LocalProvider) -> None:
    told: queue.SimpleQueue[guarita.Event] = queue.SimpleQueue()
    names: set[str] = set()

    def sink(event: guarita.Event) -> str:
        names.add(threading.current_thread().name)
        told.put(event)
        return "what a sink gives is not looked at"

    with guarita.Pipeline(provider, sinks={"own": sink}) as pipeline:
        push_plates(pipeline.add_camera("gate", **PLAIN), 5)
        assert [told.get(timeout=PATIENCE).pts for _ in range(5)] == [0.0, 1.0, 2.0, 3.0, 4.0]
        until(lambda: outlet(pipeline, "own")["delivered"] == 5)
    assert threading.current_thread().name not in names


def test_code_of_the_host_keeps_its_thread(provider: guarita.LocalProvider) -> None:
    """What it keeps by thread, such as the connection to a database, is there at the next call, and let go at the end."""

    class Connection:
        pass

    local = threading.local()
    made: list[weakref.ref[Connection]] = []
    used: list[int] = []

    def connect(_: object) -> None:
        if not hasattr(local, "connection"):
            local.connection = Connection()
            made.append(weakref.ref(local.connection))
        used.append(threading.get_ident())

    def trigger(scene: guarita.Scene) -> None:
        connect(scene)

    with guarita.Pipeline(
        provider, sinks={"own": connect}, triggers={"trigger": trigger}, on_result=connect
    ) as pipeline:
        push_plates(pipeline.add_camera("gate", **{**PLAIN, "host_triggers": ["trigger"]}), 5)
        until(lambda: len(used) == 25)
        assert len(made) == 3 == len(set(used)) and all(connection() for connection in made)
    until(lambda: not any(connection() for connection in made), "the end of what the threads kept")


def test_a_sink_that_raises_is_reported_once_and_holds_up_nobody(
    provider: guarita.LocalProvider, unraisable: list[Any]
) -> None:
    told: list[str] = []
    tried: list[str] = []

    def broken(event: guarita.Event) -> None:
        raise KeyError("no such table")

    def leaves(event: guarita.Event) -> None:
        sys.exit(3)

    def late(event: guarita.Event) -> None:
        tried.append(event.id)
        if len(tried) < 3:
            raise (ConnectionError("refused"), TimeoutError())[len(tried) - 1]

    def busy(event: guarita.Event) -> None:
        raise guarita.DataCorrupt("not now", advice="RetryLater")

    sinks = {"broken": broken, "leaves": leaves, "late": late, "busy": busy, "log": lambda event: told.append(event.id)}
    retry: guarita.types.OutletConfig = {"retry": {"base_s": 0.001, "cap_s": 0.002, "attempts": 4}}
    with guarita.Pipeline(provider, sinks=sinks, outlets={"late": retry, "busy": retry}) as pipeline:
        push_plates(pipeline.add_camera("gate", **PLAIN), 1)
        for name, key, count in (
            ("broken", "failed", 1),
            ("leaves", "failed", 1),
            ("late", "delivered", 1),
            ("busy", "failed", 1),
            ("log", "delivered", 1),
        ):
            until(lambda: outlet(pipeline, name)[key] == count, name)
        assert "KeyError" in outlet(pipeline, "broken")["last_error"]["message"]
        assert "SystemExit" in outlet(pipeline, "leaves")["last_error"]["message"]
        assert (outlet(pipeline, "late")["retried"], len(set(tried)), len(tried)) == (2, 1, 3)
        assert outlet(pipeline, "busy")["retried"] == 3
        assert outlet(pipeline, "busy")["last_error"]["code"] == "DataCorrupt"
        assert outlet(pipeline, "broken")["retried"] == 0
    assert len(told) == 1 and unraisable == []


class Batches:
    """A sink that takes lists, and answers as the test says."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.got: list[list[Any]] = []

    def deliver_batch(self, batch: list[Any]) -> Any:
        self.got.append(batch)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_sink_may_take_batches(provider: guarita.LocalProvider) -> None:
    whole, some, odd = Batches(), Batches(2), Batches(True)
    table = Batches(KeyError("one of five"))
    five: guarita.types.OutletConfig = {"max_batch": 5, "linger_s": 60, "retry": {"base_s": 0.001}}
    sinks = {"whole": whole, "some": some, "table": table, "odd": odd}
    with guarita.Pipeline(provider, sinks=sinks, outlets=dict.fromkeys(sinks, five)) as pipeline:
        push_plates(pipeline.add_camera("gate", **PLAIN), 5)
        for name in sinks:
            until(lambda: outlet(pipeline, name)["delivered"] + outlet(pipeline, name)["failed"] == 5, name)
        kept = outlet(pipeline, "some")
        assert (kept["delivered"], kept["retried"], kept["in_hand"]) == (5, 1, 0)
        assert kept["last_error"]["message"] == "the sink some says that 2 of 5 are durable"
        assert outlet(pipeline, "table")["failed"] == 0
        assert "gave bool" in outlet(pipeline, "odd")["last_error"]["message"]
    times = [[event.pts for event in batch] for batch in whole.got]
    assert times == [[0.0, 1.0, 2.0, 3.0, 4.0]]
    assert [[event.pts for event in batch] for batch in some.got] == [[0.0, 1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0]]
    # Halved until the refused one is alone; nothing was refused then.
    assert [len(batch) for batch in table.got][:2] == [5, 2]


def test_one_event_that_a_batch_sink_refuses_costs_itself_alone(provider: guarita.LocalProvider) -> None:
    arrived: list[float] = []

    class Table:
        def deliver_batch(self, batch: list[guarita.Event]) -> None:
            if any(event.pts == 3.0 for event in batch):
                raise ValueError("the third is refused")
            arrived.extend(event.pts for event in batch)

    outlets: dict[str, guarita.types.OutletConfig] = {"table": {"max_batch": 5, "linger_s": 60}}
    with guarita.Pipeline(provider, sinks={"table": Table()}, outlets=outlets) as pipeline:
        push_plates(pipeline.add_camera("gate", **PLAIN), 5)
        until(lambda: outlet(pipeline, "table")["failed"] == 1 and outlet(pipeline, "table")["delivered"] == 4)
    assert arrived == [0.0, 1.0, 2.0, 4.0]


def test_results_go_to_sinks_that_ask_for_them(provider: guarita.LocalProvider, tmp_path: Path) -> None:
    both = Batches()
    results: list[guarita.FrameResult] = []
    lines = tmp_path / "lines.jsonl"
    sinks: dict[str, guarita.types.Sink] = {
        "own": results.append,
        "both": both,
        "lines": guarita.JsonLinesSink(lines),
    }
    outlets: dict[str, guarita.types.OutletConfig] = {
        "own": {"deliveries": "results"},
        "both": {"deliveries": "all"},
        "lines": {"deliveries": "results"},
    }
    with guarita.Pipeline(provider, sinks=sinks, outlets=outlets) as pipeline:
        push_plates(pipeline.add_camera("gate", **PLAIN), 2)
    assert [len(result.detections) for result in results] == [1, 0, 1, 0]
    ids = [result.id for result in results]
    assert len(set(ids)) == 4 and all(len(one) == 32 for one in ids)
    assert [json.loads(line)["id"] for line in lines.read_text().splitlines()] == ids
    kinds = [type(one).__name__ for batch in both.got for one in batch]
    assert sorted(kinds) == ["Event"] * 2 + ["FrameResult"] * 4


def test_on_result_is_tried_again_where_that_makes_sense(
    provider: guarita.LocalProvider, unraisable: list[Any]
) -> None:
    tried: list[str] = []

    def take(result: guarita.FrameResult) -> None:
        tried.append(result.id)
        if len(tried) == 1:
            raise ConnectionError("refused")

    with guarita.Pipeline(provider, on_result=take) as pipeline:
        push_plates(pipeline.add_camera("gate", **PLAIN), 1)
        until(lambda: outlet(pipeline, "on_result")["delivered"] == 2)
        assert outlet(pipeline, "on_result")["retried"] == 1
    assert tried[0] == tried[1] != tried[2] and unraisable == []


def test_an_async_function_is_no_sink(provider: guarita.LocalProvider) -> None:
    async def sink(event: guarita.Event) -> None:
        pass

    with pytest.raises(guarita.InvalidArgument, match="async"):
        guarita.Pipeline(provider, sinks={"own": sink})


def test_on_result_that_raises_is_reported_where_python_reports_it(
    provider: guarita.LocalProvider, unraisable: list[Any]
) -> None:
    seen: list[guarita.FrameResult] = []

    def take(result: guarita.FrameResult) -> None:
        seen.append(result)
        raise ValueError(f"number {result.seq}")

    with guarita.Pipeline(provider, on_result=take) as pipeline:
        push_plates(pipeline.add_camera("gate", **PLAIN), 2)
    assert [len(result.detections) for result in seen] == [1, 0, 1, 0]
    assert [str(error) for error in unraisable] == [f"number {k}" for k in range(4)]


def test_a_sink_may_use_its_pipeline(provider: guarita.LocalProvider) -> None:
    done = threading.Event()

    def sink(event: guarita.Event) -> None:
        assert pipeline.camera("gate").stats().account.pushed and pipeline.health().live
        assert pipeline.metrics() and pipeline.stats().to_dict()
        pipeline.close()
        done.set()

    pipeline = guarita.Pipeline(provider, sinks={"own": sink})
    begun = time.monotonic()
    push_plates(pipeline.add_camera("gate", **PLAIN), 1)
    assert done.wait(PATIENCE), outlet(pipeline, "own")
    assert pipeline.closed
    assert time.monotonic() - begun < 10.0


def test_a_sink_that_hangs_is_named(provider: guarita.LocalProvider) -> None:
    release, began = threading.Event(), threading.Event()

    def hangs(event: guarita.Event) -> None:
        began.set()
        release.wait(PATIENCE)

    pipeline = guarita.Pipeline(provider, sinks={"hangs": hangs})
    push_plates(pipeline.add_camera("gate", **PLAIN), 1)
    assert began.wait(PATIENCE)
    report = pipeline.shutdown(0.1)
    assert report.hanging == ["hangs"] and report.account.in_flight == 0
    release.set()


def test_json_lines(provider: guarita.LocalProvider, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sink = guarita.JsonLinesSink(path, keep=3)
    read: list[dict[str, Any]] = []
    with guarita.Pipeline(provider, sinks={"file": sink}) as pipeline:
        with pipeline.events() as stream:
            push_plates(pipeline.add_camera("gate", **PLAIN), 3)
            read = [stream.get(PATIENCE).to_dict() for _ in range(3)]
    assert [json.loads(line) for line in path.read_text().splitlines()] == read
    with pytest.raises(guarita.InvalidConfig, match="max_bytes"):
        guarita.JsonLinesSink(path, max_bytes=1)
    with pytest.raises(guarita.InvalidConfig, match="path"):
        guarita.JsonLinesSink("")
    with pytest.raises(guarita.NotFound):
        guarita.Pipeline(provider, sinks={"file": guarita.JsonLinesSink(tmp_path / "no" / "folder.jsonl")})


def test_webhook(provider: guarita.LocalProvider) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer

    got: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        sink = guarita.WebhookSink(f"http://127.0.0.1:{server.server_port}/token", secret="0123456789abcdef")
        assert "token" not in repr(sink) and "0123456789abcdef" not in repr(sink)
        with guarita.Pipeline(provider, sinks={"web": sink}) as pipeline:
            push_plates(pipeline.add_camera("gate", **PLAIN), 1)
            assert got.get(timeout=PATIENCE)["camera"] == "gate"
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()
    wrong: list[tuple[str, Any]] = [
        ("ftp://x", {}),
        ("https://x", {"secret": "short"}),
        ("https://x", {"timeout_s": 0}),
    ]
    for url, config in wrong:
        with pytest.raises(guarita.InvalidConfig):
            guarita.WebhookSink(url, **config)
