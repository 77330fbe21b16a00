"""The messages of vision_msgs, a package that may be missing."""

from __future__ import annotations

from types import ModuleType


def vision_messages() -> ModuleType | None:
    """Return the module vision_msgs.msg, or None where vision_msgs is not installed."""
    try:
        from vision_msgs import msg
    except ImportError:
        return None
    return msg
