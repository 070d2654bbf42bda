"""What the tests of the Python face share."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import subprocess
from collections.abc import Iterator

import numpy as np
import pytest

import guarita

# A shell that runs the tests in the background has Ctrl-C ignored, and so has every program that they start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def repository() -> pathlib.Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def fixtures() -> pathlib.Path:
    """Tiny models, made by a script."""
    return REPOSITORY / "models" / "fixtures"


@pytest.fixture(scope="session")
def pictures() -> pathlib.Path:
    """Small JPEG and PNG files of the core's tests."""
    return REPOSITORY / "core" / "tests" / "data"


@pytest.fixture(scope="session")
def assets() -> pathlib.Path:
    folder = pathlib.Path(os.environ.get("GUARITA_ASSETS", REPOSITORY.parent / "shared" / "assets"))
    if not folder.is_dir():
        pytest.skip(f"no assets at {folder} (set GUARITA_ASSETS)")
    return folder


@pytest.fixture(scope="session")
def model() -> str:
    """A real model of 300 x 300 pixels; `make models` provides it."""
    path = pathlib.Path(os.environ.get("GUARITA_MODEL", REPOSITORY / ".models" / "coco_ssd_mobilenet_v2.onnx"))
    if not path.exists():
        pytest.skip(f"no model at {path}: run `make models`, or set GUARITA_MODEL")
    return str(path)


@pytest.fixture(scope="session")
def ffmpeg(repository: pathlib.Path) -> str:
    """The program that decodes video."""
    named = os.environ.get("GUARITA_FFMPEG") or shutil.which("ffmpeg")
    program = named or str(repository / ".ffmpeg")
    if not pathlib.Path(program).exists():
        pytest.skip("no ffmpeg: set GUARITA_FFMPEG")
    return program


@pytest.fixture(scope="session")
def clip(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Ten seconds at ten frames a second, 96 x 96: every other second is red."""
    path = tmp_path_factory.mktemp("clips") / "clip.avi"
    red = "geq=r='255*mod(floor(T)\\,2)':g=0:b=0"
    source = ["-f", "lavfi", "-i", f"color=black:s=96x96:r=10:d=10,format=rgb24,{red}"]
    subprocess.run([ffmpeg, "-v", "error", *source, "-c:v", "mjpeg", "-q:v", "1", str(path)], check=True, timeout=120)
    return path


@pytest.fixture
def detector(model: str) -> Iterator[guarita.Detector]:
    with guarita.Detector(model) as detector:
        yield detector


@pytest.fixture(scope="session")
def noise() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (480, 640, 3), dtype=np.uint8)


@pytest.fixture
def provider(fixtures: pathlib.Path) -> Iterator[guarita.LocalProvider]:
    """Finds one plate, as surely as the picture is red; see scene.py."""
    with guarita.Detector(fixtures / "v8_nc1.onnx", min_confidence=0.1) as detector:
        with guarita.LocalProvider(detector, queue=4096) as provider:
            yield provider


@pytest.fixture
def pipeline(provider: guarita.LocalProvider) -> Iterator[guarita.Pipeline]:
    with guarita.Pipeline(provider, threads=guarita.Threads(2)) as pipeline:
        yield pipeline
