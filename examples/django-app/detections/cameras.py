"""The list of cameras, from a TOML or JSON file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

#: For cameras that name no triggers of their own.
TRIGGERS = [{"name": "person", "when": {"present": {"classes": ["person"]}}, "picture": "crop"}]


@dataclass
class CameraSource:
    """Where a camera's pictures come from, and how the pipeline treats them."""

    id: str
    #: Not shown: addresses of cameras have passwords in them.
    source: str = field(repr=False)
    #: When a recording begins; none for a stream.
    recorded_at: datetime | None = None
    #: Keyword arguments of `guarita.Pipeline.add_camera`.
    config: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.config.setdefault("triggers", TRIGGERS)
        if self.recorded_at is None and not self.is_stream and Path(self.source).exists():
            # The time of the file, so that a second run gives the events the same ids and times.
            self.recorded_at = datetime.fromtimestamp(int(Path(self.source).stat().st_mtime), timezone.utc)

    @property
    def is_stream(self) -> bool:
        """Whether it is live: frames that come too fast are dropped, and those of a file wait."""
        return "://" in self.source


def read(path: Path) -> list[CameraSource]:
    """The cameras of a file: a list `cameras` of tables with `id`, `source`, perhaps `recorded_at`, and what guarita's
    `CameraConfig` has, such as `fps`, `zones` and `triggers`. Relative sources are beside the file.

    Raises:
        ValueError: The file does not say what it has to.
    """
    text = path.read_text()
    if path.suffix == ".json":
        data = json.loads(text)
    else:
        import tomllib  # Python 3.11; with 3.10, write JSON

        data = tomllib.loads(text)
    cameras = []
    for table in data.get("cameras", []):
        if "id" not in table or "source" not in table:
            raise ValueError(f"{path}: each camera needs an id and a source; one has {sorted(table)}")
        config = dict(table)
        name, source, at = config.pop("id"), config.pop("source"), config.pop("recorded_at", None)
        if isinstance(at, str):
            at = datetime.fromisoformat(at)
        if at is not None and at.tzinfo is None:
            raise ValueError(f"{path}: recorded_at of {name} needs a time zone, such as 2026-05-01T08:00:00+02:00")
        if "://" not in source:
            source = str(path.parent / source)
        cameras.append(CameraSource(name, source, at, config))
    if len({camera.id for camera in cameras}) != len(cameras) or not cameras:
        raise ValueError(f"{path}: it needs one camera at least, and different ids")
    return cameras
