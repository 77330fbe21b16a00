"""The cache of built engines, and the check that an engine belongs to this model and this device.

    ~/.cache/siammaskpp/tensorrt/KEY/PRECISION-TARGETS/
        template.engine search.engine refine.engine   TensorRT's serialized engines
        expected.npz                                  inputs and ONNX Runtime's outputs
        engines.json                                  key, precision and the files' SHA-256

KEY is a digest of everything that an engine depends on. $XDG_CACHE_HOME replaces ~/.cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from siammaskpp_core.arrays import AnyArray
from siammaskpp_core.model.folder import Model
from siammaskpp_core.network.protocol import EngineError

FORM = 1
"""Version of the rewriting of graphs (graphs.py): engines of another version are not used."""
DESCRIPTION, _EXPECTED = "engines.json", "expected.npz"


@dataclass(frozen=True)
class Key:
    """Everything that an engine depends on; see :func:`key_of`."""

    form: int
    graphs: str
    tensorrt: str
    device: str
    compute_capability: str

    @property
    def folder(self) -> Path:
        """The folder of the engines with this key."""
        text = json.dumps(asdict(self), sort_keys=True)
        return cache_root() / hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Built:
    """Serialized engines of one key by graph, and the outputs that are expected of them."""

    precision: str
    max_targets: int
    engines: dict[str, bytes]
    expected: dict[str, AnyArray]


def cache_root() -> Path:
    """The folder that holds all engines and timing caches."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "siammaskpp" / "tensorrt"


def key_of(model: Model, tensorrt: str, device: str, compute_capability: str) -> Key:
    """The key of `model` for a version of TensorRT and a GPU, given by its name and compute capability."""
    digest = hashlib.sha256()
    for name in model.graphs:
        digest.update(hashlib.sha256(model.graph(name).read_bytes()).digest())
    return Key(FORM, digest.hexdigest(), tensorrt, device, compute_capability)


def newest(key: Key, model: Model) -> Path:
    """The folder of `key` that was built last.

    Raises :class:`EngineError` that says how to build one when there is none.
    """
    folders = sorted(key.folder.glob(f"*/{DESCRIPTION}"), key=lambda path: path.stat().st_mtime)
    if not folders:
        raise EngineError(
            f"no TensorRT {key.tensorrt} engine of {model.folder} for {key.device} "
            f"({key.compute_capability}); build it: siammaskpp build-engine {model.folder}"
        )
    return folders[-1].parent


def read(folder: Path, key: Key) -> Built:
    """Read the engines in `folder`.

    Raises :class:`EngineError` when a file is missing or damaged, or when they have another key.
    """
    try:
        found = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        wanted, actual = asdict(key), found["key"]
        wrong = [name for name in wanted if actual.get(name) != wanted[name]]
        if wrong:
            listed = ", ".join(f"{name} {actual.get(name)}, here {wanted[name]}" for name in wrong)
            raise EngineError(f"{folder} was built for another machine or model ({listed}); {_again()}")
        files = {name: (folder / name).read_bytes() for name in found["sha256"]}
        for name, content in files.items():
            if hashlib.sha256(content).hexdigest() != found["sha256"][name]:
                raise EngineError(f"{folder / name} is damaged (its SHA-256 differs); {_again()}")
        with np.load(folder / _EXPECTED) as stored:
            expected = dict(stored)
        engines = {name.removesuffix(".engine"): files[name] for name in files if name != _EXPECTED}
        return Built(found["precision"], found["max_targets"], engines, expected)
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise EngineError(f"{folder} is damaged ({error}); {_again()}") from error


def write(built: Built, key: Key, folder: Path) -> None:
    """Write the engines to the existing `folder` in the form that :func:`read` expects."""
    for name, engine in built.engines.items():
        (folder / f"{name}.engine").write_bytes(engine)
    np.savez_compressed(folder / _EXPECTED, **built.expected)  # type: ignore[arg-type]
    files = [folder / name for name in (*(f"{name}.engine" for name in built.engines), _EXPECTED)]
    description = {
        "key": asdict(key),
        "precision": built.precision,
        "max_targets": built.max_targets,
        "built": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
    }
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2), encoding="utf-8")


def _again() -> str:
    return "build it again: siammaskpp build-engine --rebuild"
