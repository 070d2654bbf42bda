"""A thousand requests, and ends in the middle of work."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import guarita
import httpx
import pytest
from serving import Server, serve
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

#: What the memory of a worker may grow by in the second half of the load, in which it looks at about 250 pictures of
#: 0.7 MiB: what the allocator keeps differs by some MiB.
GROWTH_MIB = 24


def workers(server: Server, count: int) -> set[int]:
    """The processes that answer; each connection may meet another one."""
    found: set[int] = set()
    deadline = time.monotonic() + 60
    while len(found) < count and time.monotonic() < deadline:
        with server.client() as client:
            found.add(client.get("/health").json()["worker"])
    assert len(found) == count
    return found


def memory(process: int) -> float:
    """The resident memory in MiB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_a_thousand_requests(
    tmp_path: Path,
    model: Path,
    photos: list[bytes],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # By default, the C library has up to eight heaps for each processor, each of which grows to what it once held.
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    detector = guarita.Detector(model, min_confidence=0.05)
    expected = [sum(one.confidence >= 0.1 for one in detector.detect(photo)) for photo in photos]
    assert len(set(expected)) > 1
    answers: Counter[int] = Counter()
    least = {"min_confidence": "0.1"}

    async def client(url: str, begin: int, count: int) -> None:
        """Two requests at a time, over connections of its own."""
        async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:

            async def ask(numbers: range) -> None:
                for number in numbers:
                    which = number % len(photos)
                    response = await client.post("/detect/frame", files={"image": photos[which]}, data=least)
                    answers[response.status_code] += 1
                    if response.status_code == 200:
                        assert len(response.json()["items"]) == expected[which]

            await asyncio.gather(*(ask(range(begin + k, begin + count, 2)) for k in range(2)))

    async def half(url: str) -> None:
        # Ten requests in flight; new connections now and then, so that both workers have their share.
        for _ in range(5):
            await asyncio.gather(*(client(url, k, 20) for k in range(5)))

    with serve(tmp_path / "log", "--workers", "2", model=model) as server:
        processes = sorted(workers(server, 2))
        begin = time.monotonic()
        asyncio.run(half(server.url))
        first = [memory(process) for process in processes]
        asyncio.run(half(server.url))
        took = time.monotonic() - begin
        second = [memory(process) for process in processes]
        assert workers(server, 2) == set(processes)
        assert server.terminate() == 0
    with capsys.disabled():
        print(f"\n1,000 requests in {took:.1f} s ({1000 / took:.0f}/s): {dict(answers)}")
        grown = ", ".join(f"{a:.1f} → {b:.1f}" for a, b in zip(first, second, strict=True))
        print(f"memory of the workers after 500 and after 1,000, in MiB: {grown}")
    assert answers == {200: 1000}
    for a, b in zip(first, second, strict=True):
        assert b <= a + GROWTH_MIB


@pytest.mark.parametrize("count", [1, 2])
def test_what_is_in_flight_is_answered_before_the_end(
    tmp_path: Path, model: Path, photos: list[bytes], count: int
) -> None:
    pictures = [("images", photo) for photo in photos * 8]
    with serve(tmp_path / "log", "--workers", str(count), model=model) as server:
        known = workers(server, count)

        def ask(_: int) -> httpx.Response:
            with server.client() as client:
                return client.post("/batch/detect", files=pictures)

        with ThreadPoolExecutor(6) as pool:
            asked = [pool.submit(ask, k) for k in range(6)]
            busy: dict[int, int] = {}
            while sum(busy.values()) < 6:
                assert not any(one.done() for one in asked), "they ended before all were in flight"
                with server.client() as client:
                    body = client.get("/health").json()
                busy[body["worker"]] = body["queue"]["requests"]
            assert set(busy) <= known
            code = server.terminate()
            answers = [one.result() for one in asked]
        assert [answer.status_code for answer in answers] == [200] * 6
        assert all("items" in one for answer in answers for one in answer.json()["images"])
        # A single uvicorn ends by the signal that it was sent, when it has cleaned up.
        assert code in (0, -signal.SIGTERM)
        log = server.log.read_text()
        assert log.count("Application shutdown complete") == count and "Traceback" not in log
        with pytest.raises(httpx.ConnectError), server.client() as client:
            client.get("/health")


def test_readers_of_events_do_not_hold_up_the_end(tmp_path: Path) -> None:
    async def run(server: Server) -> int | None:
        async with connect(server.url.replace("http", "ws") + "/events", proxy=None) as reader:
            server.process.terminate()
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(reader.recv(), 30)
        return closed.value.rcvd.code if closed.value.rcvd else None

    with serve(tmp_path / "log") as server:
        # Service restart: come again.
        assert asyncio.run(run(server)) == 1012
        server.process.wait(30)
        log = server.log.read_text()
        assert "Application shutdown complete" in log and "Traceback" not in log
