"""What all commands have in common on the command line."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import guarita

if TYPE_CHECKING:
    #: What `add_subparsers` gives.
    Commands = argparse._SubParsersAction["Parser"]  # pyright: ignore[reportPrivateUsage]

STATUSES = """
exit status:
  0    all is well
  1    something failed: a picture, a camera, a frame, a delivery of events
  2    wrong arguments, or a wrong file of --config
  3    something is missing or broken: a model, ONNX Runtime, ffmpeg, Pillow, a
       file to write to
  130  Ctrl-C; 143 SIGTERM
  141  nobody reads the output any more, as in `| head -1`
"""

#: A scheme, and all that follows: where a URL ends that was cut or quoted by somebody, nobody knows.
ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/.*", re.S)


class Parser(argparse.ArgumentParser):
    """Keeps the lines of descriptions and examples as they are, and passwords of addresses out of messages."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        options.setdefault("allow_abbrev", False)
        super().__init__(**options)

    def error(self, message: str) -> NoReturn:
        super().error(ADDRESS.sub(r"\1://***", message))


def program() -> str:
    """How it was called: as the command that was installed, or as a module."""
    return "guarita" if Path(sys.argv[0]).stem == "guarita" else "python -m guarita"


def add_classes(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--classes",
        type=_names,
        action="extend",
        default=[],
        metavar="NAMES",
        help="only these, with commas between: person,car (default: all that the model knows)",
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def add_provider(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--provider",
        default="cpu",
        metavar="NAME",
        help="the execution provider of ONNX Runtime to ask for: cpu, cuda, tensorrt, ... (default: cpu)",
    )


def provider(given: argparse.Namespace) -> guarita.types.ExecutionProvider:
    """As it was given; the library knows the names."""
    return cast("guarita.types.ExecutionProvider", given.provider)
