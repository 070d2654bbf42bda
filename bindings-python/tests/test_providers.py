"""Providers: a function of the host's, two as one, and a cloud that stands in for Rekognition."""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import pathlib
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import guarita
from test_motion import in_a_fork
from test_resilience import Raised, unraisable

__all__ = ["unraisable"]

PICTURE = np.full((48, 64, 3), 90, np.uint8)
PATIENCE = 30


def two(request: guarita.Request) -> list[guarita.Detections]:
    """A person, partly outside, and a car; the less sure one first."""
    found = [guarita.Detection((-5, 4, 8, 40), "person", 0.6), guarita.Detection((20, 10, 40, 30), "car", 0.9)]
    return [guarita.Detections(found, size=frame.size) for frame in request.frames]


class Held:
    """A function whose calls wait for the test's word: None to answer, or an exception to raise."""

    def __init__(self) -> None:
        self.begun: queue.Queue[guarita.Request] = queue.Queue()
        self.go: queue.Queue[BaseException | None] = queue.Queue()

    def __call__(self, request: guarita.Request) -> list[guarita.Detections]:
        self.begun.put(request)
        word = self.go.get(timeout=PATIENCE)
        if word is not None:
            raise word
        return two(request)


class Asked(threading.Thread):
    """A request on a thread of its own, and what became of it."""

    def __init__(self, provider: guarita.Provider, **arguments: Any) -> None:
        super().__init__()
        self.provider, self.arguments = provider, arguments
        self.answer: guarita.Response | BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.answer = self.provider.detect(self.arguments.pop("images", PICTURE), **self.arguments)
        except BaseException as error:
            self.answer = error

    def code(self) -> str | None:
        self.join(PATIENCE)
        assert not self.is_alive(), "no answer"
        return self.answer.code if isinstance(self.answer, guarita.GuaritaError) else None


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.005)


# --- a function of the host's: the rules of all providers ------------------------------------------------------------


def provider(
    detect: Callable[[guarita.Request], Sequence[guarita.Detections]] = two, **config: Any
) -> guarita.CallbackProvider:
    return guarita.CallbackProvider(detect, **config)


def test_name_and_capability() -> None:
    with provider(name="mine", wants=["labels", "text"], max_batch=4, workers=2) as mine:
        assert mine.name == "mine" and isinstance(mine, guarita.Provider)
        assert mine.capability == {
            "wants": ["labels", "text"],
            "max_batch": 4,
            "max_in_flight": 64,
            "leaves_machine": False,
            "price": 0,
            "labels": None,
        }
    with provider(leaves_machine=True, price=7) as cloud:
        assert (cloud.capability["price"], cloud.capability["leaves_machine"]) == (7, True)


def test_healthy_before_a_call_and_after_work() -> None:
    with provider() as mine:
        health = mine.health()
        assert (health.live, health.ready, health.in_flight, health.latency, health.last_error) == (
            True,
            True,
            0,
            None,
            None,
        )
        mine.detect(PICTURE)
        until(lambda: mine.health().in_flight == 0)
        health = mine.health()
        assert health.live and health.ready and health.latency is not None and health.latency["p50"] >= 0


def test_a_result_for_each_frame_in_order_and_size() -> None:
    part = PICTURE[:36, :48]
    with provider(max_batch=2) as mine:
        response = mine.detect([PICTURE, part, PICTURE], want="labels")
    assert [found.size for found in response.detections] == [(64, 48), (48, 36), (64, 48)]
    for found in response.detections:
        assert found.labels == ["car", "person"], "the surest first"
        assert (found.xyxy >= 0).all() and (found.xyxy <= (64, 48, 64, 48)).all()
    assert (response.provider, response.reason, response.cost, response.calls) == ("callback", "asked", 0, 0)
    assert response.latency["total"] >= response.latency["call"] > 0
    json.dumps(response.to_dict())


def test_nothing_below_the_least_confidence_and_boxes_of_a_region_lie_in_it() -> None:
    sizes: list[tuple[int, int]] = []

    def detect(request: guarita.Request) -> list[guarita.Detections]:
        assert request.regions == []
        sizes.extend(frame.size for frame in request.frames)
        return two(request)

    with provider(detect) as mine:
        assert mine.detect(PICTURE, min_confidence=0.7).detections[0].labels == ["car"]
        found = mine.detect(PICTURE, regions=[(10, 8, 60, 44)]).detections[0]
        assert sizes[-1] == (50, 36) and found.size == (64, 48)
        assert found.xyxy.tolist() == [[30, 18, 50, 38], [10, 12, 18, 44]]


