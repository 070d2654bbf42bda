"""What the routes answer, by a real server."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import guarita
import httpx
import numpy as np
import pytest
from detection_service import problems
from detection_service.app import create_app
from detection_service.settings import Settings
from guarita import _errors
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from serving import FIXTURE_MODEL, HERE, Server, serve
from websockets.asyncio.client import connect


@pytest.fixture(scope="module")
def client(service: Server) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


def told(response: httpx.Response, status: int, code: str) -> str:
    """The message of a problem, which has to be this one."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    body = response.json()
    assert (response.status_code, body["code"]) == (status, code), body
    assert set(body) == {"code", "advice", "message"}
    return str(body["message"])


def test_a_frame_has_the_boxes_of_a_direct_call(tmp_path: Path, model: Path, photos: list[bytes]) -> None:
    detector = guarita.Detector(model, min_confidence=0.05)
    with serve(tmp_path / "log", model=model) as server, server.client() as client:
        for photo in photos:
            answer = client.post("/detect/frame", files={"image": photo}, data={"min_confidence": 0.3}).json()
            direct = [one.to_dict() for one in detector.detect(photo) if one.confidence >= 0.3]
            assert direct and answer["items"] == direct
            assert answer["processing_time"] > 0


def test_min_confidence(client: httpx.Client, red: bytes, black: bytes) -> None:
    def found(picture: bytes, least: float | None = None) -> int:
        data = {} if least is None else {"min_confidence": least}
        return len(client.post("/detect/frame", files={"image": picture}, data=data).json()["items"])

    assert [found(red), found(red, 0.9), found(red, 1), found(black)] == [1, 1, 0, 0]
    for least in ("1.5", "0", "nan", "much"):
        response = client.post("/detect/frame", files={"image": red}, data={"min_confidence": least})
        assert "min_confidence" in told(response, 422, "InvalidArgument")


@pytest.mark.parametrize(("accept", "kind"), [("*/*", "JPEG"), ("image/png", "PNG")])
def test_plot_draws(client: httpx.Client, red: bytes, accept: str, kind: str) -> None:
    response = client.post("/detect/frame?plot=1", files={"image": red}, headers={"accept": accept})
    assert response.headers["content-type"] == f"image/{kind.lower()}"
    drawn = Image.open(io.BytesIO(response.content))
    assert (drawn.format, drawn.size) == (kind, (320, 240))
    changed = np.abs(np.asarray(drawn.convert("RGB"), int) - (254, 0, 0)).sum(axis=2) > 100
    # The box is somewhere in the middle, and the corners are as they were.
    assert changed[86:127, 146:227].any() and not changed[:20].any() and not changed[-20:].any()


@pytest.mark.parametrize(
    ("bytes_", "status", "code"),
    [
        (b"", 422, "DataCorrupt"),
        (b"no picture", 415, "Unsupported"),
        (b"GIF89a" + bytes(100), 415, "Unsupported"),
        (b"\xff\xd8\xff" + bytes(100), 422, "DataCorrupt"),
        (b"\x89PNG\r\n\x1a\n", 422, "DataCorrupt"),
    ],
)
def test_what_is_no_picture(client: httpx.Client, bytes_: bytes, status: int, code: str) -> None:
    told(client.post("/detect/frame", files={"image": ("x.jpg", bytes_)}), status, code)


def test_forms_that_are_none(client: httpx.Client, red: bytes) -> None:
    told(client.post("/detect/frame", content=red), 415, "Unsupported")
    told(client.post("/detect/frame", files={"picture": red}), 422, "InvalidArgument")
    told(client.post("/detect/frame", data={"image": "red"}, files={"x": b"x"}), 422, "InvalidArgument")
    told(client.post("/detect/frame", files={"image": red}, data={"camera": "cellar"}), 404, "NotFound")
    broken = {"content-type": "multipart/form-data; boundary=x"}
    told(client.post("/detect/frame", content=b"--y\r\nno form", headers=broken), 400, "InvalidArgument")
    told(client.post("/batch/detect", files={"other": red}), 422, "InvalidArgument")
    told(client.post("/batch/detect", files={"images": red, "video": red}), 422, "InvalidArgument")
    told(client.get("/nowhere"), 404, "NotFound")
    told(client.get("/detect/frame"), 405, "InvalidArgument")


