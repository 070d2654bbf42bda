"""For the tests: a server in a process of its own, and clients."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import socketio  # type: ignore[import-untyped]
from PIL import Image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
#: Finds a toothbrush in a red picture, and nothing in a black one.
FIXTURE_MODEL = ROOT / "models" / "fixtures" / "v8_nc80.onnx"

Serve = Callable[..., AbstractContextManager["Running"]]


class Running:
    """A server that runs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self._log = process, log
        deadline = time.monotonic() + 60
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", self.log)):
            assert process.poll() is None and time.monotonic() < deadline, f"no server:\n{self.log}"
            time.sleep(0.05)
        self.url = found[0]

    @property
    def log(self) -> str:
        return self._log.read_text()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Any]:
        """A client that is connected."""
        client = socketio.AsyncClient(reconnection=False)
        await client.connect(self.url, transports=["websocket"], wait_timeout=30)
        try:
            yield client
        finally:
            await client.disconnect()


@contextmanager
def run(log: Path, **settings: object) -> Iterator[Running]:
    """Runs a server with these settings, until the end of the `with`; then it has to end well."""
    given = {"model": FIXTURE_MODEL, "port": 0, "frames_per_second": 100_000, "burst": 100_000, **settings}
    env = {**os.environ, **{f"REALTIME_{name.upper()}": str(value) for name, value in given.items()}}
    with log.open("wb") as output:
        command = [sys.executable, "-u", "-m", "realtime_detection"]
        process = subprocess.Popen(command, cwd=HERE, env=env, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield Running(process, log)
        process.terminate()
        assert process.wait(30) == 0
        assert "Traceback" not in log.read_text(), log.read_text()
    finally:
        process.kill()
        process.wait()


def picture(color: str | tuple[int, int, int], size: tuple[int, int] = (320, 240), kind: str = "JPEG") -> bytes:
    """A picture of one color. As JPEG, colors that are close have the same bytes."""
    encoded = io.BytesIO()
    Image.new("RGB", size, color).save(encoded, kind)
    return encoded.getvalue()
