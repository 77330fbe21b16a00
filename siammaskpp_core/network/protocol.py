"""The interface that every runtime offers to the tracker."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from siammaskpp_core.arrays import Float32Array, Image
from siammaskpp_core.errors import UserError


class EngineError(UserError):
    """A runtime is missing or does not work here; the message says what to install or change."""


class SearchOutput(NamedTuple):
    """The network's output for one target, for A anchors, M mask channels and R x R response cells.

    cls [2A, R, R]: logits, the A background channels first; loc [4A, R, R]: normalised offsets; mask
    [M, R, R]: mask responses; stride2, stride4, conv3 [C, H, W]: features of the search region that the
    refine module reads. Outputs that the network does not have are None.
    """

    cls: Float32Array
    loc: Float32Array | None = None
    mask: Float32Array | None = None
    stride2: Float32Array | None = None
    stride4: Float32Array | None = None
    conv3: Float32Array | None = None


class Engine(Protocol):
    """The network on one runtime. An engine keeps no state of a target."""

    name: str
    """Name of the runtime, with that of the device where the user can choose another than the CPU."""

    def encode_template(self, crops: Image) -> Float32Array:
        """Correlation kernels [N, K, k, k] of template crops, BGR [N, 127, 127, 3]."""

    def search(self, crops: Image, kernels: list[Float32Array]) -> list[SearchOutput]:
        """The outputs for search crops, BGR [N, 255, 255, 3], and the kernels [K, k, k] of N targets.

        An output is valid until the next call of `search`.
        """

    def refine(self, outputs: list[SearchOutput], cells: list[tuple[int, int]]) -> Float32Array:
        """Mask probabilities [N, 127, 127] at one response cell (row, column) of each output."""
