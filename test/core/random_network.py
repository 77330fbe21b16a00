"""Networks with random weights, for tests of what is done with a network."""

from __future__ import annotations

import torch

from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.network.siammaskpp import SiamMaskPP


def random_network(config: NetworkConfig, random_levels: bool = False) -> SiamMaskPP:
    """Return a network with the batch-norm statistics of an image, without which the signal vanishes.

    With `random_levels` the levels have random weights, otherwise equal ones.
    """
    torch.manual_seed(0)
    model = SiamMaskPP(config)
    if random_levels:
        for head in (model.cls, model.loc, model.mask):
            torch.nn.init.normal_(head.level_logits)
    adapt_batch_norms(model)
    return model.eval()


def adapt_batch_norms(model: SiamMaskPP) -> None:
    """Give all batch norms of `model` the statistics of an image of noise."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    noise = torch.randint(0, 256, (1, 255, 255, 3), dtype=torch.uint8)
    with torch.no_grad():
        model.search(noise, model.template(noise[:, :127, :127]))
