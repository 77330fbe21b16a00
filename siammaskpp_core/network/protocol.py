"""The interface between the tracker and whatever runs the network, and the errors of that side."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from siammaskpp_core.arrays import Float32Array, Image
from siammaskpp_core.errors import UserError


class EngineError(UserError):
    """A runtime is missing or does not work here; the message says what to install or change."""


class ModelError(UserError):
    """A model folder is missing, incomplete or damaged; the message names the file and the remedy."""


class SearchOutput(NamedTuple):
    """The network's output for one search region, with A anchors, M mask channels and R x R cells.

    `cls` [2A, R, R] holds logits (background first), `loc` [4A, R, R] normalised box offsets, and `mask`
    [M, R, R] mask features. `stride2`, `stride4` and `conv3` [C, H, W] are features of the search region for
    the refine module. A field that the network does not have is None.
    """

    cls: Float32Array
    loc: Float32Array | None = None
    mask: Float32Array | None = None
    stride2: Float32Array | None = None
    stride4: Float32Array | None = None
    conv3: Float32Array | None = None


class Engine(Protocol):
    """A network that runs on some runtime. It keeps no state of any target."""

    name: str

    def encode_template(self, crops: Image) -> Float32Array:
        """Return the correlation kernels [N, K, k, k] of template crops, BGR uint8 [N, 127, 127, 3]."""

    def search(self, crops: Image, kernels: list[Float32Array]) -> list[SearchOutput]:
        """Return the outputs for N search crops, BGR uint8 [N, 255, 255, 3], and N kernels [K, k, k].

        They are valid until the next call of `search`.
        """

    def refine(self, outputs: list[SearchOutput], cells: list[tuple[int, int]]) -> Float32Array:
        """Return mask probabilities [N, 127, 127], each at one (row, column) cell of the response."""
