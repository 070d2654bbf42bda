#!/usr/bin/env python3
"""Writes python/guarita/types.py: what each config of the core looks like to a type checker, made from its Rust source.

python bindings-python/make_types.py          # writes the file
python bindings-python/make_types.py --check  # fails where the file is not what it would write
"""

import argparse
import keyword
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE.parent / "core" / "src"
OUT = HERE / "python" / "guarita" / "types.py"

# Configs that calls take as keyword arguments or dicts, each after those that it holds.
WANTED = """
DecodeLimits BackgroundModelConfig MotionGateConfig SourceConfig InputHints SsdHints RowHints ModelHints ProviderChoice DetectorConfig
RetryConfig RateLimitConfig Caps KeyCaps PriceTier BudgetConfig Fsync JournalOptions TimeWindow CircuitBreakerConfig FailurePolicy
LocalProviderConfig CallbackProviderConfig RekognitionConfig Escalation Balance HybridConfig
Zone ScheduleWindow Schedule Present Count Crossing Absent Condition TriggerConfig Confirmation OutletConfig JsonLinesConfig
WebhookConfig LowLight ResultCacheConfig CameraConfig PipelineConfig RunFileConfig
""".split()

PLAIN = {
    "f32": "float",
    "f64": "float",
    "bool": "bool",
    "String": "str",
    "Arc<str>": "str",
    "CameraId": "str",
    "PathBuf": "Path",
    "Polygon": "Area",
    "MicroDollars": "int",
    "TimeOfDay": "str",
    "PriceTable": "Mapping[str, Sequence[PriceTier]]",
    "LabelMap": "Mapping[str, str]",
    "Labels": "Sequence[str]",
}

# Enums that hold more than their name: as serde writes them.
BY_HAND = {
    "ProviderChoice": 'ProviderChoice: TypeAlias = "ExecutionProvider | Sequence[ExecutionProvider] | Mapping[str, Any]"\n'
    '"""One, which must be there, or several, of which the first that is there is taken."""',
    "Fsync": 'class FsyncEvery(TypedDict):\n    """With the first record so long after the last time."""\n\n    seconds: float\n\n\n'
    'class FsyncSometimes(TypedDict):\n    """Every so often."""\n\n    every: FsyncEvery\n\n\n'
    "Fsync: TypeAlias = \"Literal['always', 'never'] | FsyncSometimes\"",
    "TimeWindow": 'class TimeWindow(TypedDict):\n    """Calls of the last seconds."""\n\n    seconds: float\n\n\n'
    'class WindowOfTime(TypedDict):\n    """The calls of the last seconds."""\n\n    time: TimeWindow\n\n\n'
    'class WindowOfCalls(TypedDict):\n    """The last so many calls."""\n\n    calls: int\n\n\n'
    'BreakerWindow: TypeAlias = "WindowOfCalls | WindowOfTime"',
    "Balance": 'class Balance(TypedDict):\n    """Of `primary + fallback` requests, so many for each side."""\n\n'
    "    primary: int\n    fallback: int\n\n\n"
    'class InTurn(TypedDict):\n    """Requests go to the sides in turn."""\n\n    balance: Balance\n\n\n'
    'class SecondLook(TypedDict):\n    """A second look where the primary is not sure."""\n\n    escalate: Escalation\n\n\n'
    "HybridMode: TypeAlias = \"Literal['failover', 'overflow'] | InTurn | SecondLook\"",
    "Present": 'class Present(TypedDict, total=False):\n    """Such an object is there."""\n\n'
    "    classes: Sequence[str]\n    zone: str | None\n    min_confidence: float | None",
    "Count": 'class Count(TypedDict, total=False):\n    """Many, or few, such objects are there."""\n\n'
    "    classes: Sequence[str]\n    zone: str | None\n    over: int | None\n    under: int | None",
    "Crossing": 'class Crossing(TypedDict, total=False):\n    """Such an object comes into the zone, or goes out of it."""\n\n'
    "    classes: Sequence[str]\n    zone: Required[str]",
    "Absent": 'class Absent(TypedDict, total=False):\n    """No such object was there for so long."""\n\n'
    "    classes: Sequence[str]\n    zone: str | None\n    for_s: Required[float | timedelta]",
    "Condition": "# `not` is no name in Python, so these are made from a dict.\n"
    'Condition = TypedDict(\n    "Condition",\n    {\n        "present": Present,\n        "count": Count,\n'
    '        "enter": Crossing,\n        "leave": Crossing,\n        "absent": Absent,\n        "all": "Sequence[Condition]",\n'
    '        "any": "Sequence[Condition]",\n        "not": "Condition",\n    },\n    total=False,\n)\n'
    '"""What a trigger waits for: exactly one of these keys."""',
}
# Fields that must be given.
REQUIRED = {
    ("Zone", "name"),
    ("Zone", "area"),
    ("TriggerConfig", "name"),
    ("TriggerConfig", "when"),
    ("ScheduleWindow", "from"),
    ("ScheduleWindow", "to"),
    ("PriceTier", "price"),
    ("Schedule", "windows"),
}
# Those that a call takes as arguments of their own.
LEFT_OUT = {("CameraConfig", "id"), ("WebhookConfig", "url"), ("PipelineConfig", "threads")}

