"""Who reads text: Amazon Rekognition, a function of yours, or nobody."""

import functools
import importlib
from collections.abc import Callable

import guarita

from . import settings

Reader = Callable[[bytes], list[str]]


@functools.cache
def reader() -> Reader | None:
    """The reader that `OCR_READER` names, made once in each process; none where it names none."""
    if not settings.OCR_READER:
        return None
    if settings.OCR_READER == "rekognition":
        # Region and keys come from the environment, as for all of AWS's own tools.
        provider = guarita.RekognitionProvider()

        def read(jpeg: bytes) -> list[str]:
            found = provider.detect(jpeg, want="text", timeout=30).detections[0]
            return [detection.text for detection in found if detection.text]

        return read
    module, _, function = settings.OCR_READER.partition(":")
    chosen: Reader = getattr(importlib.import_module(module), function)
    return chosen
