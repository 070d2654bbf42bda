"""Runs the service with uvicorn: `python -m detection_service [options of uvicorn]`."""

from __future__ import annotations

import sys

import uvicorn

from .settings import Settings


def help_text() -> str:
    """The settings, for those who ask."""
    lines = [
        "usage: python -m detection_service [options of uvicorn, such as --port 8000 --workers 2]",
        "",
        "environment:",
    ]
    for name, field in Settings.model_fields.items():
        default = "required" if field.is_required() else f"default {field.default}"
        lines.append(f"  GUARITA_{name.upper():<20} {field.description} ({default})")
    return "\n".join(lines)


def main() -> None:
    """Runs it."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        return print(help_text())
    uvicorn.main.main(["detection_service.app:create_app", "--factory", *sys.argv[1:]])


if __name__ == "__main__":
    main()