def test_what_is_refused() -> None:
    with provider(wants=("labels",)) as mine:
        with pytest.raises(guarita.Unsupported):
            mine.detect(PICTURE, want="faces")
        with pytest.raises(guarita.InvalidArgument, match="want"):
            mine.detect(PICTURE, want="cats")  # type: ignore[arg-type]
        senseless: list[dict[str, Any]] = [
            {"images": []},
            {"min_confidence": float("nan")},
            {"min_confidence": 1.5},
            {"regions": [(1e6, 1e6, 1e6 + 9, 1e6 + 9)]},
            {"regions": [(0, 0, 9, 9), (0, 0, 9, 9)]},
            {"regions": [(float("nan"), 0, 9, 9)]},
            {"timeout": -1},
        ]
        for arguments in senseless:
            with pytest.raises(guarita.InvalidArgument):
                mine.detect(**{"images": PICTURE, **arguments})
        with pytest.raises(guarita.DeadlineExceeded) as caught:
            mine.detect(PICTURE, timeout=0)
        assert isinstance(caught.value, TimeoutError)
        health = mine.health()
        assert health.last_error is None and health.latency is None, "nobody was asked"


def test_many_at_once_are_each_answered() -> None:
    with provider(workers=4, max_in_flight=8) as mine:
        asked = [Asked(mine) for _ in range(40)]
        codes = [one.code() for one in asked]
        assert set(codes) <= {None, "Overloaded"} and codes.count(None) > 0
        until(lambda: mine.health().in_flight == 0)


def test_one_that_is_closed_with_requests_in_flight_answers_each() -> None:
    held = Held()
    mine = provider(held)

    async def main() -> list[Any]:
        running = mine.detect_async(PICTURE)
        await asyncio.to_thread(held.begun.get, True, PATIENCE)
        waiting = mine.detect_async(PICTURE)
        closing = asyncio.get_running_loop().run_in_executor(None, mine.close)
        with pytest.raises(guarita.Cancelled):
            await asyncio.wait_for(waiting, PATIENCE)
        held.go.put(None)
        response = await asyncio.wait_for(running, PATIENCE)
        await asyncio.wait_for(closing, PATIENCE)
        return response.detections

    assert len(asyncio.run(main())) == 1
    assert mine.closed
    for call in (mine.health, lambda: mine.detect(PICTURE), lambda: mine.capability):
        with pytest.raises(guarita.InvalidState, match="closed"):
            call()
    mine.close()


def test_what_was_taken_back_is_not_begun() -> None:
    held = Held()
    with provider(held) as mine:

        async def main() -> None:
            running = mine.detect_async(PICTURE)
            await asyncio.to_thread(held.begun.get, True, PATIENCE)
            waiting = mine.detect_async(PICTURE)
            waiting.cancel()
            # The future tells that it was given up in the next turn of the loop.
            await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await waiting
            held.go.put(None)
            await asyncio.wait_for(running, PATIENCE)

        asyncio.run(main())
        until(lambda: mine.health().in_flight == 0)
        assert held.begun.empty()


def test_the_same_key_is_paid_once() -> None:
    held = Held()
    with provider(held, leaves_machine=True, price=7, workers=3) as cloud:
        one, other = Asked(cloud, idempotency_key="a"), Asked(cloud, idempotency_key="a")
        held.begun.get(timeout=PATIENCE)
        until(lambda: cloud.health().in_flight == 2)
        held.go.put(None)
        answers = []
        for asked in (one, other):
            asked.join(PATIENCE)
            assert isinstance(asked.answer, guarita.Response)
            answers.append((asked.answer.cost, asked.answer.calls))
        again = cloud.detect(PICTURE, idempotency_key="a")
        assert sorted(answers) == [(0, 0), (7, 1)] and (again.cost, again.calls) == (0, 0)
        assert held.begun.empty()


# --- a function of the host's: what is its own -----------------------------------------------------------------------


