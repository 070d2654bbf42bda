# PYTHON_ARGCOMPLETE_OK
"""`python -m guarita`, and the command `guarita`: what is on this machine, detections in pictures, cameras that are watched."""

from __future__ import annotations

import sys

from guarita._cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
