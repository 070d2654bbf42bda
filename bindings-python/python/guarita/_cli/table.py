"""How cameras do, as rows of a table; and at the end, what became of every frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import guarita

from .feed import Feed

HEAD = ("camera", "state", "pushed", "looked at", "gate open", "queue", "dropped", "events", "last event")
#: Columns of numbers.
RIGHT = frozenset({"pushed", "looked at", "gate open", "queue", "dropped", "events"})


@dataclass
class Told:
    """The events of a camera, as they came."""

    count: int = 0
    last: guarita.Event | None = None


def rows(stats: guarita.PipelineStats, feeds: Mapping[str, Feed], told: Mapping[str, Told]) -> list[tuple[str, ...]]:
    """A row for each camera, as `HEAD` has the columns."""
    return [_row(camera, feeds[camera.id], told[camera.id]) for camera in stats.cameras]


def _row(camera: guarita.CameraStats, feed: Feed, told: Told) -> tuple[str, ...]:
    account = camera.account
    state = feed.state
    if state == "running" and feed.duration and camera.last_pts is not None:
        state = f"{state} {min(1.0, camera.last_pts / feed.duration):.0%}"
    # Without a gate there is nothing to be open.
    gate = "-" if camera.gate is None else f"{camera.open_fraction:.0%}"
    last = "-" if told.last is None else f"{told.last.pts:.1f} s {told.last.trigger}"
    numbers = (account.pushed, account.analysed, gate, account.in_flight, account.dropped, told.count)
    return (camera.id, state, *map(str, numbers), last)


def aligned(table: Sequence[Sequence[str]], right: Sequence[bool]) -> Iterator[str]:
    """Lines of text, two spaces between the columns."""
    widths = [max(map(len, column)) for column in zip(*table)]
    for row in table:
        cells = (
            cell.rjust(width) if on_the_right else cell.ljust(width)
            for cell, width, on_the_right in zip(row, widths, right)
        )
        yield "  ".join(cells).rstrip()


def plain(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows under their head."""
    yield from aligned([HEAD, *table], [name in RIGHT for name in HEAD])


def account(stats: guarita.PipelineStats, told: Mapping[str, Told]) -> Iterator[str]:
    """What became of every frame, for each camera and for all."""
    names = list(stats.account.outcomes)
    heads = [name.removeprefix("skipped_").replace("_", " ") for name in names]
    events = sum(one.count for one in told.values())
    lines = [(camera.id, camera.account, told[camera.id].count) for camera in stats.cameras]
    table = [["camera", "pushed", *heads, "in flight", "events"]]
    for name, one, count in (*lines, ("all", stats.account, events)):
        outcomes = (one.outcomes.get(outcome, 0) for outcome in names)
        table.append([name, *map(str, (one.pushed, *outcomes, one.in_flight, count))])
    yield "what became of every frame"
    yield from aligned(table, [False, *(True for _ in table[0][1:])])
    parts = [f"{stats.account.outcomes[name]} {head}" for name, head in zip(names, heads)]
    verdict = "it adds up" if stats.account.balances else "IT DOES NOT ADD UP"
    sum_of = " + ".join([*parts, f"{stats.account.in_flight} in flight"])
    yield f"{stats.account.pushed} pushed = {sum_of}: {verdict}"


def deliveries(outlets: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """What became of the events, for each sink."""
    for one in outlets:
        counts = ", ".join(f"{one[name]} {name}" for name in ("delivered", "retried", "failed", "dropped"))
        error = one["last_error"]
        why = f"; its last error: {error['message']}" if isinstance(error, dict) else ""
        yield f"sink {one['name']}: {counts}{why}"
