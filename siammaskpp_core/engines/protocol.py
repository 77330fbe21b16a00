"""What every runtime offers the tracker, and the errors they share."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from siammaskpp_core.arrays import Float32Array, Image
from siammaskpp_core.errors import UserError


class EngineError(UserError):
    """A runtime that is missing or does not work here; the message says what to install or change."""


class ModelError(UserError):
    """A model folder that is missing, incomplete or damaged; the message names the file and the remedy."""


class SearchOutput(NamedTuple):
    """The network's answer for one target; A anchors, M mask channels, R x R cells.

    cls [2A, R, R] logits (background first), loc [4A, R, R] normalised offsets, mask [M, R, R] mask
    responses; stride2, stride4, conv3 [C, H, W] features of the search region for the refine module. What
    the network does not have is None.
    """

    cls: Float32Array
    loc: Float32Array | None = None
    mask: Float32Array | None = None
    stride2: Float32Array | None = None
    stride4: Float32Array | None = None
    conv3: Float32Array | None = None


class Engine(Protocol):
    """The network on some runtime. It keeps no state of any target."""

    name: str

    def encode_template(self, crops: Image) -> Float32Array:
        """Template crops, BGR [N, 127, 127, 3], to correlation kernels [N, K, k, k]."""

    def search(self, crops: Image, kernels: list[Float32Array]) -> list[SearchOutput]:
        """Search crops, BGR [N, 255, 255, 3], and N kernels [K, k, k] to N answers.

        An answer is valid until the next call of `search`.
        """

    def refine(self, outputs: list[SearchOutput], cells: list[tuple[int, int]]) -> Float32Array:
        """Mask probabilities [N, 127, 127] at one (row, column) cell of the response each."""
