"""Fixtures of the tests."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from serving import ROOT, Server, serve

CAMERA = (
    '{"gate": {"fps": 0, "motion": false, "cache": {"capacity": 0}, "triggers": '
    '[{"name": "brush", "when": {"present": {"classes": ["toothbrush"]}}, "cooldown_s": 0}]}}'
)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a small model, without limits to the rate, and with a camera."""
    folder = tmp_path_factory.mktemp("service")
    log = folder / "log"
    with serve(log, cameras=CAMERA, max_picture_bytes=200_000, max_video_bytes=8_000_000, max_pictures=4) as server:
        yield server


@pytest.fixture(scope="session")
def model() -> Path:
    """A real model, with 90 classes of things."""
    path = Path(os.environ.get("GUARITA_MODEL", ROOT / ".models" / "coco_ssd_mobilenet_v2.onnx"))
    if not path.is_file():
        pytest.skip(f"there is no model at {path}")
    return path


@pytest.fixture(scope="session")
def clip() -> bytes:
    """A video of a street."""
    path = ROOT / ".clips" / "market_street.mp4"
    if not path.is_file():
        pytest.skip(f"there is no video at {path}")
    return path.read_bytes()


@pytest.fixture(scope="session")
def photos() -> list[bytes]:
    """Photographs, as JPEG of 480 pixels."""
    paths = sorted((ROOT / ".pictures").glob("*.png"))
    if not paths:
        pytest.skip(f"there are no pictures in {ROOT / '.pictures'}")
    return [_encoded(Image.open(path).convert("RGB"), "JPEG", 480) for path in paths]


@pytest.fixture(scope="session")
def red() -> bytes:
    """A picture in which the small model sees something."""
    return _encoded(Image.new("RGB", (320, 240), "red"), "JPEG")


@pytest.fixture(scope="session")
def black() -> bytes:
    """A picture in which it sees nothing."""
    return _encoded(Image.new("RGB", (320, 240), "black"), "PNG")


def _encoded(image: Image.Image, kind: str, side: int = 4096) -> bytes:
    image.thumbnail((side, side))
    encoded = io.BytesIO()
    image.save(encoded, kind)
    return encoded.getvalue()
