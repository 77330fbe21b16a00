"""SiamMask++ without ROS: track any object from one box, with its mask, in videos, images and live cameras.

>>> import siammaskpp_core
>>> for result in siammaskpp_core.track("cup.mp4", box=(306, 122, 110, 262)):
...     print(result.time_s, result.state, result.box_xywh, result.mask)

The names below are the whole of the library for most uses; they are imported when they are first used. The
packages hold the rest: network, engines, tracking, training, evaluation and the command `siammaskpp`.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# ONNX Runtime 1.32 and newer would write a device id and a database into the home folder and send reports.
# The variable is read when onnxruntime is imported; 0 keeps the reports.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# A file of a few kB can stand for an image of gigabytes. OpenCV reads its limit when it is imported.
_limit = os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**27))
MAX_IMAGE_PIXELS = int(_limit) if _limit.isdecimal() else 2**27

if TYPE_CHECKING:
    from siammaskpp_core.engines.load import load_tracker
    from siammaskpp_core.engines.options import EngineOptions
    from siammaskpp_core.errors import UserError
    from siammaskpp_core.offline.library import track, track_several, writer
    from siammaskpp_core.offline.results import FrameResult, TargetResult
    from siammaskpp_core.offline.session import Selection, Session
    from siammaskpp_core.offline.writers.pictures import draw
    from siammaskpp_core.tracking import LongTermTracker, State

__all__ = [
    "MAX_IMAGE_PIXELS",
    "EngineOptions",
    "FrameResult",
    "LongTermTracker",
    "Selection",
    "Session",
    "State",
    "TargetResult",
    "UserError",
    "__version__",
    "draw",
    "load_tracker",
    "track",
    "track_several",
    "writer",
]

_MODULES = {
    "EngineOptions": "engines.options",
    "FrameResult": "offline.results",
    "LongTermTracker": "tracking",
    "Selection": "offline.session",
    "Session": "offline.session",
    "State": "tracking",
    "TargetResult": "offline.results",
    "UserError": "errors",
    "draw": "offline.writers.pictures",
    "load_tracker": "engines.load",
    "track": "offline.library",
    "track_several": "offline.library",
    "writer": "offline.library",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: the commands and the node stay quick to start."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
