#!/usr/bin/env python3
"""Writes what is made from core/tests/vectors/schema.json, which the core's own tests make from the configs:

- python/guarita/types.py: what each config looks like to a type checker;
- the tables of fields in docs, between `<!-- schema: CameraConfig -->` and `<!-- end -->`.

python bindings-python/make_types.py          # writes the files
python bindings-python/make_types.py --check  # fails where a file is not what it would write
"""

from __future__ import annotations

import argparse
import json
import keyword
import pathlib
import re
import sys
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent
SCHEMA = REPOSITORY / "core" / "tests" / "vectors" / "schema.json"
OUT = HERE / "python" / "guarita" / "types.py"
DOCS = REPOSITORY / "docs"

Node = dict[str, Any]

# Configs that calls take as keyword arguments or dicts, each after those that it holds.
WANTED = """
DecodeLimits BackgroundModelConfig MotionGateConfig SourceConfig InputHints SsdHints RowHints ModelHints ExecutionProviderChoice DetectorConfig
RetryConfig RateLimitConfig Caps KeyCaps PriceTier BudgetConfig Fsync JournalOptions BreakerWindow CircuitBreakerConfig FailurePolicy
LocalProviderConfig CallbackProviderConfig RekognitionConfig Escalation HybridMode HybridConfig
Zone ScheduleWindow Schedule Condition TriggerConfig Confirmation OutletConfig JsonLinesConfig
WebhookConfig LowLight QueueConfig LookConfig ResultCacheConfig CameraConfig PipelineConfig RunFileConfig
""".split()

# Words that only answers have, for the stubs.
ANSWERS = ["IgnoreReason", "MotionState", "OpenReason", "BreakerState"]

# What Python has in place of these.
PLAIN = {
    "CameraId": "str",
    "LabelMap": "Mapping[str, str]",
    "MicroDollars": "int",
    "Polygon": "Area",
    "PriceTable": "Mapping[str, Sequence[PriceTier]]",
    "TimeOfDay": "str",
}

# Names of the dicts that hold a variant of an enum, and of what stands in them.
VARIANTS = {
    ("Fsync", "every"): ("FsyncSometimes", "FsyncEvery"),
    ("BreakerWindow", "calls"): ("WindowOfCalls", None),
    ("BreakerWindow", "time"): ("WindowOfTime", "TimeWindow"),
    ("HybridMode", "balance"): ("InTurn", "Balance"),
    ("HybridMode", "escalate"): ("SecondLook", None),
}

# Of a condition: one dict with all keys, of which a trigger has exactly one.
CONDITIONS = {"present": "Present", "count": "Count", "enter": "Crossing", "leave": "Crossing", "absent": "Absent"}

BY_HAND = {
    "ExecutionProviderChoice": 'ExecutionProviderChoice: TypeAlias = "ExecutionProvider | Sequence[ExecutionProvider] | Mapping[str, Any]"\n'
    '"""One, which must be there, or several, of which the first that is there is taken."""',
}

# Those that a call takes as arguments of their own.
LEFT_OUT = {("CameraConfig", "id"), ("WebhookConfig", "url"), ("PipelineConfig", "threads")}

