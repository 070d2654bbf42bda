"""`detect`: objects in pictures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import guarita

from .advice import need_pillow
from .arguments import STATUSES, add_classes, add_provider, provider
from .output import FAILED, OK

if TYPE_CHECKING:
    from .arguments import Commands

ABOUT = "finds objects in pictures; prints one line of JSON for each picture"
EXAMPLES = """\
examples:
  %(prog)s model.onnx street.jpg
  %(prog)s model.onnx *.jpg --confidence 0.4 --classes person,car --out boxes
  %(prog)s model.onnx *.jpg | jq -r '.items[]?.label.name' | sort | uniq -c
"""


def add_to(commands: Commands) -> None:
    command = commands.add_parser("detect", help=ABOUT, description=ABOUT, epilog=EXAMPLES + STATUSES)
    command.add_argument("model", type=Path, metavar="MODEL", help="an ONNX file")
    command.add_argument("images", metavar="IMAGE", nargs="+", help="JPEG or PNG files")
    command.add_argument(
        "--confidence", type=float, default=0.5, help="leave out what is less sure; 0..1 (default: 0.5)"
    )
    add_classes(command)
    add_provider(command)
    command.add_argument(
        "--out", type=Path, metavar="DIR", help="write pictures with boxes there, as PNG (needs Pillow)"
    )
    command.set_defaults(run=run, parser=command, many="images")


def run(given: argparse.Namespace) -> int:
    if any(":/" in image for image in given.images):
        given.parser.error("an IMAGE is a file; pictures are not fetched from addresses")
    out: Path | None = given.out
    if out is not None:
        need_pillow("--out")
        out.mkdir(parents=True, exist_ok=True)
    failed = 0
    written: set[Path] = set()
    with guarita.Detector(
        given.model, min_confidence=given.confidence, classes=given.classes, execution_provider=provider(given)
    ) as detector:
        for path in map(Path, given.images):
            try:
                frame = guarita.Frame.open(path)
                found = detector.detect(frame)
            except guarita.GuaritaError as error:
                failed += 1
                print(json.dumps({"image": str(path), "error": str(error), "code": error.code}), flush=True)
                continue
            print(json.dumps({"image": str(path), **found.to_dict()}), flush=True)
            if out is not None:
                _write(found, frame, _free(out, path.stem, written))
    return FAILED if failed else OK


def _free(folder: Path, name: str, written: set[Path]) -> Path:
    """Pictures of the same name in several folders have a file each."""
    path, number = folder / f"{name}.png", 1
    while path in written:
        number += 1
        path = folder / f"{name}-{number}.png"
    written.add(path)
    return path


def _write(found: guarita.Detections, frame: guarita.Frame, path: Path) -> None:
    from PIL import Image

    Image.fromarray(found.plot(frame)).save(path)
