#!/usr/bin/env python3
"""What `make demo` does: builds what the next part needs, shows it, and goes on to the part that takes longer to build.

usage: demo.py [--first]

The first part needs no cloud and no TLS, which are most of a build. With --first it ends after that.

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ASSETS = Path(os.environ.get("GUARITA_ASSETS") or ROOT.parent / "shared" / "assets")
BUILD = ["cargo", "build", "--release", "--package", "guarita-examples"]
MODEL = [".models/coco_ssd_mobilenet_v2.onnx"]
BEGAN = time.monotonic()


class Failed(Exception):
    """A step that did not end well; what it printed."""


class Job(threading.Thread):
    """A command that runs beside others. What it prints goes into a file, and is shown only where it fails."""

    def __init__(self, label: str, command: list[str]):
        super().__init__(daemon=True)
        self.label, self.failure = label, ""
        self._command, self._compiled, self._crates = command, 0, 0

    def run(self) -> None:
        with tempfile.TemporaryFile("w+") as output:
            child = subprocess.Popen(
                self._command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
            )
            assert child.stdout is not None
            for line in child.stdout:
                output.write(line)
                if line.lstrip().startswith("Compiling "):
                    # Not before: where nothing is compiled, nobody waits for a count.
                    self._crates = self._crates or crates(self._command)
                    self._compiled += 1
            if child.wait():
                output.seek(0)
                self.failure = f"{self.label}: {' '.join(self._command)}\n{output.read()}"

    def state(self) -> str:
        if not self._crates:
            return self.label
        return f"{self.label}: crate {min(self._compiled, self._crates)} of {self._crates}"


def crates(build: list[str]) -> int:
    """How many crates a build has, for its line of progress; those that are built already count too."""
    features = [argument for argument in build if argument == "--no-default-features"]
    tree = ["cargo", "tree", "--package", "guarita-examples", "--edges", "normal,build", "--prefix", "none", *features]
    answer = subprocess.run(tree, cwd=ROOT, capture_output=True, text=True)
    return len({line.split(" (")[0] for line in answer.stdout.splitlines()})


def wait(*jobs: Job) -> None:
    """Runs jobs beside each other, with a line of progress: kept up to date on a terminal, one every 20 s elsewhere."""
    terminal, said = sys.stderr.isatty(), time.monotonic()
    for job in jobs:
        job.start()
    while running := [job for job in jobs if job.is_alive()]:
        running[0].join(0.2)
        line = f"{time.monotonic() - BEGAN:5.0f} s  " + ", ".join(job.state() for job in running)
        if terminal:
            print(f"\r\033[K{line[:100]}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - said > 20:
            said = time.monotonic()
            print(line, file=sys.stderr, flush=True)
    if terminal:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    if failures := [job.failure for job in jobs if job.failure]:
        raise Failed("\n".join(failures))


def build(what: str, *arguments: str) -> Job:
    return Job(f"building {what}", [*BUILD, *arguments])


def make(what: str, *targets: str) -> Job:
    return Job(what, ["make", "--no-print-directory", *targets])


def show(title: str, program: str, *arguments: str) -> None:
    """Runs a program of the examples in front of the person."""
    print(f"\n{title}\n", flush=True)
    done = subprocess.run([f"target/release/{program}", *arguments], cwd=ROOT)
    if done.returncode:
        raise Failed(f"{program} ended with {done.returncode}")


def there(*files: str) -> list[str]:
    """Those of the assets that are there."""
    return [str(ASSETS / name) for name in files if (ASSETS / name).is_file()]


def spent() -> str:
    use = resource.getrusage(resource.RUSAGE_CHILDREN)
    return f"{time.monotonic() - BEGAN:.0f} s ({use.ru_utime + use.ru_stime:.0f} CPU s)"


def pictures() -> None:
    wait(
        build("the detector", "--no-default-features", "--bin", "detect"),
        make("fetching ONNX Runtime, a model and pictures", "models", "pictures"),
    )
    images = there("images/bus.jpg", "images/zidane.jpg")
    show("objects in pictures", "detect", "--model", *MODEL, "--out", "out", ".pictures", *images)
    first = next((ROOT / "out").glob("*.png"))
    print(f"first picture after {spent()}: {first.relative_to(ROOT)}", flush=True)


def cameras() -> None:
    wait(
        build("the cameras and the gate", "--no-default-features", "--bin", "watch", "--bin", "gate"),
        make("fetching a minute of street video", "clips"),
    )
    shutil.rmtree(ROOT / "out/watch", ignore_errors=True)
    plaza = there("video/vtest.avi")
    more = ["examples/watch/plaza.toml", "--clips", str(ASSETS / "video")] if plaza else []
    show(
        "cameras with zones and triggers (examples/watch/cameras.toml), twice as fast as they were filmed",
        *["watch", "--model", *MODEL, "--out", "out/watch", "--speed", "2x", "--clips", ".clips"],
        *["examples/watch/cameras.toml", *more],
    )
    show(
        "the motion gate alone: market_street.mp4 was filmed from a moving cable car, its worst case",
        *["gate", "--model", *MODEL, "--out", "out", ".clips/market_street.mp4", *plaza],
    )
    if plaza:
        show(
            "the same with a gate that looks at the lawn only (examples/gate/lawn.toml)",
            *["gate", "--model", *MODEL, "--out", "out/lawn", "--gate", "examples/gate/lawn.toml", *plaza],
        )


def cloud() -> None:
    wait(
        build("the cloud's client", "--bin", "hybrid"),
        make("installing a stand-in for the cloud", "stand-in"),
    )
    show(
        "the same pictures with a cloud behind the detector (a stand-in on this machine), and a day's budget of 12 looks",
        *["hybrid", "--model", *MODEL, ".pictures"],
    )


def main() -> int:
    if sys.argv[1:] not in ([], ["--first"]):
        print(__doc__)
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    try:
        pictures()
        if sys.argv[1:] != ["--first"]:
            cameras()
            cloud()
            print(f"\nall of it took {spent()}; pictures, timelines and events are in out/")
    except Failed as failure:
        print(f"make demo: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
