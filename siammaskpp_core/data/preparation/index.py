"""The objects of a prepared data set, in flat arrays and in one file.

Data sets have up to two million boxes. As Python objects they would take gigabytes, and every data worker
would come to hold a copy of its own; arrays stay shared after a fork.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.arrays import Float32Array, Image
from siammaskpp_core.config import ConfigError
from siammaskpp_core.io.outputs import Output

VERSION = 2


class View(NamedTuple):
    """One object in one picture.

    picture: file name in the scene's folder; time: number of the picture in its video;
    box_xywh: pixels; size_hw: of the picture; rle: the mask as COCO's compressed RLE, empty if unknown;
    category: what the object is, as the data set names it, empty if unknown.
    """

    picture: str
    time: int
    box_xywh: tuple[float, ...]
    size_hw: tuple[int, int]
    rle: bytes = b""
    category: str = ""


class Scene(NamedTuple):
    """A picture or video: its folder below the data set's root, and the views of each object in it."""

    folder: str
    objects: list[list[View]]


@dataclass(frozen=True)
class ObjectIndex:
    """S scenes with O objects, seen in V views; views of an object follow one another in time.

    Names are bytes in the file system's encoding.
    """

    folder: NDArray[np.bytes_]
    """[S] below the root"""
    objects: NDArray[np.int32]
    """[S] how many objects the scene has"""
    views: NDArray[np.int32]
    """[O] how many views the object has"""
    category: NDArray[np.bytes_]
    """[O] what it is, empty if unknown"""
    picture: NDArray[np.bytes_]
    """[V] file name in the scene's folder"""
    time: NDArray[np.int32]
    """[V] number of the picture in its video"""
    box_xywh: Float32Array
    """[V, 4] in pixels"""
    size_hw: NDArray[np.int32]
    """[V, 2] of the picture"""
    rle_length: NDArray[np.int32]
    """[V] bytes of the view's mask in `rle`; 0: no mask"""
    rle: Image
    """all masks, one after another, as COCO's compressed RLE"""

    @classmethod
    def of(cls, scenes: Iterable[Scene]) -> ObjectIndex:
        """The index of `scenes`; objects without views and scenes without objects are left out."""
        kept = [(scene.folder, [views for views in scene.objects if views]) for scene in scenes]
        kept = [(folder, objects) for folder, objects in kept if objects]
        tracks = [views for _, objects in kept for views in objects]
        views = [view for track in tracks for view in sorted(track, key=lambda view: view.time)]
        return cls(
            folder=np.array([os.fsencode(folder) for folder, _ in kept], dtype=np.bytes_),
            objects=np.array([len(objects) for _, objects in kept], np.int32),
            views=np.array([len(track) for track in tracks], np.int32),
            category=np.array([os.fsencode(track[0].category) for track in tracks], dtype=np.bytes_),
            picture=np.array([os.fsencode(view.picture) for view in views], dtype=np.bytes_),
            time=np.array([view.time for view in views], np.int32),
            box_xywh=np.array([view.box_xywh for view in views], np.float32).reshape(-1, 4),
            size_hw=np.array([view.size_hw for view in views], np.int32).reshape(-1, 2),
            rle_length=np.array([len(view.rle) for view in views], np.int32),
            rle=np.frombuffer(b"".join(view.rle for view in views), np.uint8),
        )

    @classmethod
    def joined(cls, parts: list[ObjectIndex]) -> ObjectIndex:
        """All `parts`, one after another."""
        names = [item.name for item in fields(cls)]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

    def save(self, path: Path, root: str) -> None:
        """Write to `path`, which appears only when complete.

        `root` is the data set's folder, relative to the file's own or absolute.
        """
        about = json.dumps({"version": VERSION, "root": root})
        arrays = {item.name: getattr(self, item.name) for item in fields(self)}
        with Output(path) as work, work.open("wb") as file:
            np.savez_compressed(file, about=np.array(about), **arrays)


def index_path(kind: str, folder: Path) -> Path:
    """Where the index of a prepared data set lies in `folder`."""
    return folder / f"siammaskpp.{kind}.npz"


def load_index(kind: str, folder: Path) -> tuple[ObjectIndex, Path]:
    """The index in `folder` and the data set's root.

    Raises :class:`ConfigError` when it is missing, damaged or of another version.
    """
    path = index_path(kind, folder)
    remedy = f"run: siammaskpp prepare-data {kind} {folder}"
    if not path.is_file():
        raise ConfigError(f"{folder}: not prepared ({path.name} is missing); {remedy}")
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            arrays = {item.name: file[item.name] for item in fields(ObjectIndex) if item.name in file}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path}: damaged; {remedy}") from error
    if about["version"] != VERSION:
        raise ConfigError(f"{path}: written by another version of siammaskpp; {remedy}")
    return ObjectIndex(**arrays), folder / about["root"]
