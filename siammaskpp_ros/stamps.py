"""Stamps that images should not have, and why that matters."""

from __future__ import annotations


class StampWatch:
    """Looks at the stamps of arriving images, in the order in which they arrive; used by one thread."""

    def __init__(self) -> None:
        self._newest_ns = 0
        self._is_missing = False
        self.jumps_back = 0

    def look(self, stamp_ns: int) -> str:
        """A warning when this image's stamp begins to be wrong or jumps back; else an empty text."""
        began_to_miss = not stamp_ns and not self._is_missing
        self._is_missing = not stamp_ns
        if began_to_miss:
            return self.complaint
        if not stamp_ns:
            return ""
        back_s = (self._newest_ns - stamp_ns) * 1e-9
        self._newest_ns = stamp_ns
        if back_s <= 0:
            return ""
        self.jumps_back += 1
        return (
            f"the stamps of the images jumped back by {back_s:.3f} s (a bag that starts again, or two "
            "cameras on one topic?); targets are kept"
        )

    @property
    def complaint(self) -> str:
        """What is wrong with the newest image's stamp; empty when nothing is."""
        if not self._is_missing:
            return ""
        return (
            "the images have no stamp (it is zero): their age cannot be measured, boxes cannot name their "
            "image, and who combines the results with others cannot match them; let the camera fill "
            "header.stamp"
        )