HEAD = '''"""What configs look like: keyword arguments, and dicts inside them. Fields that are left out have their defaults.

Times (`_s`) are seconds, as a number or a timedelta; shares are 0..1; areas are polygons of points 0..1 of the picture's width
and height; money is millionths of a dollar.

Made by bindings-python/make_types.py from the Rust source; do not edit.
"""

# pyright: reportInvalidTypeForm=false
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Required, TypeAlias

    from ._native import Event, Firing, Frame, FrameResult, JsonLinesSink, Polygon, Scene, WebhookSink


class SupportsArrayInterface(Protocol):
    """What NumPy can read, such as a PIL image."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...


class BatchSink(Protocol):
    """A sink that takes a list of events, or of results, and says how many from its front are durable; None: all."""

    def deliver_batch(self, batch: list[Any], /) -> int | None: ...


Path: TypeAlias = "str | PathLike[str]"
Seconds: TypeAlias = "float | timedelta"
Pts: TypeAlias = "float | timedelta | datetime"
"""Seconds on the camera's own time line, or a moment of the world's, whose seconds since 1970 are taken."""
XYXY: TypeAlias = "tuple[float, float, float, float]"
Area: TypeAlias = "Polygon | Sequence[Sequence[float]]"
Image: TypeAlias = "Frame | NDArray[np.uint8] | bytes | bytearray | memoryview | SupportsArrayInterface"
"""Pixels, the bytes of a JPEG or PNG, or anything with an array interface."""
Sink: TypeAlias = "Callable[[Event], object] | Callable[[FrameResult], object] | BatchSink | JsonLinesSink | WebhookSink"
"""Functions take results of frames where `deliveries` of their outlet is `results`."""
HostTrigger: TypeAlias = "Callable[[Scene], Firing | None]"
'''


def spelled(variant: str, rule: str | None) -> str:
    if rule in ("kebab-case", "snake_case"):
        joiner = "-" if rule == "kebab-case" else "_"
        return re.sub(r"(?<!^)(?=[A-Z])", joiner, variant).lower()
    return variant.lower() if rule == "lowercase" else variant


