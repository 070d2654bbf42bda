#!/usr/bin/env python3
"""Writes the pictures of the README from what `make demo` left in out/, each with so few colours that it is small.

usage: shrink.py OUT FOLDER

    event.png     OUT/watch/events/tracks-steps-onto-tracks-4.png, an event of the camera "tracks" of
                  examples/watch/cameras.toml. A machine that is busy may not get to this event, or number it otherwise.
    timeline.png  OUT/lawn/vtest-timeline.png, the motion gate over the lawn (examples/gate/lawn.toml). It wants
                  video/vtest.avi of OpenCV's samples in the folder GUARITA_ASSETS.
"""

import pathlib
import sys

from PIL import Image

PICTURES = {
    "event.png": ("watch/events/tracks-steps-onto-tracks-4.png", 192),
    "timeline.png": ("lawn/vtest-timeline.png", 32),
}


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__)
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    out, folder = map(pathlib.Path, sys.argv[1:])
    missing = 0
    for name, (source, colours) in PICTURES.items():
        if not (out / source).is_file():
            print(f"{folder / name} stays as it is: there is no {out / source}; run `make demo` first", file=sys.stderr)
            missing += 1
            continue
        with Image.open(out / source) as picture:
            few = picture.convert("RGB").quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
            few.save(folder / name, optimize=True)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
