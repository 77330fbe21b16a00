"""Sources of training objects, named in a configuration as `KIND:FOLDER`; see docs/training-data.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from siammaskpp_core.config import ConfigError
from siammaskpp_core.data.preparation.coco import read_small_coco
from siammaskpp_core.data.preparation.index import load_index
from siammaskpp_core.data.preparation.prepare import READERS
from siammaskpp_core.data.sources.base import ImageCache, Source
from siammaskpp_core.data.sources.folders import MaskFolder, VideoFolder
from siammaskpp_core.data.sources.indexed import IndexedSource


def open_sources(
    specs: Sequence[str], frame_ranges: Sequence[int], data: Path, cache_bytes: int = 0
) -> list[Source]:
    """Return the sources that `specs` name, in their order, with one of `frame_ranges` for each.

    `specs` and `data` are those of :func:`open_source`. The sources share an image cache of `cache_bytes`.
    """
    cache = ImageCache(cache_bytes)
    return [
        open_source(spec, data, frame_range, cache)
        for spec, frame_range in zip(specs, frame_ranges, strict=True)
    ]


def open_source(spec: str, data: Path, frame_range: int, cache: ImageCache | None = None) -> Source:
    """Return the source of a line such as `masks:FOLDER`, `videos:FOLDER` or `coco:FOLDER`.

    FOLDER is relative to `data`, or absolute. The two frames of a pair are at most `frame_range` frames
    apart. Raises :class:`ConfigError` or another user error that says what is missing.
    """
    cache = cache or ImageCache()
    kind, _, place = spec.partition(":")
    if not place or kind not in ("masks", "videos", *READERS):
        known = ", ".join(f"{name}:DIR" for name in ("masks", "videos", *READERS))
        raise ConfigError(f"source {spec!r}: write one of {known}")
    folder = data / Path(place).expanduser()
    if kind == "masks":
        return MaskFolder(folder, cache)
    if kind == "videos":
        return VideoFolder(folder, frame_range, cache)
    small = read_small_coco(folder) if kind == "coco" else None
    if small:
        return IndexedSource(small.objects, folder, frame_range, cache, small.broken)
    return IndexedSource(*load_index(kind, folder), frame_range, cache)
