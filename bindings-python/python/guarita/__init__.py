"""guarita: embeddable vision for video security.

Motion gates, a local detector, cloud providers under a circuit breaker and a budget, and a pipeline that carries many cameras
through them and accounts for every frame. Times are seconds (numbers or timedeltas), boxes are in pixels of the frame they
were found in, areas are shares of the picture, money is millionths of a dollar.

>>> import guarita
>>> guarita.Polygon([(0, 0), (1, 0), (1, 1)]).area
0.5
"""

from . import _errors, _native, _types as types
from ._clock import Clock
from ._errors import *  # noqa: F403
from ._native import *  # noqa: F403
from ._native import __version__

_native._check_interpreter()

__all__ = [*_errors.__all__, *(name for name in _native.__all__ if not name.startswith("_")), "Clock", "__version__", "types"]
