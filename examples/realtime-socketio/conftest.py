"""Fixtures of the tests."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from realtime_serving import Serve, run


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Runs a server with the settings that it is given."""
    return partial(run, tmp_path / "log")
