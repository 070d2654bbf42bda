"""What clients of the server are answered: real sockets, and a real model that is small."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
import socketio  # type: ignore[import-untyped]
import socketio.exceptions  # type: ignore[import-untyped]
from realtime_detection.settings import Settings
from realtime_serving import HERE, Running, Serve, picture

RED, BLACK = picture("red"), picture("black")


async def look(client: Any, frame: Any) -> Any:
    return await client.call("frame", frame, timeout=30)


async def get(server: Running, path: str, **options: Any) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(server.url + path, **options) as response:
        return response.status, await response.text()


async def health(server: Running) -> Any:
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/health") as response:
        assert response.status == 200
        return await response.json()


async def until(server: Running, says: Callable[[Any], bool]) -> Any:
    """The health, when it is so."""
    deadline = time.monotonic() + 30
    while not says(body := await health(server)):
        assert time.monotonic() < deadline, body
        await asyncio.sleep(0.05)
    return body


def test_five_clients_at_once_have_their_own_answers(serve: Serve) -> None:
    async def one(client: Any, number: int) -> None:
        # Half of the clients show something, the others nothing; in no color that was there before.
        for k in range(20):
            color = (200 + 2 * k, number, 0) if number % 2 else (0, number, 200 + 2 * k)
            answer = await look(client, picture(color, kind="PNG"))
            assert [item["label"]["name"] for item in answer["items"]] == ["toothbrush"] * (number % 2)
            assert answer["frame"] == {"width": 320, "height": 240} and not answer["cached"]
            assert 0 < answer["processing_time"] < 30

    async def run(server: Running) -> None:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(server.client()) for _ in range(5)]
            await asyncio.gather(*(one(client, number) for number, client in enumerate(clients)))
            body = await until(server, lambda body: bool(body["cache"]["size"] == 40))
            assert body["connections"] == 5 and body["cache"] == {"size": 40, "per_client": 8, "hits": 0}
        await until(server, lambda body: bool(body["connections"] == 0))

    with serve() as server:
        asyncio.run(run(server))


def test_of_the_frames_that_wait_the_newest_is_looked_at(serve: Serve) -> None:
    # Large enough for a decoder to be busy with.
    frames = [picture((150 + k, 0, 0), (3200, 2400)) for k in range(40)]

    async def run(server: Running) -> list[Any]:
        async with server.client() as client:
            return await asyncio.gather(*(look(client, frame) for frame in frames))

    with serve(slow_s=60) as server:
        answers = asyncio.run(run(server))
    looked, dropped = (
        [k for k, one in enumerate(answers) if "items" in one],
        [one for one in answers if "items" not in one],
    )
    assert dropped and all(one == {"dropped": "newer"} for one in dropped)
    assert looked[-1] == len(frames) - 1
    assert all(len(answers[k]["items"]) == 1 for k in looked)


def test_the_same_bytes_have_the_same_answer(serve: Serve) -> None:
    async def run(server: Running) -> None:
        async with server.client() as one, server.client() as other:
            first, second = await look(one, RED), await look(one, RED)
            assert (first["cached"], second["cached"]) == (False, True)
            assert second["items"] == first["items"] != []
            assert not (await look(one, BLACK))["cached"] and (await look(one, RED))["cached"]
            # What another client saw is not told.
            assert not (await look(other, RED))["cached"]
            # The account counts a frame a moment after its answer came.
            expected, end = {"size": 3, "per_client": 8, "hits": 2}, time.monotonic() + 10
            while (await health(server))["cache"] != expected and time.monotonic() < end:
                await asyncio.sleep(0.02)
            assert (await health(server))["cache"] == expected

    with serve() as server:
        asyncio.run(run(server))
    with serve(cache_pictures=0) as server:

        async def without() -> list[bool]:
            async with server.client() as client:
                return [(await look(client, RED))["cached"] for _ in range(3)]

        assert asyncio.run(without()) == [False] * 3


def test_each_client_has_its_rate(serve: Serve) -> None:
    async def run(server: Running) -> None:
        async with server.client() as fast, server.client() as slow:
            answers = [await look(fast, picture((200 + k, 0, 0))) for k in range(6)]
            assert ["items" in one for one in answers] == [True] * 3 + [False] * 3
            assert answers[3:] == [{"skipped": "rate_limited"}] * 3
            assert "items" in await look(slow, RED)

    with serve(frames_per_second=0.01, burst=3) as server:
        asyncio.run(run(server))


def test_what_is_no_frame(serve: Serve) -> None:
    async def run(server: Running) -> None:
        async with server.client() as client, server.client() as other:
            for frame in (b"", b"text", RED[:100], b"\xff\xd8\xff" + bytes(50)):
                answer = await look(client, frame)
                assert "failed" in answer or answer["error"]["advice"] == "ChangeInput", (frame, answer)
            others: list[Any] = ["text", None, 7, {"a": RED}, [RED]]
            for other_frame in others:
                assert (await look(client, other_frame))["error"]["code"] == "InvalidArgument"
            assert len((await look(client, RED))["items"]) == 1
            # More than may be ends the connection, and only that one.
            gone = asyncio.Event()
            client.on("disconnect", lambda *_: gone.set())
            await client.emit("frame", bytes(2_000_000))
            await asyncio.wait_for(gone.wait(), 30)
            assert len((await look(other, RED))["items"]) == 1
            await until(server, lambda body: bool(body["connections"] == 1))

    with serve(max_frame_bytes=1_000_000) as server:
        asyncio.run(run(server))


def test_slow_frames_are_told(serve: Serve) -> None:
    async def run(server: Running) -> None:
        async with server.client() as client:
            assert (await look(client, RED))["warning"].startswith("slow: ")

    with serve(slow_s=0.000001) as server:
        asyncio.run(run(server))
        assert "was slow" in server.log


def test_clients_that_go_and_too_many_that_come(serve: Serve) -> None:
    async def run(server: Running) -> None:
        async with server.client(), server.client():
            with pytest.raises(socketio.exceptions.ConnectionError):
                async with server.client():
                    pass
        await until(server, lambda body: bool(body["connections"] == 0))
        for _ in range(10):
            async with server.client() as client:
                for k in range(5):
                    # Nobody waits for these answers.
                    await client.emit("frame", picture((200 + k, 0, 0), (1600, 1200)))
        await until(server, lambda body: bool(body["connections"] == 0))
        async with server.client() as client:
            assert len((await look(client, RED))["items"]) == 1

    with serve(max_clients=2) as server:
        asyncio.run(run(server))


def test_the_page_and_who_may_use_it(serve: Serve) -> None:
    async def run(server: Running) -> None:
        status, text = await get(server, "/")
        assert status == 200 and "/socket.io.min.js" in text and "//" not in text.replace("<!doctype", "")
        assert [(await get(server, f"/page/{name}"))[0] for name in ("main.js", "boxes.js", "%2e%2e/server.py")] == [
            200,
            200,
            404,
        ]
        status, text = await get(server, "/socket.io.min.js")
        assert status == 200 or (status == 404 and "npm install" in text)
        # Long polling would break large frames.
        status, text = await get(server, "/socket.io/?EIO=4&transport=polling")
        assert status == 400 and "transport" in text.lower()
        for origin, welcome in ((server.url, True), ("https://elsewhere.example", False)):
            client = socketio.AsyncClient(reconnection=False)
            refused = contextlib.nullcontext() if welcome else pytest.raises(socketio.exceptions.ConnectionError)
            with refused:
                await client.connect(server.url, headers={"origin": origin}, transports=["websocket"], wait_timeout=30)
            await client.disconnect()

    with serve() as server:
        asyncio.run(run(server))


def test_settings() -> None:
    settings = Settings.of({"GUARITA_MODEL": "a.onnx", "REALTIME_PORT": "81", "REALTIME_SLOW_S": "2"})
    assert (settings.model, settings.port, settings.slow_s) == ("a.onnx", 81, 2.0)
    with pytest.raises(SystemExit, match="REALTIME_PORT is 'x'; it is to be a int"):
        Settings.of({"REALTIME_PORT": "x"})
    told = subprocess.run(
        [sys.executable, "-m", "realtime_detection", "--help"], cwd=HERE, capture_output=True, text=True, check=True
    )
    assert "REALTIME_MAX_CLIENTS" in told.stdout


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_the_logic_of_the_page() -> None:
    done = subprocess.run(["node", "--test", "realtime_detection/page"], cwd=HERE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