def test_the_function_sees_the_request() -> None:
    seen: list[guarita.Request] = []

    def detect(request: guarita.Request) -> tuple[guarita.Detections, ...]:
        seen.append(request)
        assert threading.current_thread() is not threading.main_thread()
        return tuple(two(request))

    clock = guarita.ManualClock()
    with provider(detect, clock=clock) as mine:
        mine.detect(
            PICTURE,
            min_confidence=0.25,
            timeout=5,
            priority="critical",
            idempotency_key="k",
            camera="gate",
            tenant="port",
        )
    (request,) = seen
    assert (request.want, request.priority, request.idempotency_key, request.tenant) == (
        "labels",
        "critical",
        "k",
        "port",
    )
    assert (request.min_confidence, request.deadline, request.cancelled) == (0.25, 5.0, False)
    assert request.frames[0].camera == "gate" and (request.frames[0].numpy() == PICTURE).all()


@pytest.mark.parametrize(
    ("raised", "kind", "advice"),
    [
        (TimeoutError("late"), guarita.DeadlineExceeded, "RetryLater"),
        (ConnectionResetError("gone"), guarita.Unavailable, "RetryLater"),
        (MemoryError("full"), guarita.ResourceExhausted, "RetryLater"),
        (PermissionError("no"), guarita.PermissionDenied, "FixHost"),
        (guarita.RateLimited("429", advice="Never"), guarita.RateLimited, "Never"),
        (guarita.DataCorrupt("torn"), guarita.DataCorrupt, "ChangeInput"),
        (KeyError("cat"), guarita.Internal, "Never"),
        (SystemExit(3), guarita.Internal, "Never"),
    ],
)
def test_what_it_raises_is_the_answer(raised: BaseException, kind: type[guarita.GuaritaError], advice: str) -> None:
    def detect(request: guarita.Request) -> list[guarita.Detections]:
        raise raised

    with provider(detect, name="mine") as mine:
        for _ in range(2):
            with pytest.raises(kind) as caught:
                mine.detect(PICTURE)
            assert (
                caught.value.advice == advice
                and type(raised).__name__ in str(caught.value)
                and "mine" in str(caught.value)
            )
            assert caught.value.__cause__ is raised
        last = mine.health().last_error
        assert mine.health().ready and (last is None) == (advice == "ChangeInput")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "NoneType"),
        (7, "int"),
        ("cats", "str"),
        ({}, "dict"),
        (guarita.Detections([], size=(64, 48)), "Detections; a sequence of Detections"),
        ([None], "NoneType as item 0"),
        ([], "0 results for 1 frames"),
        ([guarita.Detections([], size=(64, 48))] * 2, "2 results for 1 frames"),
        ([guarita.Detections([], size=(48, 64))], "48×64"),
        ([guarita.Detections([guarita.Detection((0, 0, 9, 9), "", 0.5)], size=(64, 48))], "without a name"),
    ],
)
def test_an_answer_that_is_none_says_what_came(answer: Any, words: str) -> None:
    with provider(lambda request: answer) as mine:
        with pytest.raises(guarita.Internal, match=words):
            mine.detect(PICTURE)
        assert mine.health().in_flight == 0 and mine.health().ready


def test_a_queue_that_is_full_turns_away_the_least_important() -> None:
    held = Held()
    with provider(held, max_in_flight=2) as mine:
        first = Asked(mine)
        held.begun.get(timeout=PATIENCE)
        low = Asked(mine, priority="low")
        until(lambda: mine.health().in_flight == 2)
        assert not mine.health().ready and mine.health().expected_wait >= 0
        with pytest.raises(guarita.Overloaded) as caught:
            mine.detect(PICTURE, priority="low")
        assert caught.value.advice == "RetryLater"
        critical = Asked(mine, priority="critical")
        assert low.code() == "Overloaded"
        for _ in range(2):
            held.go.put(None)
        assert (first.code(), critical.code()) == (None, None)


def test_a_deadline_that_passes_while_it_waits_or_is_looked_at() -> None:
    clock, held = guarita.ManualClock(), Held()
    with provider(held, clock=clock) as mine:
        late = Asked(mine, timeout=1)
        held.begun.get(timeout=PATIENCE)
        waiting = Asked(mine, timeout=1)
        until(lambda: mine.health().in_flight == 2)
        clock.advance(1)
        held.go.put(None)
        assert (late.code(), waiting.code()) == ("DeadlineExceeded", "DeadlineExceeded")
        assert held.begun.empty()


