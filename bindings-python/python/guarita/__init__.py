"""guarita: embeddable vision for video security.

Motion gates, a local detector, cloud providers under a circuit breaker and a budget, and a pipeline that carries many cameras
through them and accounts for every frame. Times are seconds (numbers or timedeltas), boxes are in pixels of the frame they
were found in, areas are shares of the picture, money is millionths of a dollar.

>>> import guarita
>>> guarita.Polygon([(0, 0), (1, 0), (1, 1)]).area
0.5
"""

import os as _os

# ONNX Runtime from 1.29 on starts a thread that sends telemetry, unless it is told not to before it is loaded. A child of a fork
# does not have that thread and waits for it for ever when it exits; and what watches a house has nothing to tell anybody.
_os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from . import _errors, _native, _types as types  # noqa: E402
from ._errors import *  # noqa: E402, F403
from ._native import *  # noqa: E402, F403
from ._native import __version__  # noqa: E402

_native._check_interpreter()

__all__ = [*_errors.__all__, *(name for name in _native.__all__ if not name.startswith("_")), "__version__", "types"]
