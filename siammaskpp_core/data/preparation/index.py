"""The index of a prepared data set: all its objects in flat arrays, stored in one file.

A data set has up to two million boxes. As Python objects they would take gigabytes, and every data worker
would soon hold its own copy; arrays stay shared after a fork.
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

from siammaskpp_core.arrays import BoolArray, Float32Array
from siammaskpp_core.config import ConfigError
from siammaskpp_core.io.outputs import Output

VERSION = 3


class Instance(NamedTuple):
    """One object in one picture.

    picture: file name in the folder of its scene. time: number of the picture in its video. box_xywh: x, y,
    w, h in pixels. size_hw: height and width of the picture. rle: the mask as COCO's compressed RLE, empty if
    it is unknown. category: the data set's name for this kind of object, empty if it is unknown.
    """

    picture: str
    time: int
    box_xywh: tuple[float, ...]
    size_hw: tuple[int, int]
    rle: bytes = b""
    category: str = ""


class Scene(NamedTuple):
    """A picture or a video: its folder below the data set's root, and the instances of each object in it."""

    folder: str
    objects: list[list[Instance]]


@dataclass(frozen=True)
class ObjectIndex:
    """S scenes with O objects and N instances; the instances of an object are in order of time.

    Names are bytes in the encoding of the file system.
    """

    folder: NDArray[np.bytes_]
    """[S] folder of each scene, relative to the data set's root"""
    objects_per_scene: NDArray[np.int32]
    """[S] number of objects in each scene"""
    instances_per_object: NDArray[np.int32]
    """[O] number of instances of each object"""
    category: NDArray[np.bytes_]
    """[O] category of each object, empty if it is unknown"""
    picture: NDArray[np.bytes_]
    """[N] file name in the folder of the scene"""
    time: NDArray[np.int32]
    """[N] number of the picture in its video"""
    box_xywh: Float32Array
    """[N, 4] boxes in pixels"""
    size_hw: NDArray[np.int32]
    """[N, 2] height and width of the picture"""
    rle_length: NDArray[np.int32]
    """[N] bytes of the instance's mask in `rle`; 0 if it has no mask"""
    rle: NDArray[np.uint8]
    """all masks in order, as COCO's compressed RLE"""

    @classmethod
    def of(cls, scenes: Iterable[Scene]) -> ObjectIndex:
        """Build the index of `scenes`, without objects that have no instance and scenes without objects."""
        kept = [(scene.folder, [track for track in scene.objects if track]) for scene in scenes]
        kept = [(folder, tracks) for folder, tracks in kept if tracks]
        objects = [track for _, tracks in kept for track in tracks]
        instances = [item for track in objects for item in sorted(track, key=lambda item: item.time)]
        return cls(
            folder=np.array([os.fsencode(folder) for folder, _ in kept], dtype=np.bytes_),
            objects_per_scene=np.array([len(tracks) for _, tracks in kept], np.int32),
            instances_per_object=np.array([len(track) for track in objects], np.int32),
            category=np.array([os.fsencode(track[0].category) for track in objects], dtype=np.bytes_),
            picture=np.array([os.fsencode(item.picture) for item in instances], dtype=np.bytes_),
            time=np.array([item.time for item in instances], np.int32),
            box_xywh=np.array([item.box_xywh for item in instances], np.float32).reshape(-1, 4),
            size_hw=np.array([item.size_hw for item in instances], np.int32).reshape(-1, 2),
            rle_length=np.array([len(item.rle) for item in instances], np.int32),
            rle=np.frombuffer(b"".join(item.rle for item in instances), np.uint8),
        )

    @classmethod
    def joined(cls, parts: list[ObjectIndex]) -> ObjectIndex:
        """Join several indexes in the order of `parts`."""
        names = [item.name for item in fields(cls)]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

    def only(self, is_kept: BoolArray) -> ObjectIndex:
        """Return the index of the instances for which `is_kept` [N] is true.

        Objects and scenes that have no instance left are dropped.
        """
        owner = np.repeat(np.arange(len(self.category)), self.instances_per_object)
        instances = np.bincount(owner[is_kept], minlength=len(self.category)).astype(np.int32)
        scene = np.repeat(np.arange(len(self.folder)), self.objects_per_scene)
        objects = np.bincount(scene[instances > 0], minlength=len(self.folder)).astype(np.int32)
        return ObjectIndex(
            folder=self.folder[objects > 0],
            objects_per_scene=objects[objects > 0],
            instances_per_object=instances[instances > 0],
            category=self.category[instances > 0],
            picture=self.picture[is_kept],
            time=self.time[is_kept],
            box_xywh=self.box_xywh[is_kept],
            size_hw=self.size_hw[is_kept],
            rle_length=self.rle_length[is_kept],
            rle=self.rle[np.repeat(is_kept, self.rle_length)],
        )

    def save(self, path: Path, root: str) -> None:
        """Write the index to `path`, which appears only when it is complete.

        `root` is the data set's folder, absolute or relative to the folder of `path`.
        """
        about = json.dumps({"version": VERSION, "root": root})
        arrays = {item.name: getattr(self, item.name) for item in fields(self)}
        with Output(path) as work, work.open("wb") as file:
            np.savez_compressed(file, about=np.array(about), **arrays)


def index_path(kind: str, folder: Path) -> Path:
    """Return the path of the index of a prepared data set in `folder`."""
    return folder / f"siammaskpp.{kind}.npz"


def load_index(kind: str, folder: Path) -> tuple[ObjectIndex, Path]:
    """Return the index in `folder` and the root of the data set.

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