def test_ctrl_c_ends_the_wait() -> None:
    held = Held()
    with provider(held) as mine:
        main = threading.main_thread().ident
        assert main is not None

        def interrupt() -> None:
            held.begun.get(timeout=PATIENCE)
            os.kill(os.getpid(), 2)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            mine.detect(PICTURE)
        thread.join(PATIENCE)
        held.go.put(None)


def test_the_last_handle_is_let_go_by_a_call_while_another_one_runs() -> None:
    """Its end waits for its threads, and they for the interpreter lock: it hangs if the one who waits holds that."""
    program = """
import asyncio, threading, numpy, guarita
begun, first, second = threading.Semaphore(0), threading.Event(), threading.Event()
def detect(request):
    begun.release()
    assert (first if request.idempotency_key == "first" else second).wait(60)
    return [guarita.Detections([], size=frame.size) for frame in request.frames]
provider = guarita.CallbackProvider(detect, workers=2)
picture = numpy.zeros((48, 64), "uint8")
waiting = threading.Thread(target=provider.detect, args=(picture,), kwargs={"idempotency_key": "first"})
async def main():
    # A future does not hold the provider.
    answer = provider.detect_async(picture, idempotency_key="second")
    waiting.start()
    for _ in range(2):
        assert await asyncio.to_thread(begun.acquire, True, 60)
    provider.close()
    first.set()
    # Time to come to the end of the call, where a wrong one hangs; a right one needs none.
    await asyncio.sleep(0.2)
    second.set()
    await asyncio.wait_for(answer, 60)
asyncio.run(main())
waiting.join(60)
print("end", waiting.is_alive())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE * 2)
    assert (done.returncode, done.stdout) == (0, "end False\n"), done.stderr


def test_it_may_be_closed_inside_of_its_own_function() -> None:
    made: list[guarita.CallbackProvider] = []

    def detect(request: guarita.Request) -> list[guarita.Detections]:
        made[0].close()
        return two(request)

    made.append(provider(detect))
    assert Asked(made[0]).code() in (None, "Cancelled")


def test_wrong_arguments() -> None:
    with pytest.raises(guarita.InvalidArgument, match="must be callable"):
        guarita.CallbackProvider(7)  # type: ignore[arg-type]

    async def detect(request: guarita.Request) -> list[guarita.Detections]:
        return two(request)

    with pytest.raises(guarita.InvalidArgument, match="async"):
        guarita.CallbackProvider(detect)  # type: ignore[arg-type]
    wrong: list[dict[str, Any]] = [
        {"name": ""},
        {"wants": []},
        {"wants": ["cats"]},
        {"workers": 0},
        {"workers": 300},
        {"price": 7},
        {"nonsense": 1},
    ]
    for config in wrong:
        with pytest.raises(guarita.InvalidConfig):
            provider(**config)
    with pytest.raises(TypeError):
        guarita.Provider()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_of_a_fork_is_told() -> None:
    with provider(workers=2) as mine:
        mine.detect(PICTURE)

        def child() -> bool:
            try:
                mine.detect(PICTURE)
            except guarita.InvalidState as error:
                return "forked" in str(error)
            return False

        assert in_a_fork(child)
        mine.detect(PICTURE)


@pytest.mark.parametrize("naps", [0.2, 0])
def test_the_end_of_the_interpreter_with_calls_under_way(naps: float) -> None:
    program = f"""
import guarita, numpy, threading, time
begun = threading.Event()
def detect(request):
    begun.set()
    time.sleep({naps})
    return [guarita.Detections([], size=frame.size) for frame in request.frames]
provider = guarita.CallbackProvider(detect, workers=2, max_in_flight=1000)
picture = numpy.zeros((48, 64), "uint8")
def ask():
    try:
        while True:
            provider.detect(picture)
    except guarita.GuaritaError:
        pass
for _ in range(4):
    threading.Thread(target=ask, daemon=True).start()
begun.wait(30)
print("end")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE * 2)
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr
    assert done.stderr == ""


# --- two providers as one --------------------------------------------------------------------------------------------


def down(request: guarita.Request) -> list[guarita.Detections]:
    raise ConnectionError("no route")


