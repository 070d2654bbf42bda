"""For the tests: servers in processes of their own, on ports that the system chooses."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
#: Finds one thing in a red picture, and nothing in a black one.
FIXTURE_MODEL = ROOT / "models" / "fixtures" / "v8_nc80.onnx"
UVICORN = ("-m", "uvicorn", "detection_service.app:create_app", "--factory", "--port", "0")


class Server:
    """A server that runs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self.log = process, log
        self.url = self._url()

    def _url(self) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            found = re.search(r"(https?)://127\.0\.0\.1:(\d+)", self.log.read_text())
            if found:
                return found[0]
            time.sleep(0.05)
        raise AssertionError(f"no server:\n{self.log.read_text()}")

    def wait(self) -> None:
        """Until it answers: its socket has an address before a worker listens on it."""
        deadline = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                with self.client(verify=False) as client:
                    assert client.get("/health/live").status_code == 200, self.log.read_text()
                return
            except httpx.ConnectError:
                time.sleep(0.05)
        raise AssertionError(f"no server:\n{self.log.read_text()}")

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60, trust_env=False, **options)

    def terminate(self) -> int:
        """Asks it to end; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def serve(
    log: Path, *options: str, model: Path = FIXTURE_MODEL, command: Sequence[str] = UVICORN, **settings: object
) -> Iterator[Server]:
    """Runs a server with these options and settings, until the end of the `with`."""
    libraries = ("GUARITA_ONNXRUNTIME", "GUARITA_FFMPEG")
    env = {name: value for name, value in os.environ.items() if not name.startswith("GUARITA_") or name in libraries}
    for name, value in {"model": model, "rate_per_second": 100_000, "rate_burst": 100_000, **settings}.items():
        env[f"GUARITA_{name.upper()}"] = str(value)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command, *options], cwd=HERE, env=env, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        server = Server(process, log)
        server.wait()
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