def test_what_is_too_large_is_not_read(service: Server, client: httpx.Client, red: bytes) -> None:
    head = b'--x\r\ncontent-disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
    headers = {"content-type": "multipart/form-data; boundary=x"}
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield head
        while sent < 500_000_000:
            sent += 65536
            yield bytes(65536)

    # With a length that is said, and without one: 200 kB may be, and a fraction of the half gigabyte is taken.
    assert "200,000 bytes" in told(
        client.post("/detect/frame", files={"image": bytes(300_000)}), 413, "ResourceExhausted"
    )
    told(client.post("/detect/frame", content=endless(), headers=headers), 413, "ResourceExhausted")
    assert sent < 50_000_000
    sent = 0
    told(client.post("/batch/detect", content=endless(), headers=headers), 413, "ResourceExhausted")
    assert 8_000_000 < sent < 100_000_000
    told(client.post("/batch/detect", files=[("images", red)] * 5), 400, "InvalidArgument")
    assert client.post("/detect/frame", files={"image": red}).status_code == 200


def test_an_upload_that_takes_too_long(tmp_path: Path, red: bytes) -> None:
    with serve(tmp_path / "log", read_timeout_s=0.5) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 30) as slow:
            slow.sendall(
                b"POST /detect/frame HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n"
                b"content-type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            )
            answer = b"".join(iter(lambda: slow.recv(4096), b""))
        assert b" 408 " in answer and b"DeadlineExceeded" in answer
        with server.client() as client:
            assert client.get("/health").json()["queue"]["requests"] == 0


def test_a_client_that_leaves_in_the_middle(tmp_path: Path, red: bytes) -> None:
    with serve(tmp_path / "log", concurrency=1) as server, server.client() as client:
        host, port = server.url.removeprefix("http://").split(":")

        def busy() -> bool:
            return bool(client.get("/health").json()["queue"]["requests"] == 1)

        for _ in range(3):
            with socket.create_connection((host, int(port)), 30) as leaving:
                leaving.sendall(
                    b"POST /detect/frame HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n"
                    b"content-type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
                )
                until(busy)
            until(lambda: not busy())
        assert client.post("/detect/frame", files={"image": red}).status_code == 200
        assert "Traceback" not in server.log.read_text()


def until(holds: Callable[[], bool]) -> None:
    """Waits until it is so."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_batch_has_a_result_or_a_problem_for_each(client: httpx.Client, red: bytes, black: bytes) -> None:
    files = [("red.jpg", red), ("text.jpg", b"text"), ("black.png", black), ("large.jpg", bytes(250_000))]
    answer = client.post("/batch/detect", files=[("images", file) for file in files]).json()["images"]
    assert [one["name"] for one in answer] == [name for name, _ in files]
    assert [one["problem"]["code"] if "problem" in one else len(one["items"]) for one in answer] == [
        1, "Unsupported", 0, "ResourceExhausted",
    ]  # fmt: skip


def test_a_video(tmp_path: Path, client: httpx.Client, clip: bytes) -> None:
    answer = client.post("/batch/detect", files={"video": clip}, data={"fps": 2}).json()
    times = [frame["pts"] for frame in answer["frames"]]
    assert len(times) > 5 and times == sorted(times)
    # The first interval may be shorter: frames are those nearest to the ticks.
    assert np.allclose(np.diff(times)[1:], 0.5, atol=0.1)
    assert {"frame", "items"} <= set(answer["frames"][0])
    message = told(client.post("/batch/detect", files={"video": b"no video"}), 422, "DataCorrupt")
    assert message.startswith("the video: ") and "/" not in message
    # Playlists name other files, and addresses.
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    told(client.post("/batch/detect", files={"video": playlist}), 422, "DataCorrupt")
    told(client.post("/batch/detect", files={"video": clip}, data={"fps": 100}), 422, "InvalidArgument")
    with serve(tmp_path / "log", max_video_s=2) as server, server.client() as short:
        message = told(short.post("/batch/detect", files={"video": clip}), 422, "InvalidArgument")
        assert "longer than 2 s" in message


def test_health_and_metrics(client: httpx.Client, red: bytes) -> None:
    client.post("/detect/frame", files={"image": red}, data={"camera": "gate"})
    body = client.get("/health").json()
    assert body["live"] and body["ready"] and not body["degraded"]
    assert body["provider"]["name"] == "local" and body["model"]["family"] == "yolov8"
    assert body["queue"] == {"requests": 0, "of": 10, "frames": 0} and body["cameras"] == ["gate"]
    assert client.get("/health/live").status_code == client.get("/health/ready").status_code == 200
    response = client.get("/metrics")
    samples = {
        sample.name: sample for family in text_string_to_metric_families(response.text) for sample in family.samples
    }
    assert samples["guarita_frames_pushed_total"].value >= 1
    assert samples["service_answers_total"].labels["worker"] == str(body["worker"])
    assert "/detect/frame" in response.text and "cellar" not in response.text


def test_a_provider_that_is_not_ready() -> None:
    class Down:
        live, ready, degraded = True, False, ["the provider does not answer"]

        class provider:
            @staticmethod
            def to_dict() -> dict[str, Any]:
                return {}

    class Pipeline:
        def __init__(self, real: guarita.Pipeline) -> None:
            self._real = real

        def health(self) -> Down:
            return Down()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

    async def ask() -> tuple[int, int]:
        app = create_app(Settings(model=FIXTURE_MODEL))
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://x") as client,
        ):
            engine = app.state.service.engine
            engine.pipeline = Pipeline(engine.pipeline)
            return (await client.get("/health")).status_code, (await client.get("/health/live")).status_code

    assert asyncio.run(ask()) == (503, 200)


def test_a_service_without_its_model_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no_such.onnx"):
        with serve(tmp_path / "log", model=tmp_path / "no_such.onnx"):
            pass


def test_every_code_has_a_status() -> None:
    assert set(problems.STATUS) == {kind.code for kind in _errors.BY_NUMBER}
    told = problems.problem(guarita.Overloaded("full", context={"retry_after_s": 2.4}))
    assert (told.status, told.headers) == (429, {"Retry-After": "3"})
    hidden = problems.problem(guarita.Internal("the password is 1234"))
    assert (hidden.status, hidden.code) == (500, "Internal") and "1234" not in hidden.message


async def events_of(url: str, count: int, ready: asyncio.Event) -> list[dict[str, Any]]:
    async with connect(url, proxy=None) as socket_:
        ready.set()
        return [json.loads(await socket_.recv())["event"] for _ in range(count)]


async def pushed(url: str, pictures: list[bytes]) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
        for picture in pictures:
            response = await client.post("/detect/frame", files={"image": picture}, data={"camera": "gate"})
            assert response.status_code == 200, response.text


def test_events_go_to_every_reader(service: Server, red: bytes, black: bytes) -> None:
    async def run() -> list[list[dict[str, Any]]]:
        url = service.url.replace("http", "ws") + "/events"
        ready = [asyncio.Event() for _ in range(3)]
        tasks = [asyncio.create_task(events_of(url, 2, event)) for event in ready]
        for event in ready:
            await asyncio.wait_for(event.wait(), 30)
        await pushed(service.url, [black, red, black, red])
        return await asyncio.wait_for(asyncio.gather(*tasks), 30)

    first, *others = asyncio.run(run())
    assert others == [first, first]
    assert [event["camera"] for event in first] == ["gate"] * 2 and first[0]["id"] != first[1]["id"]
    assert first[0]["trigger"] == "brush"


def test_a_slow_reader_loses_the_oldest_and_is_told(tmp_path: Path, red: bytes, black: bytes) -> None:
    triggers = [
        {"name": f"{k:03}{'x' * 200}", "when": {"present": {"classes": ["toothbrush"]}}, "cooldown_s": 0}
        for k in range(60)
    ]
    camera = {
        "fps": 0,
        "motion": False,
        "cache": {"capacity": 0},
        "triggers": triggers,
        "queue": {"max_age_s": 60, "capacity": 1024},
    }

    async def run(server: Server) -> tuple[int, int, str]:
        host, port = server.url.removeprefix("http://").split(":")
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.connect((host, int(port)))
        async with connect(f"ws://{host}:{port}/events", sock=narrow, max_queue=1, proxy=None) as slow:
            await pushed(server.url, [black, red] * 40)
            seen = lost = 0
            last = ""
            # 40 times 60 events; what was lost is told before what comes after it.
            while seen + lost < 40 * 60:
                try:
                    message = json.loads(await asyncio.wait_for(slow.recv(), 30))
                except asyncio.TimeoutError:
                    raise AssertionError(f"{seen} seen, {lost} lost, and then nothing") from None
                lost += message.get("lost", 0)
                if "event" in message:
                    seen, last = seen + 1, message["event"]["trigger"]
            return seen, lost, last

    with serve(tmp_path / "log", cameras=json.dumps({"gate": camera}), events_waiting=16) as server:
        seen, lost, last = asyncio.run(run(server))
    assert lost > 100 and seen > 16 and last.startswith("059")


def test_the_settings_are_told() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "detection_service", "--help"], cwd=HERE, capture_output=True, text=True, check=True
    ).stdout
    readme = (HERE / "README.md").read_text()
    names = [f"GUARITA_{name.upper()}" for name in Settings.model_fields]
    assert [name for name in names if name not in told or f"`{name}`" not in readme] == []