class Source:
    def __init__(self) -> None:
        text = "\n".join(path.read_text() for path in sorted(SOURCES.rglob("*.rs")))
        self.items = {}
        item = r"((?:^[ \t]*///[^\n]*\n)*)((?:^#\[[^\n]*\n)*)^pub (struct|enum) (\w+) \{\n(.*?)^\}"
        for docs, attributes, kind, name, body in re.findall(item, text, re.M | re.S):
            if "Deserialize" in attributes:
                self.items[name] = (kind, docs, attributes, body)
        self.literals: dict[str, str] = {}

    def rule(self, attributes: str) -> str | None:
        found = re.search(r'rename_all = "([\w-]+)"', attributes)
        return found[1] if found else None

    def type_of(self, rust: str, field: str) -> str:
        rust = rust.strip()
        if rust in PLAIN:
            plain = PLAIN[rust]
            return plain + " | timedelta" if plain == "float" and field.endswith("_s") else plain
        if re.fullmatch(r"[ui](8|16|32|64|size)", rust):
            return "int"
        if found := re.fullmatch(r"Option<(.*)>", rust):
            return f"{self.type_of(found[1], field)} | None"
        if found := re.fullmatch(r"Vec<(.*)>", rust):
            return f"Sequence[{self.type_of(found[1], field)}]"
        if found := re.fullmatch(r"BTreeMap<(\w+), (.*)>", rust):
            return f"Mapping[str, {self.type_of(found[2], field)}]"
        if found := re.fullmatch(r"\[(\w+); \d\]", rust):
            return f"Sequence[{self.type_of(found[1], '')}]"
        if rust in WANTED or rust in ("BreakerWindow", "HybridMode"):
            return rust
        return self.literal(rust)

    def literal(self, name: str) -> str:
        kind, _, attributes, body = self.items[name]
        assert kind == "enum", name
        bare = re.findall(r"^    (\w+)(?: = \d+)?,", body, re.M)
        assert bare and not re.search(r"^    \w+ ?[({]", body, re.M), f"{name} is no plain enum"
        words = []
        for variant in bare:
            renamed = re.search(rf'#\[serde\(rename = "([^"]+)"\)\]\n(?:\s*///.*\n)*\s*{variant}\b', body)
            words.append(renamed[1] if renamed else spelled(variant, self.rule(attributes)))
        self.literals[name] = f"{name}: TypeAlias = Literal[{', '.join(map(repr, words))}]".replace("'", '"')
        return name

    def typed_dict(self, name: str) -> str:
        kind, docs, _, body = self.items[name]
        assert kind == "struct", name
        first = plain_words(docs).split(". ")[0].rstrip(".")
        fields = []
        field = r"((?:^    ///.*\n)*)((?:^    #\[.*\n)*)^    pub (\w+): (.*),$"
        for about, attributes, field_name, rust in re.findall(field, body, re.M):
            renamed = re.search(r'rename = "(\w+)"', attributes)
            key = renamed[1] if renamed else field_name
            if (name, key) in LEFT_OUT:
                continue
            kind_of = self.type_of(rust, key)
            if (name, key) in REQUIRED:
                kind_of = f"Required[{kind_of}]"
            fields.append((key, kind_of, plain_words(about)))
        if any(keyword.iskeyword(key) for key, _, _ in fields):
            inside = "".join(f'        "{key}": "{kind_of}",\n' for key, kind_of, _ in fields)
            called = f'{name} = TypedDict(\n    "{name}",\n    {{\n{inside}    }},\n    total=False,\n)\n'
            return called + f'"""{first}. {" ".join(f"`{key}`: {about}" for key, _, about in fields)}"""'
        # Twice: editors show what stands below a field, and help() what stands in the class.
        told = "".join(f"        {key}: {about}\n" for key, _, about in fields)
        lines = [f'    {key}: {kind_of}\n    """{about}"""' for key, kind_of, about in fields]
        head = [f"class {name}(TypedDict, total=False):", f'    """{first}.\n\n    Fields:\n{told}    """', ""]
        return "\n".join([*head, *lines])


def plain_words(docs: str) -> str:
    """The first paragraph of a Rust comment, on one line, without links."""
    lines = [re.sub(r"^\s*///\s?", "", line) for line in docs.splitlines()]
    text = " ".join(line.strip() for line in "\n".join(lines).split("\n\n")[0].splitlines())
    text = re.sub(r"\[(`?[^\]]*?`?)\](\([^)]*\))?", r"\1", text)
    return re.sub(r"`(?:crate::)?(\w+)::(\w+)`", r"`\1.\2`", text).replace('"', "'")


def written() -> str:
    source = Source()
    parts = []
    for name in WANTED:
        parts.append(BY_HAND.get(name) or source.typed_dict(name))
    for name in ("ExecutionProvider", "IgnoreReason", "MotionState", "OpenReason", "BreakerState"):
        source.literal(name)
    aliases = "\n".join(source.literals[name] for name in sorted(source.literals))
    return HEAD + aliases + "\n\n\n" + "\n\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    arguments = parser.parse_args()
    text = written()
    if not arguments.check:
        OUT.write_text(text)
    elif not OUT.exists() or OUT.read_text() != text:
        sys.exit(f"{OUT.name} is out of date: run python bindings-python/make_types.py")


main()