HEAD = '''"""What configs look like: keyword arguments, and dicts inside them. Fields that are left out have their defaults.

Times (`_s`) are seconds, as a number or a timedelta; shares are 0..1; areas are polygons of points 0..1 of the picture's width
and height; money is millionths of a dollar.

Made by bindings-python/make_types.py from core/tests/vectors/schema.json; do not edit.
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


class Types:
    """The text of types.py, from the schema."""

    def __init__(self, schema: Node) -> None:
        self.defs: dict[str, Node] = schema["$defs"]
        self.words: dict[str, str] = {}

    def type_of(self, node: Node, field: str) -> str:
        if "$ref" in node:
            return self.named(node["$ref"].rpartition("/")[2])
        if "anyOf" in node:
            return " | ".join(self.type_of(one, field) for one in node["anyOf"])
        kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
        return " | ".join(self.plain(kind, node, field) for kind in kinds)

    def plain(self, kind: str, node: Node, field: str) -> str:
        if kind == "array":
            return f"Sequence[{self.type_of(node['items'], '')}]"
        if kind == "object":
            return f"Mapping[str, {self.type_of(node['additionalProperties'], field)}]"
        if kind == "string":
            return "Path" if node.get("format") == "path" else "str"
        if kind == "number":
            return "float | timedelta" if field.endswith("_s") else "float"
        return {"integer": "int", "boolean": "bool", "null": "None"}[kind]

    def named(self, name: str) -> str:
        if name in PLAIN:
            return PLAIN[name]
        if name not in WANTED:
            self.literal(name)
        return name

    def literal(self, name: str) -> None:
        node = self.defs[name]
        words = node.get("enum") or [word for one in node["oneOf"] for word in one.get("enum", [one.get("const")])]
        assert all(isinstance(word, str) for word in words), f"{name} has more than words"
        self.words[name] = f"{name}: TypeAlias = Literal[{', '.join(map(json.dumps, words))}]"

    def config(self, name: str) -> str:
        node = self.defs[name]
        if name in BY_HAND:
            self.type_of({"$ref": "#/$defs/ExecutionProvider"}, "")
            return BY_HAND[name]
        if name == "Condition":
            return self.condition(node)
        if "properties" in node:
            return self.typed_dict(name, node)
        return self.variants(name, node)

    def typed_dict(self, name: str, node: Node) -> str:
        required = set(node.get("required", ()))
        whole = required == set(node["properties"])
        fields = []
        for key, inner in node["properties"].items():
            if (name, key) in LEFT_OUT:
                continue
            kind = self.type_of(inner, key)
            kind = f"Required[{kind}]" if key in required and not whole else kind
            fields.append((key, kind, paragraph(inner)))
        first = paragraph(node).split(". ")[0].rstrip(".")
        if any(keyword.iskeyword(key) for key, _, _ in fields):
            inside = "".join(f'        "{key}": "{kind}",\n' for key, kind, _ in fields)
            called = f'{name} = TypedDict(\n    "{name}",\n    {{\n{inside}    }},\n    total=False,\n)\n'
            return called + f'"""{first}. {" ".join(f"`{key}`: {about}" for key, _, about in fields)}"""'
        # Twice: editors show what stands below a field, and help() what stands in the class.
        told = "".join(f"        {key}: {about}\n" for key, _, about in fields)
        lines = [f'    {key}: {kind}\n    """{about}"""' for key, kind, about in fields]
        total = "" if whole else ", total=False"
        head = [f"class {name}(TypedDict{total}):", f'    """{first}.\n\n    Fields:\n{told}    """', ""]
        return "\n".join([*head, *lines])

    def variants(self, name: str, node: Node) -> str:
        """An enum of which some variants hold more than their name."""
        parts, words, dicts = [], [], []
        for one in node["oneOf"]:
            if "properties" not in one:
                words += one.get("enum", [one.get("const")])
                continue
            ((key, inner),) = one["properties"].items()
            outer, within = VARIANTS[name, key]
            about = {"description": one["description"]}
            if within:
                parts.append(self.typed_dict(within, {**inner, **about}))
            kind = within or self.type_of(inner, key)
            parts.append(f'class {outer}(TypedDict):\n    """{paragraph(one)}"""\n\n    {key}: {kind}')
            dicts.append(outer)
        literal = [f"Literal[{', '.join(map(repr, words))}]"] if words else []
        parts.append(f'{name}: TypeAlias = "{" | ".join([*literal, *dicts])}"')
        return "\n\n\n".join(parts)

    def condition(self, node: Node) -> str:
        parts, keys = {}, ""
        for one in node["oneOf"]:
            ((key, inner),) = one["properties"].items()
            if key in CONDITIONS:
                about = {"description": one["description"]}
                parts.setdefault(CONDITIONS[key], self.typed_dict(CONDITIONS[key], {**inner, **about}))
                keys += f'        "{key}": {CONDITIONS[key]},\n'
            else:
                keys += f'        "{key}": "{self.type_of(inner, key)}",\n'
        note = "# `not` is no name in Python, so these are made from a dict.\n"
        called = f'Condition = TypedDict(\n    "Condition",\n    {{\n{keys}    }},\n    total=False,\n)\n'
        about = '"""What a trigger waits for: exactly one of these keys."""'
        return "\n\n\n".join([*parts.values(), note + called + about])

    def text(self) -> str:
        parts = [self.config(name) for name in WANTED]
        for name in ANSWERS:
            self.literal(name)
        aliases = "\n".join(self.words[name] for name in sorted(self.words))
        return HEAD + aliases + "\n\n\n" + "\n\n\n".join(parts) + "\n"


def paragraph(node: Node) -> str:
    """The first one of a description."""
    return node["description"].split("\n\n")[0].replace('"', "'")


# --- tables of the guides -------------------------------------------------------------------------------------------

MARK = re.compile(r"<!-- schema: (\w+) -->\n.*?<!-- end -->", re.S)
NUMBER = r"-?\$?\d+(?:,\d{3})*(?:\.\d+)?"
# A range or a default, as descriptions write them; they have columns of their own.
RANGE = re.compile(
    rf"(?:(?:more than|over) (?:{NUMBER}),? up to (?:{NUMBER})|(?:0, )?(?:{NUMBER}|`\w+`)\.\.(?:{NUMBER}|`\w+`)"
    rf"|(?:{NUMBER}) up to (?:{NUMBER})|(?:{NUMBER}) or more|at least (?:{NUMBER})|up to (?:{NUMBER}))"
)
DEFAULT = re.compile(r"(?<!the )[Dd]efault (?:[^,.;:(]|\.\d)*(?=\.(?!\d)|;|$)")


def table(name: str, node: Node, defs: dict[str, Node]) -> str:
    lines = ["| Field | Default | Range | Meaning |", "|---|---|---|---|"]
    for field, inner in node["properties"].items():
        cells = [f"`{field}`", default_cell(inner), range_cell(inner, defs), meaning(inner)]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return f"<!-- schema: {name} -->\n" + "\n".join(lines) + "\n<!-- end -->"


def number(value: float) -> str:
    """Without an exponent."""
    return f"{value:f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def is_struct(default: Any) -> bool:
    """Too long for a cell: what it is stands with the meaning."""
    return isinstance(default, dict) and len(default) > 1


def default_cell(node: Node) -> str:
    default = node.get("default")
    if default is None:
        return "none" if "default" in node else "must be given"
    if default in ([], {}, ""):
        return "empty"
    if is_struct(default):
        return ""
    if isinstance(default, (int, float)) and not isinstance(default, bool):
        return number(default)
    return f"`{json.dumps(default, ensure_ascii=False)}`"


def range_cell(node: Node, defs: dict[str, Node]) -> str:
    inner = node.get("items") or node.get("additionalProperties") or node
    if not isinstance(inner, dict):
        inner = node
    each = " each" if inner is not node else ""
    stated = RANGE.search(paragraph(node))
    if stated and ("`" in stated[0] or stated[0].startswith("0, ")):
        return stated[0] + each
    low, over, high = inner.get("minimum"), inner.get("exclusiveMinimum"), inner.get("maximum")
    if over is not None:
        return f"over {number(over)}" + (f", up to {number(high)}" if high is not None else "") + each
    if high is not None:
        return f"{number(low or 0)}..{number(high)}{each}"
    if low:
        return f"{number(low)} or more{each}"
    if "$ref" in node:
        words = [one.get("const") for one in defs[node["$ref"].rpartition("/")[2]].get("oneOf", ())]
        return ", ".join(f"`{word}`" for word in words) if words and None not in words else ""
    return ""


def meaning(node: Node) -> str:
    text = paragraph(node)
    text = re.sub(rf"[,;:]? *{RANGE.pattern}(?=[,;.]|$)", "", text, count=1)
    text = text if is_struct(node.get("default")) else DEFAULT.sub("", text, count=1)
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"[ ,;]+(?=[,.;:])", "", text)
    text = re.sub(r"[ ,;]+\(", " (", text)
    text = re.sub(r"\.(?:\s*\.)+", ".", text)
    return re.sub(r"[\s,;:]+$", "", text).strip()


def files(schema: Node) -> dict[pathlib.Path, str]:
    """What each file that is made should hold."""
    made = {OUT: Types(schema).text()}
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        anew = MARK.sub(lambda mark: table(mark[1], schema["$defs"][mark[1]], schema["$defs"]), text)
        if "<!-- schema:" in text:
            made[path] = anew
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    arguments = parser.parse_args()
    made = files(json.loads(SCHEMA.read_text(encoding="utf-8")))
    if not arguments.check:
        for path, text in made.items():
            path.write_text(text, encoding="utf-8")
        return
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if stale:
        names = ", ".join(str(path.relative_to(REPOSITORY)) for path in stale)
        sys.exit(f"out of date: {names}; run python bindings-python/make_types.py")


main()
