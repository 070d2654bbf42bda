"""Cameras and sinks from TOML files, as examples/watch has them, and cameras from the command line."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import guarita


@dataclass(frozen=True)
class CameraSetup:
    id: str
    #: A file, or a URL.
    source: str
    config: guarita.types.CameraConfig
    #: What messages call it.
    place: str


@dataclass(frozen=True)
class SinkSetup:
    name: str
    kind: str
    #: Those of its kind.
    fields: dict[str, Any]
    #: Whether it gets the events' pictures.
    pictures: bool
    outlet: guarita.types.OutletConfig
    place: str


@dataclass
class Settings:
    """What the files say, taken together."""

    pipeline: dict[str, Any] | None = None
    sinks: list[SinkSetup] = field(default_factory=list["SinkSetup"])
    cameras: list[CameraSetup] = field(default_factory=list["CameraSetup"])


def is_url(source: str) -> bool:
    return "://" in source


def read(files: Iterable[Path], folders: Sequence[Path]) -> Settings:
    """Reads TOML files. Clips are looked for beside their file, then in the folders.

    Raises:
        InvalidConfig: A file that cannot be read, or a field that cannot be so; the message names both.
    """
    settings = Settings()
    for file in files:
        for key, value in _document(file).items():
            if key == "pipeline":
                place = f"{file}: pipeline"
                if settings.pipeline is not None:
                    raise guarita.InvalidConfig(f"{place}: there is a [pipeline] in another file already")
                settings.pipeline = _checked("PipelineConfig", _table(value, place), place)
            elif key == "sink":
                settings.sinks += [_sink(table, place) for table, place in _tables(value, file, "sink", "name")]
            elif key == "camera":
                tables = _tables(value, file, "camera", "id")
                settings.cameras += [_camera(table, place, file, folders) for table, place in tables]
            else:
                known = "expected one of `pipeline`, `sink`, `camera`"
                raise _wrong(f"{file}", key, f"unknown field `{key}`, {known}")
    _unique((sink.name, sink.place, "name") for sink in settings.sinks)
    _unique((camera.id, camera.place, "id") for camera in settings.cameras)
    return settings


def _document(file: Path) -> dict[str, Any]:
    try:
        # Python 3.10 has none of its own.
        toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    except ModuleNotFoundError:
        raise guarita.RuntimeUnavailable("TOML is read with tomli before Python 3.11: pip install tomli") from None
    try:
        return cast("dict[str, Any]", toml.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise guarita.InvalidConfig(f"cannot read {file}: {error.strerror}", context={"path": str(file)}) from error
    except ValueError as error:
        raise guarita.InvalidConfig(f"{file}: {error}", context={"path": str(file)}) from error


def _sink(table: dict[str, Any], place: str) -> SinkSetup:
    name = _taken(table, "name", str, place)
    if name is None:
        raise _wrong(place, "name", "it has no `name`, which statistics and logs call it by")
    pictures = _taken(table, "pictures", bool, place)
    outlet = _checked("OutletConfig", _table(table.pop("queue", {}), f"{place}: queue"), f"{place}: queue")
    _checked("SinkConfig", table, place)
    kind = table.pop("kind")
    return SinkSetup(name, kind, table, pictures is not False, cast("guarita.types.OutletConfig", outlet), place)


def _camera(table: dict[str, Any], place: str, toml: Path, folders: Sequence[Path]) -> CameraSetup:
    file = _taken(table, "file", str, place)
    if file is None:
        raise _wrong(place, "file", "it has no `file`, the clip that it shows")
    _checked("CameraConfig", table, place)
    id = table.pop("id")
    if is_url(file):
        return CameraSetup(id, file, cast("guarita.types.CameraConfig", table), place)
    looked = [toml.parent, *folders]
    found = next((folder / file for folder in looked if (folder / file).is_file()), None)
    if found is None:
        raise _wrong(place, "file", f"there is no clip {file!r} in {', '.join(map(str, looked))}")
    return CameraSetup(id, str(found), cast("guarita.types.CameraConfig", table), place)


def _checked(kind: str, fields: dict[str, Any], place: str) -> dict[str, Any]:
    """The fields, which the library has looked at."""
    try:
        guarita.check_config(kind, fields)
    except guarita.InvalidConfig as error:
        # The place in a text that nobody wrote.
        words = re.sub(r" at line \d+ column \d+$", "", str(error))
        way = error.field or ""
        named = "" if not way or words.startswith(way) else f"field {way}: "
        raise guarita.InvalidConfig(f"{place}: {named}{words}", context=error.context) from error
    except TypeError as error:
        # A date, which TOML has and no config.
        raise guarita.InvalidConfig(f"{place}: {error}") from error
    return fields


def _table(value: object, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise guarita.InvalidConfig(f"{place}: it is a {type(value).__name__}; it must be a table")
    return cast("dict[str, Any]", value)


def _tables(value: object, file: Path, name: str, called: str) -> list[tuple[dict[str, Any], str]]:
    """The tables of a list, each with what messages call it: `cameras.toml: camera "kerb"`."""
    if not isinstance(value, list):
        raise _wrong(f"{file}", name, f"it must be a list of tables: write [[{name}]]")
    tables: list[tuple[dict[str, Any], str]] = []
    for number, one in enumerate(cast("list[object]", value), 1):
        table = _table(one, f"{file}: {name} number {number}")
        own = table.get(called)
        tables.append((table, f'{file}: {name} "{own}"' if isinstance(own, str) else f"{file}: {name} number {number}"))
    return tables


def _taken(table: dict[str, Any], key: str, kind: type, place: str) -> Any:
    value = table.pop(key, None)
    if value is not None and not isinstance(value, kind):
        wanted = "true or false" if kind is bool else "text"
        raise _wrong(place, key, f"it is a {type(value).__name__}; it must be {wanted}")
    return value


def _wrong(place: str, key: str, words: str) -> guarita.InvalidConfig:
    return guarita.InvalidConfig(f"{place}, field {key}: {words}", context={"field": key})


def _unique(named: Iterable[tuple[str, str, str]]) -> None:
    """Refuses a second one of the same name."""
    places: dict[str, str] = {}
    for name, place, key in named:
        if name in places:
            raise _wrong(place, key, f'"{name}" is there already, in {places[name]}')
        places[name] = place


def from_sources(
    sources: Iterable[str], taken: Iterable[str], config: Mapping[str, Any], classes: Sequence[str]
) -> list[CameraSetup]:
    """A camera for each file or URL, which tells of each of the classes, or of anything that is found."""
    taken = set(taken)
    triggers: list[guarita.types.TriggerConfig] = [
        {"name": name, "when": {"present": {"classes": [name]}}} for name in classes
    ] or [{"name": "object", "when": {"present": {}}}]
    cameras: list[CameraSetup] = []
    for source in sources:
        # Whatever is in a URL may be secret.
        stem = "camera" if is_url(source) else Path(source).stem or "camera"
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name)
        own = cast("guarita.types.CameraConfig", {**config, "triggers": triggers})
        cameras.append(CameraSetup(name, source, own, f'camera "{name}"'))
    return cameras