def test_the_fallback_stands_in_and_the_breaker_opens() -> None:
    told: list[dict[str, Any]] = []
    with provider(down, name="local") as local, provider(name="cloud") as cloud:
        with guarita.HybridProvider(
            local, cloud, listener=told.append, primary_breaker={"consecutive_failures": 2, "open_s": 60}
        ) as hybrid:
            assert hybrid.name == "local+cloud"
            reasons = []
            for _ in range(3):
                response = hybrid.detect(PICTURE)
                assert response.provider == "cloud" and response.detections[0].labels == ["car", "person"]
                reasons.append(response.reason)
            assert reasons == [{"other-failed": "Unavailable"}] * 2 + ["other-open"]
            state, counts = hybrid.breaker("primary")
            assert state == "open" and (counts.opened, counts.refused) == (1, 1)
            assert hybrid.breaker("fallback", "text")[0] == "closed"
            (change,) = told
            assert {"side": "primary", "want": "labels", "from": "closed", "to": "open"}.items() <= change.items()
            for wrong in (("left", "labels"), ("primary", "cats")):
                with pytest.raises(guarita.InvalidArgument):
                    hybrid.breaker(*wrong)  # type: ignore[arg-type]
        with pytest.raises(guarita.InvalidState, match="closed"):
            hybrid.breaker("primary")


def test_an_error_of_the_request_s_does_not_fail_over() -> None:
    asked: list[int] = []

    def detect(request: guarita.Request) -> list[guarita.Detections]:
        raise guarita.DataCorrupt("torn")

    def count(request: guarita.Request) -> list[guarita.Detections]:
        asked.append(1)
        return two(request)

    with provider(detect) as local, provider(count) as cloud, guarita.HybridProvider(local, cloud) as hybrid:
        with pytest.raises(guarita.DataCorrupt, match="torn"):
            hybrid.detect(PICTURE)
        assert not asked and hybrid.breaker("primary")[0] == "closed"


def test_a_listener_of_a_hybrid_that_raises_is_reported(unraisable: Raised) -> None:
    def listener(change: dict[str, Any]) -> None:
        raise RuntimeError("on purpose")

    with provider(down) as local, provider() as cloud:
        with guarita.HybridProvider(
            local, cloud, listener=listener, primary_breaker={"consecutive_failures": 1}
        ) as hybrid:
            assert hybrid.detect(PICTURE).provider == "callback"
            until(lambda: len(unraisable.seen) == 1)


def test_in_turn_and_with_both_closed() -> None:
    local, cloud = provider(name="local"), provider(name="cloud")
    hybrid = guarita.HybridProvider(local, cloud, mode={"balance": {"primary": 1, "fallback": 1}})
    local.close()
    cloud.close()
    assert sorted(hybrid.detect(PICTURE).provider for _ in range(4)) == ["cloud", "cloud", "local", "local"]
    hybrid.close()
    with pytest.raises(guarita.InvalidState):
        guarita.HybridProvider(local, cloud)
    with pytest.raises(TypeError):
        guarita.HybridProvider(two, cloud)  # type: ignore[arg-type]


def test_both_sides_down() -> None:
    with (
        provider(down, name="a") as local,
        provider(down, name="b") as cloud,
        guarita.HybridProvider(local, cloud) as hybrid,
    ):
        with pytest.raises(guarita.Unavailable, match="no route"):
            hybrid.detect(PICTURE)


# --- Rekognition -----------------------------------------------------------------------------------------------------

LABELS = {
    "LabelModelVersion": "3.0",
    "Labels": [
        {
            "Name": "Person",
            "Confidence": 99.5,
            "Instances": [
                {"BoundingBox": {"Left": 0.5, "Top": 0.25, "Width": 0.25, "Height": 0.5}, "Confidence": 97.5}
            ],
            "Parents": [],
        }
    ],
}


class Cloud:
    """Answers as Rekognition does, and keeps the pictures."""

    def __init__(self) -> None:
        asked: list[dict[str, Any]] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                asked[-1]["headers"] = dict(self.headers)
                body = json.dumps(LABELS).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                pass

        self.asked = asked
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def picture(self) -> np.ndarray:
        import base64

        return guarita.Frame(base64.b64decode(self.asked[-1]["Image"]["Bytes"])).numpy()


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    cloud = Cloud()
    yield cloud
    cloud.server.shutdown()
    cloud.server.server_close()


def rekognition(url: str, **config: Any) -> guarita.RekognitionProvider:
    keys = {"access_key_id": "AKIDTEST", "secret_access_key": "not-to-be-seen", "session_token": "token"}
    return guarita.RekognitionProvider(region="eu-west-1", endpoint=url, **{**keys, **config})


