"""Exit statuses, and what programs owe to whoever reads their output."""

from __future__ import annotations

import contextlib
import os
import sys

OK = 0
#: A picture, a camera, a delivery.
FAILED = 1
USAGE = 2
MISSING = 3
#: And the number of the signal, as a shell has it.
SIGNALLED = 128
INTERRUPTED = SIGNALLED + 2
CLOSED_PIPE = SIGNALLED + 13


def complain(text: str) -> None:
    """Writes to the standard error, if somebody reads it."""
    with contextlib.suppress(OSError, AttributeError):
        print(printable(text), file=sys.stderr, flush=True)


def drop_output() -> None:
    """What is still to be written goes nowhere where it cannot go, so that the interpreter does not fail at its end."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def printable(text: str) -> str:
    """Without what a terminal would obey: names of files, cameras and classes are anybody's."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
