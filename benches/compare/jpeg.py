#!/usr/bin/env python3
"""Compares what this library makes of JPEGs with libjpeg-turbo, through Pillow: pictures of many samplings, orders of scans,
sizes, restart intervals and marks of the colours, written by core/tests/common/jpeg.rs.

Each picture that the library decodes must have libjpeg's pixels (whole: a mean difference of at most 1.5 levels, since
decoders make missing chroma up differently; in gray at its full size: at most 2 levels anywhere; at 1/2, 1/4 and 1/8: at most
2 inside, where no block goes on behind the edge). Each one that it refuses must be refused as a kind, `Unsupported`, or be
damaged for libjpeg too. --record writes the table that core/tests/jpeg_structures.rs reads. --seconds compares pictures whose
structure is drawn by lot, for so long, in place of those of the sweep.

Exit status: 0 when all pixels are libjpeg's and the table is current, 1 otherwise.
"""

from __future__ import annotations

import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image, features

from common import progress, progress_done, table, title

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TABLE = REPOSITORY / "core/tests/data/jpeg_structures.txt"
WHOLE, GRAY, INSIDE = 1.5, 2, 2
# Of pictures drawn by lot, which may be so narrow that neighbours differ much: levels more, by the shorter side.
NARROW = 40
HEAD = """\
# What becomes of the pictures of core/tests/common/jpeg.rs, made by `make compare-jpeg COMPARE=--record`: the code of an
# error, or a hash of their pixels, which were compared with those of libjpeg-turbo.
"""


