"""What the comparisons share: a program that answers JSON lines, and how results are printed."""

from __future__ import annotations

import json
import os
import pathlib
import platform
import select
import shutil
import subprocess
import sys
import tempfile
import time


class Broken(Exception):
    """The comparison cannot go on."""


class Refused(Exception):
    """The program answered {"ok": false}."""


class Program:
    """The library behind its JSON lines. One child process serves the whole comparison."""

    def __init__(self, program: pathlib.Path, timeout: float):
        self.timeout = timeout
        self.errors = tempfile.TemporaryFile()
        self.buffer = b""
        try:
            self.child = subprocess.Popen(
                [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, bufsize=0
            )
        except OSError as error:
            raise Broken(f"cannot start {program}: {error}") from error

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_) -> None:
        self.child.stdin.close()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.errors.close()

    def call(self, op: str, **fields) -> dict:
        self.send(op, **fields)
        return self.answer(op)

    def send(self, op: str, **fields) -> None:
        """Asks without waiting; `answer` must follow before anything else is asked."""
        try:
            self.child.stdin.write(json.dumps({"op": op, **fields}).encode() + b"\n")
        except OSError:
            self.fail(f"it ended before `{op}`")

    def answer(self, op: str) -> dict:
        line = self.line(op)
        try:
            answer = json.loads(line)
            ok = answer["ok"]
        except (ValueError, KeyError, TypeError):
            self.fail(f"it answered `{op}` with {line[:200]!r}")
        if not ok:
            raise Refused(str(answer.get("error", "no reason given")))
        return answer

    def line(self, op: str) -> bytes:
        until = time.monotonic() + self.timeout
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.child.stdout], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                self.child.kill()
                self.fail(f"no answer to `{op}` in {self.timeout:.0f} s")
            block = os.read(self.child.stdout.fileno(), 1 << 16)
            if not block:
                self.fail(f"it ended during `{op}`")
            self.buffer += block
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line

    def fail(self, what: str):
        self.errors.seek(0)
        tail = self.errors.read()[-2000:].decode(errors="replace").strip()
        raise Broken(f"the program under comparison: {what}" + (f"\n{tail}" if tail else ""))


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def progress_done() -> None:
    progress("")


def table(head: list[str], rows: list[list[str]]) -> None:
    """The first column to the left, the others to the right."""
    widths = [max(len(row[k]) for row in [head, *rows]) for k in range(len(head))]
    for row in [head, ["-" * w for w in widths], *rows]:
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        print("  " + "  ".join(cells).rstrip())


def title(text: str) -> None:
    print(f"\n{text}", flush=True)


def cpu_model() -> str:
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def scratch_folder() -> pathlib.Path | None:
    """Memory rather than a disk, where the system offers it and has room: batches go through files."""
    memory = pathlib.Path("/dev/shm")
    try:
        return memory if shutil.disk_usage(memory).free > 2 << 30 else None
    except OSError:
        return None
