"""`python -m guarita`: what guarita finds on this machine, and detections in pictures."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import guarita


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status: 0 all is well, 1 a picture failed, 3 something is missing or broken,
    141 nobody reads the output."""
    parser = argparse.ArgumentParser(prog="python -m guarita", description=__doc__)
    parser.add_argument("--version", action="version", version=f"guarita {guarita.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    about = "says what guarita finds on this machine, and what is missing, as JSON"
    doctor = commands.add_parser("doctor", help=about, description=about)
    doctor.add_argument("model", nargs="?", type=Path, help="a model file to open")
    doctor.add_argument("--provider", default="cpu", help="the execution provider to ask for (default: cpu)")

    about = "finds objects in pictures; prints one line of JSON for each picture"
    detect = commands.add_parser("detect", help=about, description=about)
    detect.add_argument("model", type=Path, metavar="MODEL", help="an ONNX file")
    detect.add_argument("images", type=Path, metavar="IMAGE", nargs="+", help="JPEG or PNG files")
    detect.add_argument(
        "--confidence", type=float, default=0.5, help="leave out what is less sure; 0..1 (default: 0.5)"
    )
    detect.add_argument(
        "--out", type=Path, metavar="DIR", help="write pictures with boxes there, as PNG (needs Pillow)"
    )

    given = parser.parse_args(arguments)
    if given.command == "detect" and any(":/" in str(image) for image in given.images):
        parser.error("an IMAGE is a file; pictures are not fetched from addresses")
    if sys.stdout is None:
        print("error: there is no standard output to write to", file=sys.stderr)
        return 3
    try:
        if given.command == "doctor":
            status = _doctor(given.model, given.provider)
        else:
            status = _detect(given.model, given.images, given.confidence, given.out)
        # Here, where the error of a pipe that nobody reads is caught, and not when the interpreter ends.
        sys.stdout.flush()
        return status
    except guarita.GuaritaError as error:
        print(f"error {error.code}: {error}\nadvice: {error.advice}", file=sys.stderr)
        return 3
    except BrokenPipeError:
        # As `head` does when it has seen enough. The status is a shell's for SIGPIPE.
        _drop_output()
        return 141
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        _drop_output()
        return 3


def _drop_output() -> None:
    """What is still to be written goes nowhere, so that the interpreter does not fail at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _doctor(model: Path | None, provider: guarita.types.ExecutionProvider) -> int:
    report = guarita.doctor(model, execution_provider=provider)
    print(json.dumps(report, indent=2))
    return 0 if report["ok"] else 3


def _detect(model: Path, images: Sequence[Path], confidence: float, out: Path | None) -> int:
    if out is not None:
        if find_spec("PIL") is None:
            print("--out writes PNG with Pillow, which is not installed: pip install pillow", file=sys.stderr)
            return 3
        out.mkdir(parents=True, exist_ok=True)
    failed = 0
    with guarita.Detector(model, min_confidence=confidence) as detector:
        for path in images:
            try:
                frame = guarita.Frame.open(path)
                found = detector.detect(frame)
            except guarita.GuaritaError as error:
                failed += 1
                print(json.dumps({"image": str(path), "error": str(error), "code": error.code}), flush=True)
                continue
            print(json.dumps({"image": str(path), **found.to_dict()}), flush=True)
            if out is not None:
                _write(found, frame, out / f"{path.stem}.png")
    return 1 if failed else 0


def _write(found: guarita.Detections, frame: guarita.Frame, path: Path) -> None:
    from PIL import Image

    Image.fromarray(found.plot(frame)).save(path)


if __name__ == "__main__":
    sys.exit(main())
