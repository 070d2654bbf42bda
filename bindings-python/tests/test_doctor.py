"""The doctor, and the module as a program."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest

import guarita


def test_it_says_what_there_is(fixtures: pathlib.Path) -> None:
    report = guarita.doctor(fixtures / "v8_nc1.onnx")
    assert report["ok"] is True and report["version"] == guarita.__version__
    assert report["onnxruntime"]["version"].count(".") == 2 and "cpu" in report["onnxruntime"]["providers"]
    assert os.path.exists(report["onnxruntime"]["library"])
    assert report["model"]["execution_provider"] == "cpu" and report["model"]["family"] == "yolov8"
    assert {"video", "rekognition"} <= set(report["features"]) and report["processors"] >= 1
    assert report["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "count" in report["certificates"] or report["certificates"]["code"] == "RuntimeUnavailable"
    assert "path" in report["ffmpeg"] or report["ffmpeg"]["code"] == "RuntimeUnavailable"
    assert json.loads(json.dumps(report)) == report
    with guarita.Detector(fixtures / "v8_nc1.onnx") as detector:
        assert report["model"] == detector.report


def test_what_is_missing_says_what_to_do(tmp_path: pathlib.Path, fixtures: pathlib.Path) -> None:
    report = guarita.doctor(tmp_path / "none.onnx")
    assert report["ok"] is False
    assert (report["model"]["code"], report["model"]["advice"]) == ("NotFound", "ChangeConfig")
    report = guarita.doctor(fixtures / "v8_nc1.onnx", execution_provider="directml")
    assert report["ok"] is False and report["model"]["code"] == "RuntimeUnavailable"
    assert guarita.doctor()["model"] is None
    with pytest.raises(guarita.InvalidConfig, match="nonsense"):
        guarita.doctor(nonsense=1)  # type: ignore[call-arg]


def run(*arguments: str | pathlib.Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "guarita", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
    )


def test_a_library_that_cannot_be_used_is_reported_and_not_the_end(tmp_path: pathlib.Path) -> None:
    done = run("doctor", GUARITA_ONNXRUNTIME=str(tmp_path / "libonnxruntime.so"))
    report = json.loads(done.stdout)
    assert done.returncode == 3 and report["ok"] is False
    assert (report["onnxruntime"]["code"], report["onnxruntime"]["advice"]) == ("RuntimeUnavailable", "FixHost")
    assert str(tmp_path) in report["onnxruntime"]["error"]
    # A package whose library is torn.
    broken = tmp_path / "packages" / "onnxruntime" / "capi"
    broken.mkdir(parents=True)
    (broken.parent / "__init__.py").touch()
    (broken / "libonnxruntime.so.1.99.0").write_bytes(b"no library")
    environment = {"GUARITA_ONNXRUNTIME": "", "ORT_DYLIB_PATH": "", "PYTHONPATH": str(tmp_path / "packages")}
    report = json.loads(run("doctor", **environment).stdout)
    assert report["onnxruntime"]["code"] == "RuntimeUnavailable" and "packages" in report["onnxruntime"]["error"]


def test_it_has_help() -> None:
    for arguments in (("--help",), ("doctor", "--help"), ("detect", "--help")):
        done = run(*arguments)
        assert done.returncode == 0 and "usage: python -m guarita" in done.stdout
    assert run("--version").stdout == f"guarita {guarita.__version__}\n"
    assert run().returncode == 2 and run("sing").returncode == 2


def test_who_has_seen_enough_gets_no_traceback(fixtures: pathlib.Path, pictures: pathlib.Path) -> None:
    picture = next(iter(sorted(pictures.rglob("*.jpg"))))
    for arguments in (["doctor"], ["detect", fixtures / "v8_nc1.onnx", picture, picture], ["--help"]):
        program = subprocess.Popen(
            [sys.executable, "-m", "guarita", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert program.stdout is not None and program.stderr is not None
        # As `| head -0`.
        program.stdout.close()
        assert program.stderr.read() == "", arguments
        assert program.wait(300) in (0, 141)


def test_it_detects(tmp_path: pathlib.Path, model: str, pictures: pathlib.Path) -> None:
    picture = next(iter(sorted(pictures.rglob("*.jpg"))), None)
    assert picture is not None
    torn = tmp_path / "torn.jpg"
    torn.write_bytes(picture.read_bytes()[:50])
    done = run("detect", model, picture, torn, "--confidence", "0.05", "--out", tmp_path / "out")
    lines: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["image"] for line in lines] == [str(picture), str(torn)]
    assert done.returncode == 1 and lines[1]["code"] == "DataCorrupt"
    assert {"items", "frame"} <= set(lines[0])
    from PIL import Image

    with Image.open(tmp_path / "out" / f"{picture.stem}.png") as drawn:
        assert drawn.size == (lines[0]["frame"]["width"], lines[0]["frame"]["height"])
    missing = run("detect", tmp_path / "none.onnx", picture)
    assert missing.returncode == 3 and "NotFound" in missing.stderr and "Traceback" not in missing.stderr


def test_it_writes_no_pictures_without_pillow(tmp_path: pathlib.Path, model: str) -> None:
    program = (
        "import sys, guarita.__main__ as program, guarita._cli.advice as advice\n"
        "advice.find_spec = lambda name: None\n"
        f"sys.exit(program.main(['detect', {model!r}, 'none.jpg', '--out', {str(tmp_path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 3 and "pip install pillow" in done.stderr
