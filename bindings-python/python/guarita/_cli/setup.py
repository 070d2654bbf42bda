"""What a watch consists of, from the command line and the files: cameras, sinks, thresholds, threads."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import guarita

from .cameras import CameraSetup, Settings, SinkSetup, from_sources, read

#: What the pipeline calls its own stream of events.
STREAM = "events"


def settings(given: argparse.Namespace) -> Settings:
    """The cameras of the files, and those of the command line."""
    fields: dict[str, Any] = {}
    if given.fps is not None:
        fields["fps"] = given.fps
    look: dict[str, Any] = {}
    if given.confidence is not None:
        look["min_confidence"] = given.confidence
    if given.classes:
        look["classes"] = given.classes
    if look:
        fields["look"] = look
    if not given.sources and not given.config:
        given.parser.error("there is nothing to watch: name a SOURCE, or a file with --config")
    if fields and not given.sources:
        given.parser.error(
            "--fps, --confidence and --classes are for a SOURCE; cameras of --config have fields of their own"
        )
    found = read(given.config, given.clips)
    taken = [camera.id for camera in found.cameras]
    found.cameras += from_sources(given.sources, taken, fields, given.classes)
    if not found.cameras:
        raise guarita.InvalidConfig("no cameras: the files have no [[camera]]")
    with_pictures = [sink for sink in found.sinks if sink.pictures]
    if not with_pictures:
        # Nobody would get them.
        found.cameras = [replace(setup, config=_without_pictures(setup.config)) for setup in found.cameras]
    elif len(with_pictures) < len(found.sinks):
        bare = next(sink for sink in found.sinks if not sink.pictures)
        raise guarita.InvalidConfig(
            f"{bare.place}, field pictures: a sink without pictures beside {with_pictures[0].place} with them is more than "
            "this program can do; give both the same",
            context={"field": "pictures"},
        )
    return found


def _without_pictures(config: guarita.types.CameraConfig) -> guarita.types.CameraConfig:
    triggers = [cast("guarita.types.TriggerConfig", {**one, "picture": "none"}) for one in config.get("triggers", ())]
    return cast("guarita.types.CameraConfig", {**config, "triggers": triggers})


def threads(given: argparse.Namespace, settings: Settings) -> int:
    """One number for all threads that compute, inference included."""
    if given.threads is not None:
        return cast(int, given.threads)
    affinity = getattr(os, "sched_getaffinity", None)
    processors = len(affinity(0)) if affinity else os.cpu_count() or 1
    return int((settings.pipeline or {}).get("threads") or min(processors, 256))


def confidence(settings: Settings) -> float:
    """No stricter than the least strict camera: the cameras' own thresholds come after it."""
    least = 1.0
    for setup in settings.cameras:
        look = guarita.check_config("CameraConfig", {"id": setup.id, **setup.config})["look"]
        least = min(least, look["min_confidence"], *look["class_confidence"].values())
    return least


def outlet_name(setup: SinkSetup) -> str:
    """What statistics call a sink of a file: its name, unless that is taken."""
    return f"{setup.name} (sink)" if setup.name == STREAM else setup.name


def sink(setup: SinkSetup, folder: Path | None) -> guarita.types.Sink:
    """A sink of a file; relative paths begin in the folder."""
    fields = dict(setup.fields)
    if setup.kind == "json-lines":
        path = (folder or Path()) / fields["path"]
        return guarita.JsonLinesSink(path, **fields.get("options", {}))
    if setup.kind == "webhook":
        return guarita.WebhookSink(fields.pop("url"), **fields)
    raise guarita.InvalidConfig(f"{setup.place}, field kind: this program opens json-lines and webhook")


def add(pipeline: guarita.Pipeline, setup: CameraSetup) -> guarita.Camera:
    """Adds a camera; an error says which one it is about."""
    try:
        return pipeline.add_camera(setup.id, **setup.config)
    except guarita.GuaritaError as error:
        raise type(error)(f"{setup.place}: {error}", advice=error.advice, context=error.context) from error
