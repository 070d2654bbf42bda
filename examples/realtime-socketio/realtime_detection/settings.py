"""What can be set, each by a variable of the environment: REALTIME_ and the name below in capitals."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, get_type_hints


def setting(default: Any, words: str) -> Any:
    """A field with its explanation."""
    return field(default=default, metadata={"words": words})


@dataclass(frozen=True)
class Settings:
    """The settings of the server; `python -m realtime_detection --help` lists them."""

    model: str = setting("model.onnx", "the ONNX model")
    host: str = setting("127.0.0.1", "address to listen on; browsers give cameras only to localhost and to https")
    port: int = setting(8080, "port to listen on; 0 for one that is free")
    origins: str = setting(
        "", "other origins whose pages may connect, with commas between; none but this server's by default"
    )
    min_confidence: float = setting(0.4, "least confidence of a box, 0..1")
    frames_per_second: float = setting(15.0, "frames of one client that are looked at in a second, in the long run")
    burst: int = setting(15, "frames of one client at once, after a rest")
    max_clients: int = setting(100, "connections at a time")
    max_frame_bytes: int = setting(2 * 1024 * 1024, "largest frame; a client that sends a larger one is disconnected")
    cache_pictures: int = setting(8, "pictures of a client whose answers are known; 0 switches the cache off")
    cache_s: float = setting(10.0, "seconds for which an answer serves for the same bytes")
    slow_s: float = setting(0.5, "an answer that took longer comes with a warning, which is logged too")
    max_age_s: float = setting(2.0, "a frame that waited longer is not looked at any more")

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Those of the environment. GUARITA_MODEL stands for REALTIME_MODEL where that is missing."""
        given: dict[str, Any] = {"model": environment.get("GUARITA_MODEL", cls.model)}
        for name, kind in get_type_hints(cls).items():
            value = environment.get(f"REALTIME_{name.upper()}")
            if value:
                try:
                    given[name] = kind(value)
                except ValueError:
                    raise SystemExit(f"REALTIME_{name.upper()} is {value!r}; it is to be a {kind.__name__}") from None
        return cls(**given)

    @classmethod
    def help(cls) -> str:
        """All of them, in words."""
        lines = [
            f"  REALTIME_{one.name.upper():<18} {one.metadata['words']} (default {one.default!r})"
            for one in fields(cls)
        ]
        return "\n".join(["environment:", *lines])
