"""The reference implementation: the network in torch, computed as the published code of SiamMask++ does.

For every frame the published code runs the backbone twice, computes the kernels again from the template's
features, and runs the mask branch twice, at all positions. Weights and results are the same as ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from siammaskpp_core.arrays import Float32Array, Image
from siammaskpp_core.model.checkpoint import WEIGHTS, load_network
from siammaskpp_core.model.folder import ModelError
from siammaskpp_core.network.backbones import Features
from siammaskpp_core.network.protocol import SearchOutput
from siammaskpp_core.network.refine import cut_windows
from siammaskpp_core.network.siammaskpp import SiamMaskPP


class ReferenceEngine:
    """The reference implementation as an engine, for SiamMask++ with the refine module.

    Its kernels are the features of the template. `threads` 0 leaves the number of threads to torch. Raises
    :class:`ModelError` for another network or a folder without the weights for torch.
    """

    name = "reference"

    def __init__(self, model_folder: Path, threads: int = 0) -> None:
        path = model_folder / WEIGHTS
        if not path.is_file():
            raise ModelError(
                f"{path} is missing, which the reference implementation needs. Folders written by "
                "`siammaskpp export` or `siammaskpp import-weights` hold it, installed packages and models "
                "in int8 do not: choose another --model, or leave out --reference"
            )
        self.network = load_network(path)
        config = self.network.config
        if (config.correlation, config.mask, config.refine_input) != ("depthwise", "re", "head"):
            raise ModelError(f"{model_folder}: the reference implementation is for SiamMask++ (re) only")
        if threads:
            torch.set_num_threads(threads)

    @torch.no_grad()
    def encode_template(self, crops: Image) -> Float32Array:
        """Return the adjusted features of all levels, [N, L * C, n, n], of template crops."""
        features = self.network.backbone(torch.from_numpy(crops))
        cut = [
            _central(level.adjust(x), level.template_cells) for level, x in _levels(self.network, features)
        ]
        adjusted: Float32Array = torch.cat(cut, 1).numpy()
        return adjusted

    @torch.no_grad()
    def search(self, crops: Image, kernels: list[Float32Array]) -> list[SearchOutput]:
        """See :class:`~siammaskpp_core.network.protocol.Engine`; `mask` holds a vector per cell."""
        return [
            self._search(torch.from_numpy(crop[None]), torch.from_numpy(kernel[None]))
            for crop, kernel in zip(crops, kernels, strict=True)
        ]

    def _search(self, pixels: Tensor, template: Tensor) -> SearchOutput:
        net = self.network
        features = net.backbone(pixels)  # for the refine module
        again = net.backbone(pixels)  # the published code runs it a second time for the heads
        parts = template.chunk(len(net.levels), 1)
        levels = [
            (level, level.adjust(x), part)
            for (level, x), part in zip(_levels(net, again), parts, strict=True)
        ]

        def respond(index: int) -> list[list[Tensor]]:
            """Return the responses of branch `index`: for each of its outputs, one response per level."""
            responses = [
                level.branches[index](x, level.branches[index].kernels(part)) for level, x, part in levels
            ]
            return [list(output) for output in zip(*responses, strict=True)]

        cls, loc = respond(0)
        assert net.loc is not None
        assert net.mask is not None
        net.mask(respond(1)[0])
        mask = net.mask(respond(1)[0])
        outputs = {"cls": net.cls(cls), "loc": net.loc(loc), "mask": mask}
        outputs.update(stride2=features.stride2, stride4=features.stride4, conv3=features.conv3)
        return SearchOutput(**{name: value[0].numpy() for name, value in outputs.items()})

    @torch.no_grad()
    def refine(self, outputs: list[SearchOutput], cells: list[tuple[int, int]]) -> Float32Array:
        """See :class:`~siammaskpp_core.network.protocol.Engine`."""
        assert self.network.refine is not None
        masks = []
        for output, (row, column) in zip(outputs, cells, strict=True):
            maps = (output.stride2, output.stride4, output.conv3)
            features = Features(*(torch.from_numpy(x)[None] for x in maps))
            place = (torch.tensor([i]) for i in (0, row, column))
            assert output.mask is not None
            vector = torch.from_numpy(output.mask)[None, :, row, column, None, None]
            masks.append(self.network.refine(vector, cut_windows(features, *place)).sigmoid()[0, 0].numpy())
        return np.stack(masks)


def _levels(network: SiamMaskPP, features: Features) -> list[tuple[Any, Tensor]]:
    maps = (getattr(features, name) for name in network.config.levels)
    return list(zip(network.levels, maps, strict=True))


def _central(x: Tensor, cells: int) -> Tensor:
    margin = (x.shape[-1] - cells) // 2
    return F.pad(x, (-margin,) * 4)
