"""Where training objects come from."""

from __future__ import annotations

from pathlib import Path

from siammaskpp_core.config import ConfigError
from siammaskpp_core.data.preparation.coco import read_small_coco
from siammaskpp_core.data.preparation.index import load_index
from siammaskpp_core.data.preparation.prepare import READERS
from siammaskpp_core.data.sources.base import PictureMemory, Sample, Source
from siammaskpp_core.data.sources.folders import MaskFolder, VideoFolder
from siammaskpp_core.data.sources.indexed import IndexedSource
from siammaskpp_core.training.config import TrainingConfig

__all__ = ["Sample", "Source", "open_source", "open_sources"]


def open_sources(config: TrainingConfig, data: Path, memory_bytes: int = 0) -> list[Source]:
    """The sources of a training configuration; their folders are under `data`.

    Decoded pictures of up to `memory_bytes` are kept.
    """
    ranges, read = config.source_frame_ranges, PictureMemory(memory_bytes)
    return [open_source(spec, data, reach, read) for spec, reach in zip(config.sources, ranges, strict=True)]


def open_source(spec: str, data: Path, frame_range: int, read: PictureMemory | None = None) -> Source:
    """The source of a line such as `masks:DIR`, `videos:DIR` or `coco:DIR`; DIR is under `data`.

    The frames of a pair are at most `frame_range` apart. Raises a UserError naming what is missing.
    """
    read = read or PictureMemory()
    kind, _, place = spec.partition(":")
    if not place or kind not in ("masks", "videos", *READERS):
        known = ", ".join(f"{name}:DIR" for name in ("masks", "videos", *READERS))
        raise ConfigError(f"source {spec!r}: write one of {known}")
    folder = data / Path(place).expanduser()
    if kind == "masks":
        return MaskFolder(folder, read)
    if kind == "videos":
        return VideoFolder(folder, frame_range, read)
    small = read_small_coco(folder) if kind == "coco" else None
    index, root = (small, folder) if small else load_index(kind, folder)
    return IndexedSource(index, root, frame_range, read)