def reference(path: pathlib.Path, channels: int, by: int) -> np.ndarray:
    """What libjpeg-turbo makes of it; `by` 0 is the whole picture."""
    picture = Image.open(path)
    if by:
        # libjpeg reads luma as it is coded, and makes it smaller in the transform.
        picture.draft("L", (max(picture.width // by, 1), max(picture.height // by, 1)))
    return np.asarray(picture.convert("RGB" if channels == 3 and not by else "L")).astype(int)


def has_coded_luma(picture: dict) -> bool:
    """Whether the first component is luma: not of red, green and blue, nor of four inks, by libjpeg's default_decompress_parms."""
    if len(picture["ids"]) != 3:
        return len(picture["ids"]) == 1
    if picture["jfif"] or picture["adobe"] is not None:
        return picture["jfif"] or picture["adobe"] != 0
    return bytes(picture["ids"]) != b"RGB"


def differences(folder: pathlib.Path, picture: dict, narrow: float) -> str | None:
    """What is wrong with a picture that was decoded."""
    coded_luma = has_coded_luma(picture)
    number, width, height, channels = (picture[key] for key in ("number", "width", "height", "channels"))
    raw = np.fromfile(folder / f"{number}.raw", np.uint8).astype(int)
    path = folder / f"{number}.jpg"
    whole, raw = raw[: width * height * channels], raw[width * height * channels :]
    expected = reference(path, channels, 0)
    off = np.abs(whole - expected.reshape(-1)).mean()
    if off > WHOLE + narrow / min(width, height):
        return f"whole: {off:.2f} levels off"
    for w, h in picture["small"]:
        # A narrow picture is smaller than it was asked to be.
        scales = [by for by in (8, 4, 2, 1) if (w, h) == (-(-width // by), -(-height // by))]
        if not scales:
            return f"a small picture of {w}x{h}"
        by = scales[0]
        small, raw = raw[: w * h].reshape(h, w), raw[w * h :]
        # Pillow asks libjpeg for no picture without a row.
        if not coded_luma or min(width, height) < by:
            continue
        theirs = reference(path, channels, by)
        if theirs.shape != small.shape:
            return f"1/{by}: {small.shape}, not {theirs.shape}"
        off = np.abs(small - theirs)
        inside = off if by == 1 else off[: height // by, : width // by]
        if inside.size and inside.max() > (GRAY if by == 1 else INSIDE):
            return f"1/{by}: {inside.max()} levels off"
    return None


def fault(folder: pathlib.Path, picture: dict, narrow: float = 0) -> str | None:
    """What is wrong with what became of a picture."""
    refused = picture.get("refused")
    if refused is None:
        return differences(folder, picture, narrow)
    if refused == "Unsupported":
        return None
    try:
        Image.open(folder / f"{picture['number']}.jpg").load()
    except OSError:
        return None
    return f"{refused}, but libjpeg-turbo reads it"


def written(ours: pathlib.Path, folder: pathlib.Path, *arguments: int) -> list[dict]:
    """The rows of pictures that the library's program wrote into the folder."""
    subprocess.run([ours, folder, *map(str, arguments)], check=True)
    return json.loads((folder / "index.json").read_text())


def by_lot(ours: pathlib.Path, seconds: float, seed: int) -> int:
    """Compares pictures that are drawn by lot; returns the exit status."""
    begun, pictures, decoded, at_once = time.monotonic(), 0, 0, 500
    while time.monotonic() - begun < seconds:
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch)
            for row in written(ours, folder, at_once, seed):
                (picture,) = row["pictures"]
                pictures, decoded = pictures + 1, decoded + ("refused" not in picture)
                if wrong := fault(folder, picture, NARROW):
                    kept = pathlib.Path(tempfile.gettempdir()) / f"guarita-jpeg-{seed}-{picture['number']}.jpg"
                    kept.write_bytes((folder / f"{picture['number']}.jpg").read_bytes())
                    print(f"{wrong}; {row['name']}; the picture is {kept}")
                    return 1
        seed += 1
        progress(f"{pictures} pictures, {time.monotonic() - begun:.0f} of {seconds:.0f} s")
    progress_done()
    print(f"jpeg: {pictures} pictures drawn by lot, {decoded} decoded, 0 not as libjpeg-turbo")
    return 0


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--ours", type=pathlib.Path, required=True, help="the program compare-jpeg")
    arguments.add_argument("--record", action="store_true", help="write the table that the test reads")
    arguments.add_argument("--seconds", type=float, help="compare pictures drawn by lot for so long")
    arguments.add_argument("--seed", type=int, default=1, help="what they are drawn from (default: 1)")
    options = arguments.parse_args()
    title(f"JPEG structures: libjpeg-turbo {features.version('libjpeg_turbo')} through Pillow {Image.__version__}")
    if options.seconds:
        return by_lot(options.ours, options.seconds, options.seed)
    faults: dict[str, list[str]] = collections.defaultdict(list)
    counts: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        progress("writing and decoding the pictures")
        rows = written(options.ours, folder)
        for at, row in enumerate(rows):
            progress(f"{at} of {len(rows)}: {row['name']}")
            kind = "colours" if row["name"].startswith("colors") else row["name"].partition(" ")[2]
            for picture in row["pictures"]:
                counts[kind][picture.get("refused", "decoded")] += 1
                wrong = fault(folder, picture)
                if wrong:
                    faults[row["name"]].append(f"{picture['width']}x{picture['height']}: {wrong}")
        progress_done()
    outcomes = sorted({outcome for counter in counts.values() for outcome in counter})
    table(["pictures", *outcomes], [[kind, *(str(counter[name]) for name in outcomes)] for kind, counter in counts.items()])
    for name, wrong in faults.items():
        print(f"  {name}: {len(wrong)}, as {wrong[0]}")
    text = HEAD + "".join(f"{row['name']}\t{row['verdict']}\n" for row in rows)
    if options.record and not faults:
        TABLE.write_text(text)
    current = TABLE.is_file() and TABLE.read_text() == text
    pictures = sum(sum(counter.values()) for counter in counts.values())
    decoded = sum(counter["decoded"] for counter in counts.values())
    print(
        f"\njpeg: {pictures} pictures in {len(rows)} rows, {decoded} decoded, {sum(map(len, faults.values()))} not as libjpeg-turbo; "
        f"the table is {'current' if current else 'not current: --record writes it'}"
    )
    return 0 if current and not faults else 1


if __name__ == "__main__":
    sys.exit(main())
