"""The command line. It composes what the public interface has, and decides nothing that the library decides."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Sequence

import guarita

from . import detect, doctor, feed, watch
from .advice import remedy
from .arguments import STATUSES, Parser, program
from .output import CLOSED_PIPE, INTERRUPTED, MISSING, USAGE, complain, drop_output


def parser() -> argparse.ArgumentParser:
    """All commands with their arguments."""
    whole = Parser(
        prog=program(),
        description="Vision for video security: looks at pictures and cameras, and says what it needs for that.",
        epilog=EXAMPLES + STATUSES,
    )
    whole.add_argument("--version", action="version", version=f"guarita {guarita.__version__}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for command in (doctor, detect, watch):
        command.add_to(commands)
    return whole


EXAMPLES = """\
examples:
  %(prog)s doctor                                   what is on this machine, and what is missing
  %(prog)s detect model.onnx street.jpg --out boxes
  %(prog)s watch street.mp4 --model model.onnx --classes person
  %(prog)s COMMAND --help                           more of them
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status, as `--help` lists them."""
    if sys.stdout is None:
        print("error: there is no standard output to write to", file=sys.stderr)
        return MISSING
    status = MISSING
    try:
        status = _run(arguments)
        # Here, where the error of a pipe that nobody reads is caught, and not when the interpreter ends.
        sys.stdout.flush()
    except guarita.GuaritaError as error:
        usage = isinstance(error, (guarita.InvalidConfig, guarita.InvalidArgument))
        status = USAGE if usage else MISSING
        words = remedy(error)
        complain(f"error {error.code}: {error}" + (f"\nadvice: {words}" if words else ""))
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:
        # As `head` does when it has seen enough. The status is a shell's for SIGPIPE.
        status = CLOSED_PIPE
    except OSError as error:
        complain(f"error: {error}")
    drop_output()
    if any(isinstance(thread, feed.Feed) for thread in threading.enumerate()):
        # It waits inside of a decoder, which nothing but the end of the process interrupts, and must not wake up in an
        # interpreter that is going down. What was to be kept is written.
        os._exit(status)
    return status


def _run(arguments: Sequence[str] | None) -> int:
    whole = parser()
    if "_ARGCOMPLETE" in os.environ:
        _complete(whole)
    try:
        given, rest = whole.parse_known_args(arguments)
        if rest:
            # argparse takes a list at one place only: `watch a.mp4 --fps 2 b.mp4`.
            if not given.many or any(word.startswith("-") for word in rest):
                given.parser.error(f"unrecognized arguments: {' '.join(rest)}")
            getattr(given, str(given.many)).extend(rest)
        status: int = given.run(given)
    except SystemExit as end:
        # After help, or a usage error.
        return end.code if isinstance(end.code, int) else USAGE
    return status


def _complete(whole: argparse.ArgumentParser) -> None:
    """Answers a shell that asks how the line could go on."""
    try:
        import argcomplete
    except ModuleNotFoundError:
        return
    argcomplete.autocomplete(whole)