BRIGHT = np.full((240, 320, 3), 200, np.uint8)


def test_it_asks_the_cloud_and_pays_out_of_the_budget(cloud: Cloud) -> None:
    budget = guarita.Budget(total={"per_day": 1_500})
    with rekognition(cloud.url, budget=budget) as provider:
        assert provider.capability["leaves_machine"] and provider.capability["price"] == 1_000
        response = provider.detect(BRIGHT, camera="gate", tenant="port")
        assert response.detections[0].labels == ["person"] and response.model_version == "3.0"
        assert response.detections[0].xyxy.tolist() == [[160, 60, 240, 180]]
        assert (response.cost, response.calls) == (1_000, 1)
        with pytest.raises(guarita.BudgetExhausted):
            provider.detect(BRIGHT)
    assert len(cloud.asked) == 1 and "AKIDTEST" in cloud.asked[0]["headers"]["authorization"]
    assert [key["name"] for key in budget.report()["tenants"] if key["today"]["spent"]] == ["port"]
    assert "not-to-be-seen" not in json.dumps(cloud.asked) and "not-to-be-seen" not in repr(provider)


def test_what_is_masked_does_not_leave_the_machine(cloud: Cloud) -> None:
    door = guarita.Polygon([(0.5, 0.5), (1, 0.5), (1, 1), (0.5, 1)])
    parts = [guarita.BoundingBox(0, 0, 100, 100), door]
    for redact in (parts, lambda frame: parts if frame.size == (320, 240) else []):
        with rekognition(cloud.url, redact=redact) as provider:
            provider.detect(BRIGHT)
        sent = cloud.picture()
        assert sent[:90, :90].max() < 30 and sent[130:, 170:].max() < 30 and sent[10:, 110:150].min() > 170


def test_a_mask_that_fails_sends_nothing(cloud: Cloud) -> None:
    def redact(frame: guarita.Frame) -> list[guarita.BoundingBox]:
        raise RuntimeError("the model of faces is gone")

    for mask, words in (
        (redact, "faces is gone"),
        (lambda frame: [7], "int is no part"),
        (lambda frame: None, "NoneType"),
    ):
        with rekognition(cloud.url, redact=mask) as provider:
            with pytest.raises(guarita.GuaritaError, match=words):
                provider.detect(BRIGHT)
    assert not cloud.asked


def test_wrong_arguments_of_rekognition() -> None:
    for keys in (
        {"secret_access_key": None},
        {"access_key_id": None},
        {"access_key_id": None, "secret_access_key": None},
    ):
        with pytest.raises(guarita.InvalidArgument, match="together"):
            rekognition("http://127.0.0.1:1", **keys)
    for wrong in (7, [7], ["face"]):
        with pytest.raises(guarita.InvalidArgument, match="no part of a picture"):
            rekognition("http://127.0.0.1:1", redact=wrong)
    with pytest.raises(guarita.InvalidConfig, match="endpoint"):
        rekognition("http://example.org")
    with pytest.raises(guarita.InvalidConfig, match="jpeg_quality"):
        rekognition("http://127.0.0.1:1", jpeg_quality=200)
    with rekognition("http://127.0.0.1:1", retry={"attempts": 1}) as provider:
        with pytest.raises(guarita.Unavailable):
            provider.detect(BRIGHT)


@pytest.fixture(scope="module")
def moto(repository: pathlib.Path) -> Iterator[str]:
    program = pathlib.Path(os.environ.get("GUARITA_MOTO") or repository / ".venv" / "bin" / "moto_server")
    if not program.is_file():
        pytest.skip(
            f"no moto_server at {program} (set GUARITA_MOTO, see core/adapters/rekognition/tests/requirements-moto.txt)"
        )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port)], stdout=quiet, stderr=quiet)
    try:
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < end and server.poll() is None, "moto_server does not listen"
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait(30)


def test_against_moto(moto: str) -> None:
    with rekognition(moto) as provider:
        response = provider.detect(BRIGHT)
        found = response.detections[0]
        assert response.model_version and (found.labels or found.image_labels)
        assert any(item.text for item in provider.detect(BRIGHT, want="text").detections[0])
        with guarita.CallbackProvider(down, name="local") as local:
            with guarita.HybridProvider(local, provider) as hybrid:
                assert hybrid.detect(BRIGHT).provider == "rekognition"
