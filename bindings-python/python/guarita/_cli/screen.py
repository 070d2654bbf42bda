"""Where what happens is shown: a table that stays on a terminal, with lines going by above it, or lines alone."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, TextIO

from . import table
from .advice import RICH
from .output import complain, printable

if TYPE_CHECKING:
    from rich.table import Table

#: Seconds between two tables, on a terminal and elsewhere.
LIVE, PLAIN = 0.25, 5.0
#: Terminals that cannot move the cursor.
DUMB = ("dumb", "unknown", "")
STYLES = {"running": "green", "failed": "bold red", "opening": "yellow"}


class Screen(Protocol):
    #: Seconds between two tables; None for no table.
    every: float | None

    def say(self, line: str) -> None:
        """Prints a line."""

    def note(self, line: str) -> None:
        """Prints a line that says what a live table shows anyway."""

    def warn(self, line: str) -> None:
        """Prints a line about what went wrong."""

    def show(self, rows: Sequence[Sequence[str]]) -> None:
        """Shows how the cameras do."""

    def end(self) -> None:
        """Takes the table away."""


def screen(stream: TextIO, *, live: bool, wanted: bool) -> Screen:
    """The best that the stream can; `wanted` says whether a table is."""
    able = live and stream.isatty() and os.environ.get("TERM", "dumb") not in DUMB
    if able and wanted and find_spec("rich") is not None:
        return LiveScreen(stream)
    plain = PlainScreen(stream, PLAIN if wanted else None)
    if able and wanted:
        plain.say(f"the table is not redrawn in its place: that is done with rich ({RICH})")
    return plain


class PlainScreen:
    """Lines, for files, pipes, logs and simple terminals."""

    def __init__(self, stream: TextIO, every: float | None) -> None:
        self.every = every
        self._stream = stream

    def say(self, line: str) -> None:
        print(printable(line), file=self._stream, flush=True)

    def note(self, line: str) -> None:
        self.say(line)

    def warn(self, line: str) -> None:
        complain(line)

    def show(self, rows: Sequence[Sequence[str]]) -> None:
        self.say("\n" + "\n".join(table.plain(rows)) + "\n")

    def end(self) -> None:
        pass


class LiveScreen:
    """A table that is drawn anew in its place. rich keeps to NO_COLOR and to the size of the terminal."""

    every: float | None = LIVE

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=stream, highlight=False)
        self._live = Live(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._begun = time.monotonic()

    def say(self, line: str) -> None:
        # Long lines are the terminal's to wrap.
        self._console.print(printable(line), markup=False, soft_wrap=True)

    def note(self, line: str) -> None:
        pass

    def warn(self, line: str) -> None:
        # On the same terminal: above the table.
        self.say(line)

    def show(self, rows: Sequence[Sequence[str]]) -> None:
        self._live.start()
        self._live.update(self._table(rows), refresh=True)

    def end(self) -> None:
        self._live.stop()

    def _table(self, rows: Sequence[Sequence[str]]) -> Table:
        from rich.table import Table
        from rich.text import Text

        caption = f"after {time.monotonic() - self._begun:.0f} s; Ctrl-C ends it"
        whole = Table(box=None, pad_edge=False, header_style="bold", caption=caption, caption_justify="left")
        for name in table.HEAD:
            # The last event gives way where the terminal is narrow, and is cut off there.
            whole.add_column(name, justify="right" if name in table.RIGHT else "left", no_wrap=name != "last event")
        for row in rows:
            cells = [Text(printable(cell), no_wrap=True, overflow="ellipsis") for cell in row]
            cells[1].stylize(STYLES.get(row[1].split()[0], ""))
            whole.add_row(*cells)
        return whole
