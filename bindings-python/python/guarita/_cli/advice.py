"""What to do about what is missing."""

from __future__ import annotations

from importlib.util import find_spec

import guarita

#: The model that `make models` provides in a checkout.
DEFAULT_MODEL = ".models/coco_ssd_mobilenet_v2.onnx"

MODEL = (
    "name an ONNX detector of yours (docs/guide/models.md says which ones are known); in a checkout of guarita, `make models` "
    f"gets a small one for 80 everyday classes, {DEFAULT_MODEL}"
)
PILLOW = "pip install pillow"
RICH = "pip install rich"
ARGCOMPLETE = "pip install argcomplete"


def remedy(error: guarita.GuaritaError) -> str:
    """What to do, where the message does not say it itself; else nothing."""
    if isinstance(error, guarita.NotFound) and str(error).startswith("cannot read the model"):
        return MODEL
    return "try again later" if error.advice == "RetryLater" else ""


def need_pillow(what: str) -> None:
    """Refuses early what would fail at the first picture."""
    if find_spec("PIL") is None:
        raise guarita.RuntimeUnavailable(f"{what} writes PNG with Pillow, which is not installed: {PILLOW}")
