"""`doctor`: what is on this machine, and what is missing."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import guarita

from .advice import ARGCOMPLETE, MODEL, PILLOW, RICH
from .arguments import STATUSES, add_provider, provider
from .output import MISSING, OK, printable

if TYPE_CHECKING:
    from .arguments import Commands

ABOUT = "says what guarita finds on this machine, what is missing, and what to do about it"
MORE = """

On a terminal it is for people; elsewhere, and with --json, it is JSON. ffmpeg,
certificates and the packages are needed for some things only, and do not count
for the exit status.
"""
EXAMPLES = """\
examples:
  %(prog)s
  %(prog)s model.onnx                               and opens the model
  %(prog)s model.onnx --provider cuda               on the GPU
  %(prog)s --json | jq .onnxruntime.version
"""


def add_to(commands: Commands) -> None:
    command = commands.add_parser("doctor", help=ABOUT, description=ABOUT + MORE, epilog=EXAMPLES + STATUSES)
    command.add_argument("model", nargs="?", type=Path, metavar="MODEL", help="a model file to open")
    add_provider(command)
    command.add_argument("--json", action="store_true", help="JSON on a terminal too")
    command.set_defaults(run=run, parser=command, many="")


def run(given: argparse.Namespace) -> int:
    report = guarita.doctor(given.model, execution_provider=provider(given))
    people = sys.stdout.isatty() and not given.json
    if people:
        print(printable("\n".join(summary(report, max(60, shutil.get_terminal_size().columns)))))
    else:
        print(json.dumps(report, indent=2))
    return OK if report["ok"] else MISSING


class Finding(NamedTuple):
    """A line of the summary."""

    name: str
    state: str
    words: str
    #: What to do, where something is missing.
    remedy: str = ""


def summary(report: dict[str, Any], width: int) -> Iterator[str]:
    """The report in words for people, in lines of this width."""
    versions = f"guarita {report['version']}, Python {report['python']}, NumPy {report['numpy']}"
    processors = f"{_many(report['processors'], 'processor')} ({', '.join(report['cpu_features'])})"
    for line in (f"{versions}, {report['platform']}", processors):
        yield from _wrapped(line, width, "", "  ")
    yield ""
    for found in (*_parts(report), *_packages()):
        first = f"  {found.name:<13} {found.state:<8} "
        for line in (*found.words.splitlines(), *([f"-> {found.remedy}"] if found.remedy else [])):
            yield from _wrapped(line, width, first, " " * len(first))
            first = " " * len(first)
    yield ""
    yield "All is well." if report["ok"] else "Something that is needed is missing or broken: see above."


def _wrapped(line: str, width: int, first: str, others: str) -> list[str]:
    # Paths are to be copied whole.
    return textwrap.wrap(
        line, width, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )


def _parts(report: dict[str, Any]) -> Iterator[Finding]:
    part = report["onnxruntime"]
    if "error" in part:
        yield _wrong("ONNX Runtime", part)
    else:
        yield Finding("ONNX Runtime", "ok", f"{part['version']} ({', '.join(part['providers'])}), {part['library']}")
    part = report["model"]
    if part is None:
        yield Finding("model", "-", "none was named: give its file to have it opened")
    elif "error" in part:
        yield _wrong("model", part, MODEL if part["code"] == "NotFound" else "")
    else:
        yield Finding(
            "model", "ok", f"{part['family']}, {_many(part['classes'], 'class', 'es')}, on {part['execution_provider']}"
        )
    part = report["ffmpeg"]
    if "error" in part:
        yield _wrong("ffmpeg", part, "only video files and streams need it")
    else:
        yield Finding("ffmpeg", "ok", f"{part['path']} ({part['origin']})")
    part = report["certificates"]
    if "error" in part:
        yield _wrong(
            "certificates", part, "for clouds and webhooks: install the system's (apt install ca-certificates)"
        )
    else:
        yield Finding("certificates", "ok", f"{part['count']} of authorities")


def _wrong(name: str, part: dict[str, Any], remedy: str = "") -> Finding:
    missing = part["code"] in ("RuntimeUnavailable", "NotFound")
    return Finding(name, "missing" if missing else "broken", part["error"], remedy)


def _many(count: int, name: str, plural: str = "s") -> str:
    return f"{count} {name}{plural if count != 1 else ''}"


def _packages() -> Iterator[Finding]:
    """What the commands use where it is there."""
    for name, package, use, remedy in (
        ("Pillow", "PIL", "pictures with boxes (--out)", PILLOW),
        ("rich", "rich", "the live table of watch", RICH),
        ("argcomplete", "argcomplete", "completion in a shell", ARGCOMPLETE),
    ):
        there = find_spec(package) is not None
        yield Finding(name, "ok" if there else "missing", f"for {use}", "" if there else remedy)
