"""Where installed packages keep what guarita needs of them; the packages themselves are not imported."""

from __future__ import annotations

import importlib.util
import os
import shutil


def library_folder() -> str | None:
    """The folder of the library, or None where no package is installed or the host names a library itself."""
    if os.environ.get("GUARITA_ONNXRUNTIME") or os.environ.get("ORT_DYLIB_PATH"):
        return None
    for place in _places("onnxruntime"):
        folder = os.path.join(place, "capi")
        if os.path.isdir(folder):
            return folder
    return None


def ffmpeg() -> str | None:
    """The program of the package imageio-ffmpeg; None where there is none, or the host or the system has one itself."""
    if os.environ.get("GUARITA_FFMPEG") or shutil.which("ffmpeg"):
        return None
    for place in _places("imageio_ffmpeg"):
        programs = os.path.join(place, "binaries")
        for name in sorted(os.listdir(programs)) if os.path.isdir(programs) else []:
            if name.startswith("ffmpeg"):
                return os.path.join(programs, name)
    return None


def _places(package: str) -> list[str]:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    return list(spec.submodule_search_locations or []) if spec else []
