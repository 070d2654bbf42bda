"""Where an installed ONNX Runtime package keeps its library; the package itself is not imported."""

from __future__ import annotations

import importlib.util
import os


def library_folder() -> str | None:
    """The folder of the library, or None where no package is installed or the host names a library itself."""
    if os.environ.get("GUARITA_ONNXRUNTIME") or os.environ.get("ORT_DYLIB_PATH"):
        return None
    try:
        spec = importlib.util.find_spec("onnxruntime")
    except (ImportError, ValueError):
        return None
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = os.path.join(place, "capi")
        if os.path.isdir(folder):
            return folder
    return None
