"""Behind gunicorn, which forks: after it loaded the application, too."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import pytest
from serving import Server, serve

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("gunicorn"), reason="gunicorn is not installed")

GUNICORN = ("-m", "gunicorn", "-b", "127.0.0.1:0", "--preload", "--workers", "2", "--graceful-timeout", "30", "-k")


def answered_by(server: Server, picture: bytes, count: int) -> set[int]:
    """The workers that found what is in the picture, when so many have."""
    found: set[int] = set()
    deadline = time.monotonic() + 60
    while len(found) < count and time.monotonic() < deadline:
        with server.client() as client:
            response = client.post("/detect/frame", files={"image": picture})
            assert (response.status_code, len(response.json()["items"])) == (200, 1), server.log.read_text()
            found.add(client.get("/health").json()["worker"])
    return found


@pytest.mark.parametrize("kind", ["uvicorn_worker.UvicornWorker", "uvicorn.workers.UvicornWorker"])
def test_the_service_behind_gunicorn(tmp_path: Path, red: bytes, kind: str) -> None:
    if not importlib.util.find_spec(kind.split(".")[0]):
        pytest.skip(f"{kind} is not installed")
    command = (*GUNICORN, kind, "detection_service.app:create_app()")
    with serve(tmp_path / "log", command=command) as server:
        assert len(answered_by(server, red, 2)) == 2
        assert server.process.pid not in answered_by(server, red, 1)
        assert server.terminate() == 0
        assert "Traceback" not in server.log.read_text()


def test_a_detector_from_before_the_fork_opens_again(tmp_path: Path, red: bytes) -> None:
    command = (*GUNICORN, "uvicorn_worker.UvicornWorker", "made_before_the_fork:app")
    with serve(tmp_path / "log", command=command) as server:
        assert len(answered_by(server, red, 2)) == 2
        assert server.terminate() == 0
